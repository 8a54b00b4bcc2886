#!/usr/bin/env bash
# scripts/fuzz.sh [SECONDS]: builds every fuzz target (clang, AddressSanitizer, UBSan) and runs each for
# so many seconds (5) on the seeds in tests/fuzz/seeds/<target>/. A finding stays in build-fuzz/findings/.
set -u
cd "$(dirname "$0")/.."
seconds=${1:-5}
export PATH="$PWD/.venv/bin:$PATH"
cmake --preset fuzz -Wno-dev > /dev/null && cmake --build build-fuzz -j "$(nproc)" | tail -n 1 || exit 1
mkdir -p build-fuzz/findings build-fuzz/seeds
# Seeds that are made, not kept: small valid files by the packages that define the formats.
python tests/fuzz/make_store_seeds.py build-fuzz/seeds
python tests/fuzz/make_chat_template_seeds.py build-fuzz/seeds/chat_template

status=0
for target in build-fuzz/fuzz/*_fuzzer; do
  name=$(basename "$target")
  corpus=build-fuzz/corpus/$name
  mkdir -p "$corpus"
  seeds=()
  for seed in "tests/fuzz/seeds/$name" "build-fuzz/seeds/${name%_fuzzer}"; do
    [ ! -d "$seed" ] || seeds+=("$seed")
  done
  dictionary=tests/fuzz/${name%_fuzzer}.dict
  [ ! -f "$dictionary" ] || seeds+=("-dict=$dictionary")
  # Time bounds alone differ between machines; 10 s and 1 GiB for one input is far beyond any limit.
  if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
      -artifact_prefix="build-fuzz/findings/$name-" "$corpus" "${seeds[@]}" 2> "$corpus.log"; then
    printf '%-32s %s\n' "$name" "$(grep -oE 'Done [0-9]+ runs.*' "$corpus.log")"
  else
    printf '%-32s FOUND something:\n' "$name"
    tail -n 40 "$corpus.log"
    status=1
  fi
done
exit $status
