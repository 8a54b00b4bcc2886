# shellcheck shell=bash
# What the training jobs share; they source it. Environment:
#   FG_ROOT       the project's folder (default: where sbatch was called)
#   FG_BIN        the folder of the programs (FG_ROOT/build/bin)
#   FG_CONFIG, FG_MODEL, FG_OUTPUT   as fg-train reads them: configuration, model folder, run folder
#   FG_INTERFACE  network between the ranks, as 10.0.0.0/24 or eth0 (docs/multinode.md)
#   FG_MAX_LOST   how many times in a row a job is queued again after a rank was lost (5)
#   FG_WAIT_S     seconds that the other ranks get to leave by themselves when one was lost (4)

fg_root=${FG_ROOT:-$SLURM_SUBMIT_DIR}
fg_bin=${FG_BIN:-$fg_root/build/bin}
# A task of an array is requeued under its own name; its number may be that of the whole array.
fg_job=$SLURM_JOB_ID
[ -z "${SLURM_ARRAY_TASK_ID-}" ] || fg_job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID

fg_say() { echo "${SLURM_JOB_NAME:-job} $fg_job: $*"; }
fg_refuse() {
  echo "${SLURM_JOB_NAME:-job} $fg_job: $*" >&2
  exit 2
}

# Losses in a row are remembered in the job's comment, which a requeue keeps.
fg_lost_so_far() {
  scontrol -o show job "$fg_job" 2> /dev/null | sed -n 's/.*Comment=fg-lost-\([0-9]*\).*/\1/p'
}
fg_remember_lost() { scontrol update "JobId=$fg_job" "Comment=fg-lost-$1"; }

# fg_train ARGUMENT…: fg-train on all tasks of the job. SIGUSR1 to this script (--signal=B:USR1@…) is
# passed on; the job is queued again where docs/operations.md says so. Does not return.
fg_train() {
  [ -x "$fg_bin/fg-train" ] || fg_refuse "no $fg_bin/fg-train; build first, or set FG_BIN"
  [ -z "${SLURM_RESTART_COUNT-}" ] || fg_say "start $((SLURM_RESTART_COUNT + 1))"
  local launcher='' code=0
  trap '[ -z "$launcher" ] || kill -USR1 $launcher' USR1
  # Sites whose Slurm has no PMIx start the ranks with mpirun inside the allocation instead.
  if srun --mpi=list 2>&1 | grep -qw pmix; then
    # Ranks leave together; where one is lost the others get a while to say so, then srun ends them.
    srun --mpi=pmix --kill-on-bad-exit=0 "--wait=${FG_WAIT_S:-4}" "$fg_bin/fg-train" "$@" &
  else
    [ -z "${FG_INTERFACE-}" ] || export OMPI_MCA_oob_tcp_if_include=$FG_INTERFACE
    mpirun -np "$SLURM_NTASKS" --bind-to none "$fg_bin/fg-train" "$@" &
  fi
  launcher=$!
  # `wait` returns when the trap has run; the launcher may go on for minutes after that.
  wait $launcher
  code=$?
  while kill -0 $launcher 2> /dev/null; do
    wait $launcher
    code=$?
  done
  # Where it ended before that look, `code` is still the trap's.
  wait $launcher
  code=$?
  fg_leave $code
}

# 75: saved before the end. 8: a rank was lost, as a survivor says; 137 and 139: as the launcher says; 205: mpirun
# has lost a whole machine.
fg_leave() {
  local lost
  lost=$(fg_lost_so_far)
  case $1 in
    75)
      [ -z "$lost" ] || fg_remember_lost 0
      fg_requeue "$1" "saved before the end" ;;
    8 | 137 | 139 | 205)
      lost=$((${lost:-0} + 1))
      [ "$lost" -le "${FG_MAX_LOST:-5}" ] || {
        fg_say "code $1, a rank was lost for the $lost. time in a row: not queued again"
        exit "$1"
      }
      # Unless this is remembered, a loss that comes every time would be tried for ever.
      fg_remember_lost $lost || {
        fg_say "code $1, a rank was lost, which Slurm does not let it note down: not queued again"
        exit "$1"
      }
      fg_requeue "$1" "a rank was lost" ;;
  esac
  [ "$1" -eq 0 ] || fg_say "ended with code $1: see docs/operations.md"
  exit "$1"
}

fg_requeue() {
  fg_say "code $1, $2: queued again"
  scontrol requeue "$fg_job" || fg_say "Slurm does not requeue it; submit it again, the run goes on"
  exit "$1"
}
