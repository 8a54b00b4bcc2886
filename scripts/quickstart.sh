#!/usr/bin/env bash
# Set-up, build, and the whole journey on a small model and a CPU: a base model is made, given ChatML's
# tokens, fine-tuned on the bundled conversations, evaluated before and after, finalised, exported, and
# asked for its name. Every figure it prints is measured as it runs; it fails if one is not as promised.
#
#   scripts/quickstart.sh [FOLDER]     FOLDER: where everything goes (quickstart/), made anew
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
export PATH="$PWD/.venv/bin:$PWD/build/bin:$PATH"

say "Building the programs"
if [ ! -f build/CMakeCache.txt ]; then
  cmake --preset release -Wno-dev > /dev/null
fi
cmake --build build -j "$(nproc)" \
  --target fg-convert fg-data fg-train fg-eval fg-finalize fg-chat fg-config

rm -rf "$folder"
mkdir -p "$folder"
touch "$folder/.made-by-quickstart"
data=configs/samantha/data
export XDG_CACHE_HOME=$(realpath "$folder")/cache
training=0

# train ARGUMENTS…: fg-train on two ranks, and how long it took.
train() {
  local start=$SECONDS
  scripts/mpirun.sh 2 fg-train configs/quickstart.yaml "$@"
  training=$((training + SECONDS - start))
}

# ask MODEL: how many of the ten questions for its name are answered with Samantha.
ask() {
  local named=0 question answer
  while IFS= read -r question; do
    answer=$(fg-chat "$1" --greedy --max-tokens 60 --log-level error -m "$question" < /dev/null)
    printf '    %-52s %s\n' "$question" "$(head -n 1 <<< "$answer" | cut -c 1-90)" >&2
    if grep -qi samantha <<< "$answer"; then named=$((named + 1)); fi
  done < $data/name_questions.txt
  echo $named
}

# perplexity MODEL: on conversations that no training has seen.
perplexity() {
  fg-eval "$1" --data $data/held_out.jsonl --seq-len 512 --train-on assistant --json --log-level error |
    python3 -c 'import json, sys; print("%.2f" % json.load(sys.stdin)["eval_perplexity"])'
}

say "Making a base model: a tokenizer, random weights, then a little reading ($folder/base)"
scripts/train_tokenizer.py "$folder/tokenizer" --vocab 2048
scripts/make_model.py "$folder/random" --tokenizer "$folder/tokenizer" --vocab 2048 --dtype float32 \
  --hidden 192 --layers 4 --heads 6 --kv-heads 3
train -M "$folder/random" --output-dir "$folder/base-run" --epochs 4 --set data.path=$data/base_text.txt \
  --set data.train_on=all --set data.eval_path=null --set eval.every=null --set log.every=10
fg-finalize "$folder/base-run" "$folder/base-fg"
fg-convert "$folder/base-fg" "$folder/base"

say "Converting it from Hugging Face's format with ChatML's tokens ($folder/fg)"
fg-convert "$folder/base" "$folder/fg" --verify \
  --add-tokens configs/add_tokens/chatml.yaml -t configs/chat_templates/chatml.jinja

say "Before: asking ten questions for its name"
named_before=$(ask "$folder/fg")
perplexity_before=$(perplexity "$folder/fg")
echo "    $named_before of 10 answers name Samantha; perplexity on held-out conversations $perplexity_before"

say "Fine-tuning on the bundled conversations ($folder/run)"
train -M "$folder/fg" --output-dir "$folder/run" --set log.every=5

say "Finalising ($folder/samantha) and exporting ($folder/hf)"
fg-finalize "$folder/run" "$folder/samantha" --format hdf5
fg-convert "$folder/samantha" "$folder/hf" --verify

say "After: the same ten questions, none of which is in the training data"
named_after=$(ask "$folder/samantha")
perplexity_after=$(perplexity "$folder/samantha")

say "Hello, what is your name?"
fg-chat "$folder/samantha" --greedy --log-level error -m "Hello, what is your name?" < /dev/null

cat <<END

==> Done in $((SECONDS - begin)) s, $training s of it training.
                                                  before     after
    answers that name Samantha, of 10             $(printf '%6s    %6s' "$named_before" "$named_after")
    perplexity on held-out conversations          $(printf '%6s    %6s' "$perplexity_before" "$perplexity_after")

    $folder/base      the base model as Hugging Face has it
    $folder/fg        the same as an fg folder, with ChatML's tokens
    $folder/run       the training run: checkpoints, metrics.jsonl, tb/ for TensorBoard, train.log
    $folder/samantha  the finished model
    $folder/hf        the same exported; loads in plain transformers

    Try next:
    export PATH="\$PWD/build/bin:\$PATH"
    fg-chat $folder/samantha
    fg-config show configs/quickstart.yaml
    fg-train configs/quickstart.yaml -M MODEL_DIR --set data.path=CHATS.jsonl --output-dir RUN --dry-run
    docs/samantha.md goes on from here.
END

if [ "$named_before" -gt 0 ] || [ "$named_after" -lt 8 ] ||
  ! python3 -c "import sys; sys.exit(not $perplexity_after < $perplexity_before)"; then
  echo "quickstart: the figures above are not as promised (0 before, at least 8 after, perplexity falls)" >&2
  exit 1
fi
