#!/bin/sh
# Clients of other projects against a running local network. Skipped by name where npm is missing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=${PYRALOG_BIN:-$root/bin}

for tool in npm node; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "skipped: interop/cosmjs ($tool is not installed)"
        exit 0
    fi
done
for program in pyralogd pyralog pyralog-testnet; do
    if [ ! -x "$bin/$program" ]; then
        echo "$bin/$program is missing: run make build" >&2
        exit 1
    fi
done

scratch=$(mktemp -d)
network=$scratch/network
finish() {
    status=$?
    trap - EXIT INT TERM
    if [ -d "$network" ]; then
        if [ "$status" -ne 0 ]; then
            echo "--- end of node0's log" >&2
            "$bin/pyralog-testnet" --dir "$network" logs node0 --lines 30 >&2 || true
        fi
        "$bin/pyralog-testnet" --dir "$network" down >&2 || true
    fi
    rm -rf "$scratch"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Nothing is installed into the checkout.
mkdir "$scratch/client"
cp "$here/package.json" "$here/package-lock.json" "$here"/*.mjs "$scratch/client/"
(cd "$scratch/client" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)

"$bin/pyralog-testnet" up --validators 4 --dir "$network" --detach --json >/dev/null
(cd "$scratch/client" && PYRALOG_BIN="$bin" node cosmjs.mjs "$network")
