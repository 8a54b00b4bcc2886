#!/usr/bin/env bash
# Two hosts, h1 and h2, on one machine: network namespaces joined by a wire of a given rate, with Slurm on
# both. For tests, and to try job scripts, networks and faults before a real cluster sees them.
#
#   scripts/cluster_in_a_box.sh up [--rate 1gbit] [--no-slurm] [--gpu-each]
#                                          builds it; again changes the rate alone
#   scripts/cluster_in_a_box.sh down       removes all of it, also what a broken `up` left
#   scripts/cluster_in_a_box.sh status     what stands, and the nodes as Slurm sees them; 1 if it is not whole
#   scripts/cluster_in_a_box.sh probe      whether this machine can do it; if not, why, and 77
#   scripts/cluster_in_a_box.sh run HOST COMMAND…      on h1 or h2
#   scripts/cluster_in_a_box.sh mpirun ARGUMENT…       Open MPI's, from h1, ranks in turn on h1 and h2
#   scripts/cluster_in_a_box.sh sbatch ARGUMENT…       from h1; so are srun, squeue, scancel and scontrol
#   scripts/cluster_in_a_box.sh bytes      what each end of the wire has counted since `up`
#
# Needs root with the right to make namespaces (a container needs CAP_SYS_ADMIN and CAP_NET_ADMIN), iproute2,
# util-linux, and Slurm and munge but for --no-slurm: scripts/bootstrap.sh --cluster. --gpu-each shows h1 GPU 0
# alone and h2 GPU 1 (run and mpirun). FG_BOX names the folder (fg-box below TMPDIR); boxes with different
# folders do not know of each other. Each host has a disk of its own at FG_BOX/local and its own /etc/hosts;
# nothing outside the folder and /run/netns is touched.
# Exit codes: 0, 1 it failed, 2 usage, 77 this machine cannot; run, mpirun and the like: the command's.
set -euo pipefail

self=$(realpath -- "$0")
export PATH=$PATH:/usr/sbin:/sbin
export FG_BOX
FG_BOX=$(realpath -m -- "${FG_BOX:-${TMPDIR:-/tmp}/fg-box}")
box=$FG_BOX
hosts=(h1 h2)
network=10.9.0
# Names of namespaces are the machine's; the folder's hash keeps boxes apart.
prefix=fgbox-$(cksum <<< "$box" | cut -d ' ' -f 1)-

