#!/usr/bin/env bash
# Plants one fault at a time in a test build and demands that a test turns red. The table of faults, and
# for each the test that must catch it, is in docs/testing.md; a fault in the sources that the table
# does not name is an error too.
#
#   scripts/check_the_checks.sh [FAULT…]
set -u
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
table=docs/testing.md

# Rows look like: | `fault` | what goes wrong | `ctest -R …` or `pytest …` |
# with "| gpu " before them where a GPU is needed.
mapfile -t rows < <(grep -E '^\| (gpu \| )?`[a-z0-9_.]+` \|' "$table")
has_gpu=$(nvidia-smi -L 2> /dev/null | grep -c .)
status=0

in_sources=$(git grep -hoE 'fault_planted\("[a-z0-9_.]+"\)' -- lib apps | sed 's/.*("//; s/").*//' | sort -u)
in_table=$(printf '%s\n' "${rows[@]}" | cut -d'`' -f2 | sort -u)
if ! diff <(echo "$in_sources") <(echo "$in_table") > /dev/null; then
  echo "faults in the sources (<) and in $table (>) differ:"
  diff <(echo "$in_sources") <(echo "$in_table") | grep '^[<>]'
  status=1
fi

# Prints what became of one row of the table.
check() {
  local row=$1 fault command words log code
  fault=$(cut -d'`' -f2 <<< "$row")
  command=$(cut -d'`' -f4 <<< "$row")
  if [[ $row == "| gpu "* ]] && [ "$has_gpu" -eq 0 ]; then
    printf '  needs a GPU %-32s %s\n' "$fault" "$command"
    return
  fi
  case $command in
    ctest\ *) words="ctest --test-dir build --no-tests=ignore ${command#ctest }" ;;
    pytest\ *) words="python -m pytest -q -x -p no:cacheprovider ${command#pytest }" ;;
    *) echo "  NOT CAUGHT  $fault: no test named"; return ;;
  esac
  log=$(mktemp)
  # shellcheck disable=SC2086  # the table's words are meant to be split
  FG_PLANT=$fault $words > "$log" 2>&1
  code=$?
  # ctest ends with 8 and pytest with 1 when a test failed; anything else is no test that caught it.
  if { [[ $command == ctest* ]] && [ $code -eq 8 ]; } || { [[ $command == pytest* ]] && [ $code -eq 1 ]; }
  then
    printf '  caught      %-32s %s\n' "$fault" "$command"
  else
    printf '  NOT CAUGHT  %-32s %s (exit %d)\n' "$fault" "$command" $code
    tail -n 20 "$log" >&2
  fi
  rm -f "$log"
}
export -f check
export has_gpu

chosen=()
for row in "${rows[@]}"; do
  [ $# -eq 0 ] || [[ " $* " == *" $(cut -d'`' -f2 <<< "$row") "* ]] || continue
  chosen+=("$row")
done
# Side by side: most of a test's time it waits, or computes on one core.
said=$(printf '%s\0' "${chosen[@]}" | xargs -0 -P "$(nproc)" -n 1 bash -c 'check "$1"' _ | tee /dev/stderr)
! grep -q '^  NOT CAUGHT' <<< "$said" || status=1
echo "$(grep -c '^  caught' <<< "$said") planted faults caught"
exit $status
