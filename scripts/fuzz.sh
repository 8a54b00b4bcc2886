#!/usr/bin/env bash
# scripts/fuzz.sh [SECONDS]: builds every fuzz target (clang, AddressSanitizer, UBSan) and runs each for
# so many seconds (5), one a core, on the seeds in tests/fuzz/seeds/<target>/. A finding stays in
# build-fuzz/findings/.
set -u -o pipefail
cd "$(dirname "$0")/.."
export FUZZ_SECONDS=${1:-5}
export PATH="$PWD/.venv/bin:$PATH"
cmake --preset fuzz -Wno-dev > /dev/null &&
  cmake --build build-fuzz --target fuzzers -j "$(nproc)" | tail -n 1 || exit 1
mkdir -p build-fuzz/findings build-fuzz/seeds
# Seeds that are made, not kept: small valid files by the packages that define the formats.
python tests/fuzz/make_store_seeds.py build-fuzz/seeds &&
  python tests/fuzz/make_chat_template_seeds.py build-fuzz/seeds/chat_template || exit 1

# Runs one target, then says all of it at once, so that targets side by side do not mix their lines.
fuzz() {
  local name=$1 corpus=build-fuzz/corpus/$1 seeds=() seed dictionary done_line
  if [ ! -x "build-fuzz/fuzz/$name" ]; then
    printf '%-32s was not built\n' "$name"
    return 1
  fi
  mkdir -p "$corpus"
  for seed in "tests/fuzz/seeds/$name" "build-fuzz/seeds/${name%_fuzzer}"; do
    [ ! -d "$seed" ] || seeds+=("$seed")
  done
  dictionary=tests/fuzz/${name%_fuzzer}.dict
  [ ! -f "$dictionary" ] || seeds+=("-dict=$dictionary")
  # Time bounds alone differ between machines; 10 s and 1 GiB for one input is far beyond any limit.
  if "build-fuzz/fuzz/$name" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=1024 \
      -max_len=65536 -artifact_prefix="build-fuzz/findings/$name-" "$corpus" "${seeds[@]}" \
      2> "$corpus.log" && done_line=$(grep -oE 'Done [0-9]+ runs.*' "$corpus.log"); then
    printf '%-32s %s\n' "$name" "$done_line"
  else
    printf '%-32s FOUND something:\n%s\n' "$name" "$(tail -n 40 "$corpus.log")"
    return 1
  fi
}
export -f fuzz

# The sources say which targets there must be; what is left of an older build does not count.
find tests/fuzz -maxdepth 1 -name '*_fuzzer.cpp' -printf '%f\0' | sort -z |
  xargs -0 -P "$(nproc)" -I{} bash -c 'name={}; fuzz "${name%.cpp}"'
