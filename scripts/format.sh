#!/usr/bin/env bash
# scripts/format.sh [--check]: formats every C++ file by .clang-format, or only says which are not.
# Versions of clang-format differ in small ways; this project's is 14 (Debian 12). With another the
# check is skipped (exit 77).
set -u
cd "$(dirname "$0")/.."
format=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$format" ] || ! "$format" --version | grep -q 'version 14\.'; then
  echo "[format] no clang-format 14 here"
  exit 77
fi
mapfile -t files < <(git ls-files '*.cpp' '*.hpp' '*.cu' '*.cuh')
if [ "${1-}" = --check ]; then
  exec "$format" --dry-run -Werror "${files[@]}"
fi
exec "$format" -i "${files[@]}"
