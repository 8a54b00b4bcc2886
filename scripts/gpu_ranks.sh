#!/usr/bin/env bash
# Everything about several ranks that wants a machine with two GPUs, part by part, each with a time limit of its own;
# one that fails does not keep the next from its turn.
#
#   scripts/gpu_ranks.sh [--rehearse] [--one-gpu] [--parts "nccl equal …"] PROGRAMS MODEL [FOLDER]
#
# PROGRAMS: the folder of fg-train; comm_nccl_test is looked for in ../tests beside it.
# MODEL: a folder with a tokenizer of at most 32,001 tokens and a config.json; weights are random.
# FOLDER: where results go; without it $OUT. Texts and JSON, small. Ends with a table of parts, exit codes and seconds.
# --one-gpu: where there is one GPU, for equal and box. Both ranks have it, in two namespaces, since NCCL does not join
# two of a host on one GPU, and side by side by CUDA's MPS where it is installed, else in turns; box takes half of 7B's
# layers then, which each rank computes on its share of the GPU.
# --rehearse: the same lines on the CPU with tiny shapes, to see that they work (2 minutes); its figures mean nothing.
#
#   nccl    comm_nccl_test on two ranks: order, plans, faults, speed and memory
#   equal   one process again, on the other GPU, and stopped and resumed, pipelines and ddp against one process with
#           --deterministic: the same weights and losses, bit for bit
#   7b      speed of pipelines: 7B, 16 microbatches of one row of 2,048
#   1b      speed of ddp: 1B, 4 microbatches of 4 rows of 4,096
#   wire    speed of 1F1B with a pretended link of 1 Gbit/s, 32 rows
#   box     the same over a wire that has that rate, between two namespaces with a GPU each (needs what
#           scripts/cluster_in_a_box.sh probe --no-slurm asks for); NCCL knows no way but the wire
#   stop    rank 1 of a 7B pipeline is stopped in the middle of a step: does rank 0 end the job, and say why?
#   killed  the same, but rank 1 is killed
set -u
cd "$(dirname "$0")/.." || exit 2
export NCCL_NVLS_ENABLE=${NCCL_NVLS_ENABLE:-0} # all figures so far were taken without NVLink's multicast

all_parts="nccl equal 7b 1b wire box stop killed"
parts=$all_parts
rehearse=no
one_gpu=no
one=
while [ $# -gt 0 ]; do
  case $1 in
    --rehearse) rehearse=yes ;;
    --one-gpu) one_gpu=yes ;;
    --parts) parts=$2; shift ;;
    --one) one=$2; shift ;; # for itself
    *) break ;;
  esac
  shift
done
out=${3:-${OUT:-}}
if [ $# -lt 2 ] || [ -z "$out" ]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' scripts/gpu_ranks.sh >&2
  exit 2
fi
mkdir -p "$out"
programs=$(realpath "$1") model=$(realpath "$2") out=$(realpath "$out")
work=${GPU_RANKS_WORK:-$(mktemp -d)} # where runs go, and what they leave
export GPU_RANKS_WORK=$work OUT=$out # bench_ranks.py leaves reports of what fails there

# bench ARGUMENTS…: the real shapes, or in a rehearsal a tiny one.
bench() {
  local json=$out/$one.json
  if [ $rehearse = yes ]; then
    local words=(--devices cpu) skip=no word
    for word in "$@"; do # without the shape and what makes it large
      [ $skip = yes ] && skip=no && continue
      case $word in
        --shape | --length | --rows | --microbatch) skip=yes ;;
        *) words+=("$word") ;;
      esac
    done
    python3 scripts/bench_ranks.py "$work/tiny" "${words[@]}" --rows 4 --length 64 --steps 12 --limit 150 \
      --bin "$programs" --json "$json"
  else
    python3 scripts/bench_ranks.py "$model" "$@" --limit 200 --bin "$programs" --json "$json"
  fi
}

