#!/usr/bin/env bash
# Trains on several machines without a job scheduler: mpirun over ssh, started again where that helps.
#
#   scripts/launch.sh [--hostfile FILE] [-np RANKS] [--interface NET] [--restarts N] [--] [fg-train arguments…]
#
#   --hostfile FILE   the machines, as in configs/hostfiles/two_boxes.txt (default: $FG_HOSTFILE, else this one)
#   -np RANKS         how many ranks (default: all slots of the hostfile, or 1)
#   --interface NET   the network between them: a subnet, as 10.0.0.0/24, which holds for machines that name
#                     their interfaces differently; or names, as eth0,eno1 (default: $FG_INTERFACE)
#   --restarts N      how many times in a row to start again after a rank was lost (5); a start that lasted
#                     ten minutes ends the row
#
# Save and leave: kill -USR1 this script; save and stay: -USR2; Ctrl-C or SIGTERM leave with the last checkpoint.
# A rank that saved and left with 75 because its own machine asked it to (SIGUSR1 to the rank) is started again.
# The project's folder must have the same path on all machines, and the programs be built there; FG_BIN names
# another folder of the programs. Ports, firewalls and all else: docs/multinode.md.
# Exit codes: fg-train's (docs/operations.md).
set -u

self=$(realpath -- "$0")
bin=${FG_BIN:-$(dirname -- "$(dirname -- "$self")")/build/bin}
hostfile=${FG_HOSTFILE-}
interface=${FG_INTERFACE-}
ranks=
restarts=5
pause=${FG_PAUSE_S:-30}  # seconds between two starts: a machine that fell over may come back

say() { echo "launch: $*" >&2; }
refuse() {
  say "$*"
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
    --hostfile | -np | --interface | --restarts)
      [ $# -gt 1 ] || refuse "$1 wants a value"
      case $1 in
        --hostfile) hostfile=$2 ;;
        -np) ranks=$2 ;;
        --interface) interface=$2 ;;
        --restarts) restarts=$2 ;;
      esac
      shift 2 ;;
    --) shift; break ;;
    *) break ;;
  esac
done
[[ ${ranks:-1} =~ ^[1-9][0-9]*$ ]] || refuse "-np wants a number of ranks, not '$ranks'"
[[ $restarts =~ ^[0-9]+$ ]] || refuse "--restarts wants a number, not '$restarts'"
[ -x "$bin/fg-train" ] || refuse "no $bin/fg-train; build first, or set FG_BIN"
[ -z "$hostfile" ] || [ -r "$hostfile" ] || refuse "cannot read the hostfile $hostfile"
command -v mpirun > /dev/null || refuse "no mpirun; scripts/bootstrap.sh installs it"

# Lines of a hostfile without slots count one.
if [ -z "$ranks" ]; then
  ranks=1
  [ -z "$hostfile" ] || ranks=$(awk '{ sub(/#.*/, "") } NF { n = 1
    if (match($0, /(^|[ \t])slots *= *[0-9]+/)) { n = substr($0, RSTART, RLENGTH); sub(/.*= */, "", n) } all += n }
    END { print all + 0 }' "$hostfile")
  [ "$ranks" -gt 0 ] || refuse "$hostfile names no machine"
fi

# fg-train shares the cores of a machine itself, so mpirun binds nothing.
words=(mpirun -np "$ranks" --bind-to none)
[ -z "$hostfile" ] || words+=(--hostfile "$hostfile")
if [ -n "$interface" ]; then
  export FG_INTERFACE=$interface
  words+=(-x FG_INTERFACE --mca oob_tcp_if_include "$interface")
fi
# What the other machines must know too; ssh passes no environment on.
for name in FG_CONFIG FG_MODEL FG_OUTPUT FG_START_TIMEOUT LD_LIBRARY_PATH OMP_NUM_THREADS $(compgen -e | grep '^NCCL_'); do
  [ -z "${!name-}" ] || words+=(-x "$name")
done

launcher='' asked=''
pass_on() {
  asked=$1
  [ -z "$launcher" ] || kill "-$1" "$launcher" 2> /dev/null
}
trap 'pass_on USR1' USR1
trap '[ -z "$launcher" ] || kill -USR2 $launcher' USR2
trap 'pass_on TERM' TERM INT HUP

# run: one start -> its exit code. `wait` returns early when a trap has run.
run() {
  "${words[@]}" "$bin/fg-train" "$@" &
  launcher=$!
  wait $launcher
  local code=$?
  while kill -0 $launcher 2> /dev/null; do
    wait $launcher
    code=$?
  done
  # Where it ended before that look, `code` is still the trap's.
  wait $launcher
  code=$?
  launcher=
  return $code
}

lost=0  # in a row; 205 is mpirun that has lost a whole machine
while true; do
  begin=$SECONDS
  run "$@"
  code=$?
  [ -z "$asked" ] || exit $code
  [ $((SECONDS - begin)) -lt 600 ] || lost=0
  case $code in
    75)
      lost=0
      say "saved before the end (75): starting again" ;;
    1 | 8 | 137 | 139 | 205)
      # mpirun's 1: it does not reach a machine. If that was so from the start, somebody must look.
      [ $code -ne 1 ] || [ $lost -gt 0 ] || exit 1
      lost=$((lost + 1))
      [ $lost -le "$restarts" ] || {
        say "a rank was lost ($code) for the $lost. time in a row: giving up"
        exit $code
      }
      say "a rank was lost ($code): starting again in $pause s"
      sleep "$pause" &
      wait $! ;;
    *) exit $code ;;
  esac
  [ -z "$asked" ] || exit $code
done