say() { printf 'cluster_in_a_box: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }
usage() { say "$*; see the head of $self" >&2; exit 2; }
# cannot TAG REASON: TAG is the tests' word for what is missing.
cannot() { say "[$1] $2" >&2; exit 77; }

namespace_exists() { [ -e "/run/netns/$prefix$1" ]; }
address() { echo "$network.${1#h}"; }

# enter HOST COMMAND…: replaces this process. Not `ip netns exec`: it mounts a /sys without cgroups, which
# slurmd needs. The name matters: Open MPI takes equal names for one host and finds no way between them.
enter() {
  local host=$1
  shift
  namespace_exists "$host" || die "no host $host; run: $self up"
  export SLURM_CONF=$box/slurm.conf FG_INTERFACE=${FG_INTERFACE-$network.0/24}
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  unset OMPI_MCA_plm  # images of one machine say "isolated", and all ranks would run on h1
  # Tools that Slurm starts read their settings from the environment. Copies through another process's
  # memory (vader's cma) need a right that containers often withhold.
  export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader,tcp OMPI_MCA_btl_vader_single_copy_mechanism=none
  export OMPI_MCA_oob_tcp_if_include=$network.0/24 OMPI_MCA_rmaps_base_oversubscribe=1
  export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_orte_tmpdir_base=$box/tmp-$host
  [ ! -e "$box/gpu-each" ] || export CUDA_VISIBLE_DEVICES=$((${host#h} - 1))
  # shellcheck disable=SC2016  # expanded by the inner shell
  exec nsenter --net="/run/netns/$prefix$host" unshare --uts --mount -- bash -c '
    hostname "$1" && mount --bind "$2/hosts" /etc/hosts && mount --bind "$2/disk-$1" "$2/local" &&
      shift 2 && exec "$@"' enter "$host" "$box" "$@"
}

has() { local place; place=$(command -v "$1") && [ -x "$place" ]; }

probe_tools() {
  [ "$(id -u)" -eq 0 ] || cannot netns "needs root"
  local tool
  for tool in ip tc nsenter unshare; do
    has $tool || cannot netns "needs $tool: scripts/bootstrap.sh --cluster"
  done
  [ "${1-}" != --no-slurm ] || return 0
  for tool in munged slurmctld slurmd srun sbatch; do
    has $tool || cannot slurm "needs $tool: scripts/bootstrap.sh --cluster"
  done
}

# Does once, with names that nobody else has, what `up` will do.
probe_rights() {
  local a=fgprobe-$$-a b=fgprobe-$$-b said status=0
  said=$(
    exec 2>&1
    set -e
    ip netns add $a
    ip netns add $b
    ip link add eth0 netns $a type veth peer name eth0 netns $b
    ip -n $a addr add $network.1/24 dev eth0
    ip -n $a link set eth0 up
    tc -n $a qdisc add dev eth0 root tbf rate 1gbit burst 256kb latency 50ms
    nsenter --net=/run/netns/$a unshare --uts --mount -- \
      sh -c 'hostname fgprobe && mount --bind /etc/hosts /etc/hosts'
  ) || status=$?
  ip netns del $a 2> /dev/null || true
  ip netns del $b 2> /dev/null || true
  [ $status -eq 0 ] || cannot netns "no right to make network namespaces here: $(head -n 1 <<< "$said")"
}

# Frames on the wire are then what the interfaces count, none larger than the MTU.
whole_frames() {
  if ! has ethtool; then
    say "no ethtool: the interfaces count packets before they are cut into frames" >&2
    return
  fi
  local feature
  for feature in tso gso gro; do
    nsenter --net="/run/netns/$prefix$1" ethtool -K eth0 $feature off > /dev/null ||
      say "ethtool cannot switch $feature off on $1: counted packets may be larger than frames" >&2
  done
}

shape_wire() {
  local host
  for host in "${hosts[@]}"; do
    tc -n "$prefix$host" qdisc replace dev eth0 root tbf rate "$1" burst 256kb latency 50ms ||
      die "cannot shape the wire to '$1' (as 1gbit, 2.5gbit, 100mbit)"
  done
  echo "$1" > "$box/rate"
}

make_wire() {
  local host
  for host in "${hosts[@]}"; do
    ip netns add "$prefix$host"
    ip -n "$prefix$host" link set lo up
  done
  ip link add eth0 netns "${prefix}h1" type veth peer name eth0 netns "${prefix}h2"
  for host in "${hosts[@]}"; do
    ip -n "$prefix$host" addr add "$(address "$host")/24" dev eth0
    whole_frames "$host"
    ip -n "$prefix$host" link set eth0 up
  done
}

make_folder() {
  # Slurm and PMIx put sockets below it, whose names may have 107 characters.
  [ ${#box} -le 60 ] || die "the folder's name is too long for sockets: $box; name a shorter one by FG_BOX"
  mkdir -p "$box"
  touch "$box/.made-by-cluster-in-a-box"
  chmod 755 "$box"
  mkdir -p "$box"/{local,log,disk-h1,disk-h2,tmp-h1,tmp-h2,spool-h1,spool-h2,state,munge}
  printf '127.0.0.1 localhost\n%s h1\n%s h2\n' "$(address h1)" "$(address h2)" > "$box/hosts"
}

# Each host says it has 64 cores, 1 TB and a GPU, so that job scripts are tried as they are. TmpFS by node: PMIx's
# folders of both would collide otherwise. cred_expire is also how long a requeued job waits.
write_slurm_conf() {
  cat > "$box/slurm.conf" << END
ClusterName=box
SlurmctldHost=h1($(address h1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$box/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$box/state
SlurmctldPidFile=$box/slurmctld.pid
SlurmctldLogFile=$box/log/slurmctld.log
SlurmdSpoolDir=$box/spool-%n
SlurmdPidFile=$box/slurmd-%n.pid
SlurmdLogFile=$box/log/slurmd-%n.log
TmpFS=$box/tmp-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
KillWait=5
InactiveLimit=0
SlurmdTimeout=60
MailProg=/bin/true
GresTypes=gpu
NodeName=h1 NodeAddr=$(address h1) CPUs=64 RealMemory=1000000 Gres=gpu:1
NodeName=h2 NodeAddr=$(address h2) CPUs=64 RealMemory=1000000 Gres=gpu:1
PartitionName=box Nodes=h1,h2 Default=YES MaxTime=INFINITE State=UP
END
  # A device that is always there stands for the GPU where hosts have none of their own.
  local host file
  for host in "${hosts[@]}"; do
    file=/dev/null
    [ ! -e "$box/gpu-each" ] || file=/dev/nvidia$((${host#h} - 1))
    echo "NodeName=$host Name=gpu File=$file"
  done > "$box/gres.conf"
}

# A munged of the box's own, with its own key: the machine's is left alone.
start_slurm() {
  local host begun=$SECONDS
  (umask 077 && head -c 128 /dev/urandom > "$box/munge/key")
  daemon h1 munged --force --key-file="$box/munge/key" --socket="$box/munge/socket" \
    --pid-file="$box/munged.pid" --seed-file="$box/munge/seed" --log-file="$box/log/munged.log"
  daemon h1 slurmctld
  for host in "${hosts[@]}"; do daemon "$host" slurmd -N "$host"; done
  until nodes_ready; do
    [ $((SECONDS - begun)) -lt 40 ] || die "Slurm's nodes are not ready; see $box/log"
    sleep 0.2
  done
}

# Standard streams away from ours: a daemon would keep a pipe that reads this script open.
daemon() {
  (enter "$@") < /dev/null > "$box/log/start-$2-$1.log" 2>&1 ||
    die "$2 does not start: $(tail -n 3 "$box/log/start-$2-$1.log")"
}

nodes_ready() {
  local states
  states=$( (enter h1 timeout 5 sinfo -h -N -o %T) 2> /dev/null | sort -u | tr '\n' ' ') || return 1
  case $states in 'idle ' | 'allocated idle ' | 'idle mixed ' | 'mixed ' | 'allocated ') ;; *) return 1 ;; esac
}

is_whole() {
  [ -e "$box/whole" ] && namespace_exists h1 && namespace_exists h2 || return 1
  [ -e "$box/no-slurm" ] || nodes_ready
}

up() {
  local rate=1gbit no_slurm='' gpu_each=''
  while [ $# -gt 0 ]; do
    case $1 in
      --rate) [ $# -gt 1 ] || usage "--rate wants a value, as 1gbit"; rate=$2; shift ;;
      --rate=*) rate=${1#*=} ;;
      --no-slurm) no_slurm=--no-slurm ;;
      --gpu-each) gpu_each=yes ;;
      *) usage "unknown option '$1'" ;;
    esac
    shift
  done
  probe_tools $no_slurm
  if is_whole; then
    shape_wire "$rate"
    say "is up already; the wire has $rate now"
    return
  fi
  probe_rights
  down_quietly
  make_folder
  [ -z "$no_slurm" ] || touch "$box/no-slurm"
  [ -z "$gpu_each" ] || touch "$box/gpu-each"
  make_wire
  shape_wire "$rate"
  if [ -z "$no_slurm" ]; then
    write_slurm_conf
    start_slurm
  fi
  touch "$box/whole"
  say "up: h1 $(address h1) and h2 $(address h2) at $rate, $box"
}

# Everything that runs in the two namespaces was started there by this box: daemons, steps, ranks.
end_processes() {
  local host pids try
  for try in TERM TERM TERM TERM TERM TERM TERM TERM KILL KILL KILL KILL; do
    pids=
    for host in "${hosts[@]}"; do
      namespace_exists "$host" || continue
      pids+=" $(ip netns pids "$prefix$host" 2> /dev/null | tr '\n' ' ')"
    done
    [ -n "${pids// /}" ] || return 0
    # shellcheck disable=SC2086  # several words
    kill -$try $pids 2> /dev/null || true
    sleep 0.25
  done
  die "processes$pids in the namespaces of $box do not end"
}

down_quietly() {
  if [ -d "$box" ] && [ -n "$(ls -A "$box")" ] && [ ! -e "$box/.made-by-cluster-in-a-box" ]; then
    die "$box was not made by this script; name another folder by FG_BOX"
  fi
  local host
  end_processes
  for host in "${hosts[@]}"; do
    if namespace_exists "$host"; then ip netns del "$prefix$host"; fi  # its end of the wire goes with it
  done
  rm -rf "$box"
}

down() {
  [ "$(id -u)" -eq 0 ] || cannot netns "needs root"
  local was=no
  if [ -e "$box" ] || namespace_exists h1 || namespace_exists h2; then was=yes; fi
  down_quietly
  if [ $was = yes ]; then say "down: $box is gone"; else say "nothing of $box is here"; fi
}

status() {
  local host code=0
  is_whole || code=1
  for host in "${hosts[@]}"; do
    if namespace_exists "$host"; then
      say "$host $(address "$host"): $(ip netns pids "$prefix$host" | wc -l) processes, $(
        tc -n "$prefix$host" qdisc show dev eth0 2> /dev/null | grep -o 'rate [^ ]*' || echo 'no wire')"
    else
      say "$host: is not there"
    fi
  done
  if [ $code -eq 0 ] && [ ! -e "$box/no-slurm" ]; then (enter h1 sinfo -N -l); fi
  [ $code -eq 0 ] || say "not whole: $self up"
  return $code
}

bytes() {
  local host
  echo "host sent_bytes sent_packets received_bytes received_packets"
  for host in "${hosts[@]}"; do
    namespace_exists "$host" || die "no host $host; run: $self up"
    ip -n "$prefix$host" -s link show eth0 | awk -v host="$host" '
      /RX:/ { getline; received = $1 " " $2 }
      /TX:/ { getline; print host, $1, $2, received }'
  done
}

# Given to Open MPI in place of ssh: HOST, and words for the shell there.
agent() {
  local host=$1
  shift
  enter "$host" bash -c "$*"
}

command=${1-}
[ $# -eq 0 ] || shift
case $command in
  up) up "$@" ;;
  down) [ $# -eq 0 ] || usage "down takes no argument"; down ;;
  status) status ;;
  probe) probe_tools "$@"; probe_rights; say "this machine can" ;;
  bytes) bytes ;;
  run)
    [ $# -ge 2 ] || usage "run wants a host and a command"
    case $1 in h1 | h2) ;; *) usage "no host '$1'; there are h1 and h2" ;; esac
    enter "$@" ;;
  agent) agent "$@" ;;
  mpirun)
    # One slot each, so that ranks alternate; more than two are shared out in turn.
    enter h1 mpirun --host h1:1,h2:1 --map-by node --mca plm_rsh_agent "$self agent" "$@" ;;
  srun | sbatch | squeue | scancel | scontrol | sinfo)
    [ ! -e "$box/no-slurm" ] || die "this box has no Slurm: it was built with --no-slurm"
    enter h1 "$command" "$@" ;;
  '') usage "says what to do: up, down, status, probe, run, mpirun, sbatch, bytes" ;;
  *) usage "unknown command '$command'" ;;
esac
