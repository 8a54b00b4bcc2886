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
# with "| gpu " before them where a GPU is needed. "FG_TEST_FILTER=Suite.Test ctest -R program.ranks" names
# a test in a program that ctest knows as a whole.
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
  local row=$1 fault command words log code red filter=
  fault=$(cut -d'`' -f2 <<< "$row")
  command=$(cut -d'`' -f4 <<< "$row")
  if [[ $row == "| gpu "* ]] && [ "$has_gpu" -eq 0 ]; then
    printf '  needs a GPU %-32s %s\n' "$fault" "$command"
    return
  fi
  words=$command
  if [[ $words == FG_TEST_FILTER=* ]]; then
    filter=${words%% *}
    filter=${filter#FG_TEST_FILTER=}
    words=${words#* }
  fi
  # ctest ends with 8 and pytest with 1 when a test failed; anything else, also that the time was up, is
  # no test that caught it.
  case $words in
    ctest\ *) red=8 words="ctest --test-dir build --output-on-failure --no-tests=ignore ${words#ctest }" ;;
    pytest\ *) red=1 words="python -m pytest -q -x -p no:cacheprovider ${words#pytest }" ;;
    *) echo "  NOT CAUGHT  $fault: no test named"; return ;;
  esac
  log=$(mktemp)
  # shellcheck disable=SC2086  # the table's words are meant to be split
  FG_PLANT=$fault FG_TEST_FILTER=$filter timeout -k 10 300 $words > "$log" 2>&1
  code=$?
  if [ $code -eq $red ] && grep -qF -- "$filter" "$log"; then
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
[ ${#chosen[@]} -gt 0 ] || { echo "no such fault in $table" >&2; exit 2; }
said=$(printf '%s\0' "${chosen[@]}" | xargs -0 -P "$(nproc)" -n 1 bash -c 'check "$1"' _ | tee /dev/stderr)
caught=$(grep -c '^  caught' <<< "$said")
passed_over=$(grep -c '^  needs a GPU' <<< "$said")
# A row of which nothing was said was not checked either.
[ $((caught + passed_over)) -eq ${#chosen[@]} ] || status=1
echo "$caught of ${#chosen[@]} planted faults caught$([ "$passed_over" -eq 0 ] || echo ", $passed_over need a GPU")"
exit $status
