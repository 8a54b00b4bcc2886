#!/usr/bin/env bash
# Set-up, build, and the main job on a small model: Hugging Face → fg with ChatML tokens → Hugging Face.
#
#   scripts/quickstart.sh [FOLDER]     FOLDER: where the models go (quickstart/), made anew
set -eu
cd "$(dirname "$0")/.."
folder=${1:-quickstart}
begin=$SECONDS
say() { printf '\n==> %s (at %d s)\n' "$*" $((SECONDS - begin)); }

if [ -e "$folder" ] && [ ! -e "$folder/.made-by-quickstart" ]; then
  echo "quickstart: $folder exists and was not made by this script; name another folder" >&2
  exit 2
fi

scripts/bootstrap.sh --build
export PATH="$PWD/.venv/bin:$PATH"

say "Building the programs"
if [ ! -f build/CMakeCache.txt ]; then
  cmake --preset release -Wno-dev > /dev/null
fi
cmake --build build -j "$(nproc)" --target fg-convert fg-data
convert=build/bin/fg-convert
data=build/bin/fg-data

rm -rf "$folder"
mkdir -p "$folder"
touch "$folder/.made-by-quickstart"

say "Making a small model with random weights: $folder/base"
scripts/make_model.py "$folder/base" --hidden 256 --layers 4 --vocab 2048

say "Converting it to an fg folder with ChatML tokens, on two ranks: $folder/fg"
scripts/mpirun.sh 2 $convert "$folder/base" "$folder/fg" --verify --max-shard-size 4MB \
  --add-tokens configs/add_tokens/chatml.yaml -t configs/chat_templates/chatml.jinja

say "Converting it back to a Hugging Face folder: $folder/hf"
$convert "$folder/fg" "$folder/hf" --verify

say "What the model will read when you say hello"
question='{"messages": [{"role": "user", "content": "Hello, what is your name?"}], "add_generation_prompt": true}'
echo "$question" | $data render -M "$folder/hf" | python3 -c 'import json, sys; print(json.load(sys.stdin)["text"])'
echo "$question" | $data tokenize -M "$folder/hf"

cat <<END

==> Done in $((SECONDS - begin)) s. What lies where:
    $folder/base   the model as Hugging Face has it
    $folder/fg     the same as an fg folder: weights in HDF5, ChatML tokens, manifest
    $folder/hf     exported again; loads in plain transformers

    Try next:
    $convert --help
    $convert $folder/base $folder/half --dtype float16 --dry-run
    $convert YOUR_MODEL YOUR_MODEL-fg --add-tokens configs/add_tokens/chatml.yaml \\
        -t configs/chat_templates/chatml.jinja
END