# Ranks on one GPU in turns would also take turns with NCCL's kernels, which wait on it for the wire.
start_mps() {
  command -v nvidia-cuda-mps-control > /dev/null || { echo "no MPS here: the ranks take turns" && return; }
  export CUDA_MPS_PIPE_DIRECTORY=$work/mps CUDA_MPS_LOG_DIRECTORY=$work/mps
  mkdir -p "$work/mps"
  nvidia-cuda-mps-control -d && echo "the ranks share the GPU by MPS"
}
stop_mps() { [ ! -e "$work/mps" ] || echo quit | nvidia-cuda-mps-control; }

# up_box RATE: two namespaces joined by a wire of that rate, with a GPU each; NCCL knows no way but the wire.
up_box() {
  export FG_BOX=$work/box NCCL_P2P_DISABLE=1 NCCL_SHM_DISABLE=1 NCCL_IB_DISABLE=1
  local each=--gpu-each
  [ $rehearse = no ] && [ $one_gpu = no ] || each=
  trap 'scripts/cluster_in_a_box.sh down; stop_mps' EXIT
  [ $rehearse = yes ] || [ $one_gpu = no ] || start_mps
  scripts/cluster_in_a_box.sh up --no-slurm --rate "$1" $each
}

# shape FOLDER HIDDEN LAYERS…: a config.json for MODEL's tokenizer, and that tokenizer.
shape() {
  mkdir -p "$1"
  find "$model" -maxdepth 1 \( -name "tokenizer*" -o -name "chat_template*" \) -exec cp {} "$1" \;
  python3 - "$model/config.json" "$@" << 'PYTHON'
import json, sys
source, folder, hidden, layers, intermediate, heads, kv_heads = sys.argv[1:]
config = {"model_type": "llama", "vocab_size": json.load(open(source))["vocab_size"], "hidden_size": int(hidden),
          "intermediate_size": int(intermediate), "num_hidden_layers": int(layers),
          "num_attention_heads": int(heads), "num_key_value_heads": int(kv_heads),
          "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "hidden_act": "silu",
          "architectures": ["LlamaForCausalLM"], "tie_word_embeddings": False, "initializer_range": 0.02}
json.dump(config, open(f"{folder}/config.json", "w"))
PYTHON
}

# train_words RUN SHAPE WORDS…: into `words` the command of a run with random weights.
train_words() {
  local run=$1 shape=$2
  shift 2
  words=("$programs/fg-train" --devices "$devices" --output-dir "$run" --set model.init=random
    --set "model.config=$shape" --set "model.tokenizer=$shape" --set data.path=configs/samantha/data/train.jsonl
    --set "data.cache=$work/cache" --set log.every=1 --set log.tensorboard=false
    --set lr_schedule.type=constant --set train.epochs=100 "$@")
}

# --- equal: one process and two ranks leave the same weights and tell the same losses ---

# run_small RUN RANKS WORDS…
run_small() {
  local run=$1 ranks=$2
  shift 2
  train_words "$work/$run" "$work/small" --deterministic --max-steps "$steps" --seq-len 256 --set optimizer.type=adamw \
    --set optimizer.clip_norm=0.5 --set train.microbatch_size=1 "$@"
  local launch=(scripts/mpirun.sh)
  [ $one_gpu = no ] || launch=(scripts/cluster_in_a_box.sh mpirun -np)
  [ "$ranks" = 1 ] || words=("${launch[@]}" "$ranks" "${words[@]}")
  "${words[@]}" > "$work/$run.txt" 2>&1 || { tail -20 "$work/$run.txt"; return 1; }
  # One file of weights, whoever wrote which slices.
  rm -rf "$work/$run-model"
  "$programs/fg-finalize" "$work/$run" "$work/$run-model" > "$work/$run.txt" 2>&1 && return
  tail -20 "$work/$run.txt"
  return 1
}

# same RUN OTHER
same() {
  if is_same "$1" "$2"; then
    echo "$2: equal to $1"
  else
    echo "$2: DIFFERS from $1"
    return 1
  fi
}

