#!/bin/sh
# Installs what the RocksDB build needs. Only apt is known here; elsewhere it prints what is missing and stops.
set -eu
missing=""
command -v cc >/dev/null 2>&1 && command -v c++ >/dev/null 2>&1 || missing="$missing build-essential"
command -v clang >/dev/null 2>&1 || missing="$missing clang"
command -v cmake >/dev/null 2>&1 || missing="$missing cmake"
ls /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* /usr/lib64/libclang*.so* "${LIBCLANG_PATH:-/nonexistent}"/libclang*.so* >/dev/null 2>&1 \
    || find /usr/lib /usr/local/lib -name 'libclang*.so*' 2>/dev/null | grep -q . || missing="$missing libclang-dev"
[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing:$missing (names as in Debian). Install them with this system's package manager, then run make again." >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then as_root="sudo"
else
    echo "Missing system packages. Type this, then run make again:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y$missing" >&2
    exit 1
fi
echo "Installing:$missing" >&2
$as_root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq $missing >/dev/null
