#!/usr/bin/env bash
# Rules that no compiler checks, by grep: who may include which third-party headers, what no file may
# hold, and that every key of the configuration is read. Prints each breach; exit 1 if there is one.
set -u
cd "$(dirname "$0")/.."
breaches=0

# only_in PATTERN FOLDERS…: the pattern may stand only below these folders.
only_in() {
  local pattern=$1 excluded=()
  shift
  for folder in "$@"; do excluded+=(":!$folder"); done
  if git grep -nE "$pattern" -- '*.cpp' '*.hpp' '*.cu' '*.cuh' "${excluded[@]}"; then
    echo "  ^ allowed only below: $*" >&2
    breaches=1
  fi
}

only_in '#include <spdlog/' lib/log/src
only_in '#include <yaml-cpp/' lib/config/src
only_in '#include <boost/program_options' apps
only_in '#include <hdf5' lib/store/src
only_in '#include <mpi\.h>' lib/session/src lib/comm/src tests/support
only_in '#include <torch/torch\.h>' tests/parity 'tests/*_oracle_test.cpp' tests/support/include/fg/test/oracle.hpp
only_in '#include <pcre2' lib/text/src lib/optim/src
only_in '#include <utf8proc' lib/text/src
only_in '#include <zlib' lib/store/src lib/data/src tests/unit
only_in '#include <(ATen|c10|torch)/' lib/device lib/comm lib/params lib/ops lib/model lib/optim \
  lib/checkpoint \
  lib/engine lib/infer lib/control lib/serve tests
only_in '#include <(cuda|c10/cuda|ATen/cuda)' lib/device 'lib/*/src/cuda/*' lib/comm/src/nccl \
  'tests/*_cuda_test.cpp' 'tests/mpi/comm/nccl_*'
only_in '#include <nccl' lib/comm/src/nccl
only_in '\bpickle_load\b' nowhere
# Headers of the low libraries keep third-party C headers out of their users' compile.
if git grep -nE '#include <(hdf5|mpi|pcre2|utf8proc|zlib|xxhash|spdlog|yaml-cpp|boost)' -- 'lib/*/include/'; then
  echo "  ^ third-party headers stay out of public headers" >&2
  breaches=1
fi
if git grep -nE '\b(std::cout|using namespace std)\b' -- 'lib/*.cpp' 'lib/*.hpp'; then
  echo "  ^ libraries do not print, and no namespace is opened wholesale" >&2
  breaches=1
fi
# A key is read where a program turns the configuration into settings, or where both are checked.
for key in $(grep -oE 'FG_KEY\([a-z0-9_.]+' lib/config/src/key_table.cpp | cut -d'(' -f2); do
  if ! git grep -hE "\.${key##*.}\b" -- 'apps/*.[ch]pp' 'lib/config/*.[ch]pp' | grep -vE "FG_KEY|\".*\.${key##*.}\b" |
    grep -q .; then
    echo "$key: a key of the configuration that nothing reads" >&2
    breaches=1
  fi
done
exit $breaches
