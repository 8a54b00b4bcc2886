#!/usr/bin/env bash
# Installs what fg needs on Debian 12 or Ubuntu 24.04 and says what it does. Safe to run again.
#
#   scripts/bootstrap.sh            packages and virtual environment for build, quick start and tests
#   scripts/bootstrap.sh --build    the same without what only the tests need
#   scripts/bootstrap.sh --gpu      as --build, with the CUDA libraries that LibTorch runs with on a GPU,
#                                   and nvcc where PATH has none (presets gpu and gpu-portable)
#   scripts/bootstrap.sh --cluster  as without an option, with Slurm and the tools of
#                                   scripts/cluster_in_a_box.sh; a machine with systemd starts Slurm's services
#
# Packages come by apt (root, or sudo); without either it works when they are there already.
# FG_PYTHON names another python3 (3.11 or newer).
set -eu
cd "$(dirname "$0")/.."

build_packages=(build-essential git xz-utils ca-certificates pkg-config python3 python3-venv ccache
  libhdf5-dev libopenmpi-dev openmpi-bin libboost-dev libboost-program-options-dev libyaml-cpp-dev
  libspdlog-dev nlohmann-json3-dev libpcre2-dev libutf8proc-dev libxxhash-dev zlib1g-dev)
test_packages=(libgtest-dev libgmock-dev clang libclang-rt-dev clang-format strace)
cluster_packages=(slurm-wlm munge iproute2 ethtool)

say() { printf '\n==> %s\n' "$*"; }
die() { printf 'bootstrap: %s\n' "$*" >&2; exit 1; }

profile=test cluster=
case "${1-}" in
  --build) profile=build ;;
  --gpu) profile=gpu ;;
  --cluster) cluster=yes ;;
  '') ;;
  *) die "unknown option '$1'; there are --build, --gpu and --cluster" ;;
esac

# Debian 12 has the compiler run-time of clang under its version's name only.
if [ -r /etc/os-release ] && grep -q '^VERSION_CODENAME=bookworm' /etc/os-release; then
  test_packages=("${test_packages[@]/libclang-rt-dev/libclang-rt-14-dev}")
elif [ -r /etc/os-release ] && grep -q '^VERSION_CODENAME=noble' /etc/os-release; then
  test_packages=("${test_packages[@]/libclang-rt-dev/libclang-rt-18-dev}")
fi
packages=("${build_packages[@]}")
[ "$profile" != test ] || packages+=("${test_packages[@]}")
[ -z "$cluster" ] || packages+=("${cluster_packages[@]}")

is_installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'; }
missing=()
for package in "${packages[@]}"; do is_installed "$package" || missing+=("$package"); done

if [ ${#missing[@]} -eq 0 ]; then
  say "Packages: all ${#packages[@]} are installed"
else
  say "Packages: installing ${missing[*]}"
  command -v apt-get >/dev/null || die "no apt-get here; install the counterparts of: ${missing[*]}"
  root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      die "not root and no sudo. As root: apt-get install ${missing[*]}"
    root=(sudo)
  fi
  export DEBIAN_FRONTEND=noninteractive
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# The virtual environment: CMake, Ninja and LibTorch at pinned versions, and what the tests compare
# with. The mark holds a hash of the lists, so that a second run has nothing to do.
python=${FG_PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "$("$python" --version) is too old; set FG_PYTHON to a python3 of 3.11 or newer"
lists=(scripts/requirements.txt)
[ "$profile" != test ] || lists+=(scripts/requirements-tests.txt)
# nvcc of the CUDA release that torch is built with. All its parts are named, since cuda-toolkit's extra
# nvcc leaves crt and nvvm open, and those of another release do not fit.
nvcc_wheels=()
if [ "$profile" = gpu ] && ! command -v nvcc >/dev/null; then
  nvcc_wheels=('cuda-toolkit[nvcc,cccl]==13.0.2' nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88)
fi
mark=.venv/installed-$profile
wanted=$(printf '%s\n' "${nvcc_wheels[@]}" | cat - scripts/bootstrap.sh "${lists[@]}" | sha256sum)
if [ -f "$mark" ] && [ "$(cat "$mark")" = "$wanted" ]; then
  say "Virtual environment: .venv is up to date"
  exit 0
fi

say "Virtual environment: .venv ($("$python" --version))"
[ -x .venv/bin/pip ] || "$python" -m venv .venv
# Without --no-compile pip would compile thousands of modules that nothing here imports.
pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }

say "Build tools: $(grep -v '^#' scripts/requirements.txt | tr '\n' ' ')"
pip install -q --no-compile -r scripts/requirements.txt
if [ "$profile" = build ]; then
  # The CPU build needs the wheel's files and the two CUDA libraries it was linked with, not the
  # gigabytes of CUDA that it runs with on a GPU.
  say "LibTorch: the torch wheel alone (about 530 MB)"
  pip install -q --no-compile --no-deps torch==2.11.0 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85
elif [ "$profile" = gpu ]; then
  say "LibTorch with its CUDA libraries${nvcc_wheels[0]:+, and nvcc} (about 3 GB, some minutes)"
  pip install -q --no-compile torch==2.11.0 "${nvcc_wheels[@]}"
else
  say "LibTorch and the Python packages the tests compare with (about 3 GB, some minutes)"
  pip install -q --no-compile torch==2.11.0 -r scripts/requirements-tests.txt
  # A second transformers, of the 4 series, beside the first: tests put this folder on PYTHONPATH.
  rm -rf .venv/transformers4
  pip install -q --no-compile --no-deps --target .venv/transformers4 -r scripts/requirements-transformers4.txt
fi
printf '%s\n' "$wanted" > "$mark"
say "Done"
