#!/bin/sh
# Clients of other projects against a running local network. Each is skipped by name where it is not installed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=${PYRALOG_BIN:-$root/bin}

cosmjs=yes
for tool in npm node; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "skipped: interop/cosmjs ($tool is not installed)"
        cosmjs=no
    fi
done
light=tendermint-light-client-cli
if ! command -v $light >/dev/null 2>&1; then
    echo "skipped: interop/$light (cargo install --locked $light --version 0.41.0)"
    light=
fi
if [ $cosmjs = no ] && [ -z "$light" ]; then
    exit 0
fi
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

if [ $cosmjs = yes ]; then
    # Nothing is installed into the checkout.
    mkdir "$scratch/client"
    cp "$here/package.json" "$here/package-lock.json" "$here"/*.mjs "$scratch/client/"
    (cd "$scratch/client" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
fi

"$bin/pyralog-testnet" up --validators 4 --dir "$network" --detach --json >/dev/null

if [ -n "$light" ]; then
    field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | sed -n "$2p"; }
    chain=$(field chain_id 1 <"$network/localnet.json")
    primary=$(field rpc 1 <"$network/localnet.json")
    witnesses=$(field rpc 2 <"$network/localnet.json"),$(field rpc 3 <"$network/localnet.json")
    api=$(field api 1 <"$network/localnet.json")
    hash=$("$bin/pyralog" query block 1 --json --node "$api" | field hash 1 | tr a-f A-F)
    follow() { "$light" --chain-id "$chain" --primary "$primary" --witnesses "$witnesses" --trusted-height 1 --trusted-hash "$1" 2>&1; }
    # It compares two blocks at least.
    tries=0
    until "$bin/pyralog" query block 3 --node "$api" >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ $tries -gt 60 ]; then
            echo "interop/$light: there is no block 3" >&2
            exit 1
        fi
        sleep 1
    done
    # Twice, so that it has to follow: the chain has grown in between.
    for round in 1 2; do
        said=$(follow "$hash") || { echo "$said" >&2; exit 1; }
        if [ "$(echo "$said" | grep -c 'no divergence found')" -ne 2 ]; then
            echo "$said" >&2
            echo "interop/$light: both witnesses should have confirmed round $round" >&2
            exit 1
        fi
        sleep 2
    done
    if said=$(follow "$(printf '0%.0s' $(seq 64))"); then
        echo "interop/$light: a wrong trusted hash was accepted" >&2
        exit 1
    fi
    # For the hash, and not for something else that failed.
    if ! echo "$said" | grep -q 'hash mismatch: given'; then
        echo "$said" >&2
        echo "interop/$light: a wrong trusted hash should have been refused as such" >&2
        exit 1
    fi
    echo "passed: interop/$light"
fi

if [ $cosmjs = yes ]; then
    (cd "$scratch/client" && PYRALOG_BIN="$bin" node cosmjs.mjs "$network")
fi
