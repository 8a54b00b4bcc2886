#!/usr/bin/env bash
# Checks that programs made with FG_PORTABLE run on another machine: what they are linked with is named by
# soname, is not one of the libraries that are to be inside them, and nothing is searched at an absolute path.
#
#   scripts/check_portable.sh [FILE...]     without files all of build-portable/bin
set -u
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- build-portable/bin/*
outside='lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|gomp|mpi|c10|c10_cuda|torch_cpu|torch_cuda|cudart|nccl)\.so[.0-9]*|ld-linux-x86-64\.so\.2'
bad=0
for program in "$@"; do
  dynamic=$(readelf -d "$program") || { bad=1; continue; }
  while read -r library; do
    [[ $library =~ ^($outside)$ ]] || { echo "$program: needs $library"; bad=1; }
  done < <(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<< "$dynamic")
  while read -r folder; do
    [[ $folder == '$ORIGIN/'* ]] || { echo "$program: is searched for libraries: $folder"; bad=1; }
  done < <(sed -n 's/.*(\(RPATH\|RUNPATH\)).*\[\(.*\)\]/\2/p' <<< "$dynamic" | tr ':' '\n')
done
exit $bad
