#!/usr/bin/env bash
# Set-up, build, all tests; ends with a table of what was skipped and why, and one line of totals.
#
#   scripts/test.sh            everything
#   scripts/test.sh --quick    without sanitizers, fuzzing and planted faults
#
# FG_TOKENIZERS   folder of real tokenizers (llama2/, llama3/, mistral/); without it their tests skip
# FG_REQUIRE      tags that must not be skipped, for example hf,mpi,tokenizers; a skip then fails.
#                 With slurm among them Slurm is installed too
# FG_FUZZ_SECONDS seconds for each fuzz target (5)
set -u -o pipefail
cd "$(dirname "$0")/.."
[ -z "${FG_TOKENIZERS-}" ] || FG_TOKENIZERS=$(realpath -- "$FG_TOKENIZERS") && export FG_TOKENIZERS

quick=
case "${1-}" in
  --quick) quick=yes ;;
  '') ;;
  *) echo "test.sh: unknown option '$1'; the only one is --quick" >&2; exit 2 ;;
esac

begin=$SECONDS
failed=()
step() { printf '\n=== %s (at %d s)\n' "$1" $((SECONDS - begin)); }
# run NAME COMMAND…: goes on after a failure, so that one run shows them all.
run() {
  local name=$1
  shift
  step "$name"
  "$@" || failed+=("$name")
}

step "set-up"
with=
[[ ,${FG_REQUIRE-}, != *,slurm,* ]] || with=--cluster
scripts/bootstrap.sh $with || exit 1
export PATH="$PWD/.venv/bin:$PATH"
jobs=$(nproc)
results=build/results
rm -rf "$results"

step "build"
cmake --preset dev -Wno-dev > /dev/null && cmake --build build -j "$jobs" || exit 1
mkdir -p "$results/programs"

run "C++ tests" env FG_TEST_RESULTS="$PWD/$results/programs" \
  ctest --test-dir build -LE single -j "$jobs" --output-on-failure --progress --no-tests=error \
  --output-junit results/ctest.xml
run "tests against packages we did not write" \
  timeout --foreground -k 10 1800 python -m pytest tests -q -p no:cacheprovider -n "$jobs" --dist loadfile \
  --no-loadscope-reorder --junitxml "$results/pytest.xml"

if [ -z "$quick" ]; then
  step "build with sanitizers"
  if cmake --preset sanitize -Wno-dev > /dev/null &&
      cmake --build build-sanitize --target unit_tests -j "$jobs" | tail -n 3
  then
    run "C++ tests under sanitizers" ctest --test-dir build-sanitize -L unit -j "$jobs" \
      --output-on-failure --progress --no-tests=error
  else
    failed+=("build with sanitizers")
  fi
  run "fuzz targets" scripts/fuzz.sh "${FG_FUZZ_SECONDS:-5}"
  run "planted faults" scripts/check_the_checks.sh
fi

step "what was skipped, and why"
python scripts/report.py "$results"/ctest.xml "$results"/pytest.xml "$results"/programs/*.xml || failed+=("required skips")
if [ ${#failed[@]} -gt 0 ]; then
  printf 'FAILED: %s\n' "${failed[@]}"
  exit 1
fi
printf 'all green in %d s\n' $((SECONDS - begin))