is_same() {
  local file differs=0
  for file in "$work/$1-model"/*.safetensors; do
    cmp "$file" "$work/$2-model/$(basename "$file")" || differs=1
  done
  python3 - "$work/$1/metrics.jsonl" "$work/$2/metrics.jsonl" << 'PYTHON' || differs=1
import json, sys
told = [[(line.get("step"), line.get("loss"), line.get("grad_norm")) for line in map(json.loads, open(file))]
        for file in sys.argv[1:]]
apart = [steps for steps in zip(*told) if steps[0] != steps[1]]
print("first step that differs:", *apart[0]) if apart else print("every step:", told[0])
sys.exit(bool(apart) or len(told[0]) != len(told[1]) or len(told[0]) < 2)
PYTHON
  return $differs
}

part_equal() {
  local failed=0 run steps=6
  [ $one_gpu = no ] || up_box 10gbit || return
  if [ $rehearse = yes ]; then
    steps=2
    shape "$work/small" 64 4 128 4 2
  else
    shape "$work/small" 1024 8 2816 16 8
  fi
  local pipeline=(--trainer pipeline --set train.global_batch_size=4 --pipeline-schedule)
  run_small one-4 1 --set train.global_batch_size=4 || return 1
  run_small one-4-again 1 --set train.global_batch_size=4
  local runs=(one-4-again one-4-resumed 1f1b zb_h1 zbv)
  if [ $one_gpu = no ]; then
    CUDA_VISIBLE_DEVICES=1 run_small one-4-other-gpu 1 --set train.global_batch_size=4
    runs+=(one-4-other-gpu)
  fi
  run_small one-2 1 --set train.global_batch_size=2 || return 1
  run_small 1f1b 2 "${pipeline[@]}" 1f1b
  run_small zb_h1 2 "${pipeline[@]}" zb_h1
  run_small zbv 2 "${pipeline[@]}" zbv
  run_small ddp 2 --trainer ddp --set train.global_batch_size=2 # a microbatch each: no sum has another order
  steps=$((steps / 2)) run_small one-4-resumed 1 --set train.global_batch_size=4
  run_small one-4-resumed 1 --set train.global_batch_size=4
  for run in "${runs[@]}"; do
    same one-4 $run || failed=1
  done
  same one-2 ddp || failed=1
  return $failed
}

# --- stop, killed: what rank 0 does about a peer that is gone in the middle of a step ---

# end_of_peer SIGNAL CODES: rank 1 gets the signal in its fifth step; the job must end with one of the codes.
end_of_peer() {
  local signal=$1 codes=$2 timeout=20 shape=$work/big rows=16 length=2048 limit=240 step=0
  if [ $rehearse = yes ]; then
    shape "$shape" 128 4 256 4 2
    rows=8 length=128 timeout=5
  else
    shape "$shape" 4096 32 11008 32 32
  fi
  local run=$work/$one
  train_words "$run" "$shape" --trainer pipeline --pipeline-schedule 1f1b --save-strategy no --max-steps 100000 \
    --seq-len "$length" --set "train.global_batch_size=$rows" --set train.microbatch_size=1 \
    --set optimizer.type=adafactor --set "comm.timeout_s=$timeout"
  # shellcheck disable=SC2016
  scripts/mpirun.sh 2 sh -c 'echo $$ > "$0-$OMPI_COMM_WORLD_RANK"; exec "$@"' "$work/$one-pid" "${words[@]}" &
  local job=$! waited=0 begin
  while [ "$step" -lt 5 ]; do
    sleep 0.2
    kill -0 $job 2> /dev/null || { echo "the job ended by itself"; wait $job; return 1; }
    waited=$((waited + 1))
    [ $waited -gt $((limit * 5)) ] && { echo "no fifth step in $limit s"; kill $job; return 1; }
    [ ! -e "$run/metrics.jsonl" ] || step=$(wc -l < "$run/metrics.jsonl")
  done
  sleep 0.3 # into the middle of the next step
  local peer
  peer=$(cat "$work/$one-pid-1")
  begin=$(date +%s.%N)
  kill -"$signal" "$peer"
  wait $job
  local code=$?
  local seconds
  seconds=$(python3 -c "import time; print(round(time.time() - $begin, 2))")
  kill -KILL "$peer" 2> /dev/null # a stopped one that was forgotten
  for file in "$run"/hang-*.json "$run"/train.log; do
    [ -e "$file" ] && cp "$file" "$out/$one-$(basename "$file")"
  done
  printf '{"signal": "%s", "timeout_s": %d, "code": %d, "seconds": %s}\n' \
    "$signal" $timeout $code "$seconds" | tee "$out/$one.json"
  [[ " $codes " == *" $code "* ]] && python3 -c "import sys; sys.exit($seconds > $timeout + 5)"
}

part_nccl() {
  set -o pipefail
  scripts/mpirun.sh 2 "$(dirname "$programs")/tests/comm_nccl_test" 2>&1 | tee "$work/nccl.txt" || return
  [ $rehearse = yes ] || ! grep -q 'there are not as many GPUs' "$work/nccl.txt" # skipped is not passed
}

part_box() {
  up_box 1gbit || return
  local shape=7b
  if [ $one_gpu = yes ]; then
    shape=as-it-is
    shape "$work/half" 4096 16 11008 32 32
    model=$work/half
  fi
  scripts/cluster_in_a_box.sh bytes
  bench --shape $shape --rows 32 --length 2048 --setups 1f1b --steps 8 --line 2 --extra-warmup 2 --wire 1gbit --box
  local code=$?
  scripts/cluster_in_a_box.sh bytes
  return $code
}

run_part() {
  devices=auto
  # A product on the CPU has other bits on another number of threads.
  [ $rehearse = no ] || { devices=cpu && export OMP_NUM_THREADS=1; }
  case $one in
    nccl) part_nccl ;;
    equal) part_equal ;;
    7b) bench --shape 7b --rows 16 --length 2048 --setups 1f1b zb_h1 zbv ;;
    1b) bench --shape 1b --rows 16 --microbatch 4 --length 4096 --setups ddp ;;
    wire) bench --shape 7b --rows 32 --length 2048 --setups 1f1b --steps 8 --line 2 --extra-warmup 2 \
      --wire 1gbit ;;
    box) part_box ;;
    stop) end_of_peer STOP 7 ;;
    killed) end_of_peer KILL "137 8 9 7" ;;
    *) echo "no part is called $one; there are $all_parts" >&2; return 2 ;;
  esac
}

seconds_for() {
  case $1 in
    nccl | equal | stop | killed) echo 300 ;;
    *) echo 560 ;;
  esac
}

if [ -n "$one" ]; then
  [ -e "$work/tiny" ] || shape "$work/tiny" 64 4 128 4 2
  run_part
  exit
fi

running=
trap 'rm -rf "$work"' EXIT
trap '[ -z "$running" ] || kill $running; exit 143' TERM INT
worst=0
table=
again=()
[ $rehearse = no ] || again+=(--rehearse)
[ $one_gpu = no ] || again+=(--one-gpu)
for part in $parts; do
  begin=$SECONDS
  timeout -k 30 "$(seconds_for "$part")" bash scripts/gpu_ranks.sh "${again[@]}" --one "$part" "$programs" "$model" \
    "$out" > "$out/$part.txt" 2>&1 &
  running=$!
  wait $running
  code=$?
  [ $code = 0 ] || worst=1
  last=$(tail -n 1 "$out/$part.txt" | cut -c1-80)
  table+=$(printf '%-8s %4d %6d s  %s' "$part" $code $((SECONDS - begin)) "$last")$'\n'
  printf '%s: code %d after %d s\n' "$part" $code $((SECONDS - begin))
done
printf '%-8s %4s %8s  %s\n%s' part code time "last line" "$table" | tee "$out/table.txt"
exit $worst
