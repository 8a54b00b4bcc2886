#!/usr/bin/env bash
# scripts/mpirun.sh RANKS PROGRAM [ARGUMENT…]: mpirun on this machine alone, as tests and the quick
# start need it: more ranks than cores are fine, root is fine (containers), shared memory only.
set -eu
ranks=$1
shift
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# vader's single-copy mode needs ptrace rights that containers often withhold.
exec mpirun --oversubscribe --bind-to none -np "$ranks" \
  --mca btl self,vader --mca btl_vader_single_copy_mechanism none "$@"
