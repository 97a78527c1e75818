#!/bin/sh
# Coverage-guided fuzzing of every decoder: fuzz.sh [SECONDS [TARGET…]], 60 seconds each unless told otherwise.
# What crashes is copied to testnet/corpus, so that `make test` fails until it is mended and replays it ever after.
set -eu

cd "$(dirname "$0")/.."
seconds=${1:-60}
[ "$#" -gt 0 ] && shift

case $seconds in
    '' | *[!0-9]*) echo "usage: make fuzz TIME=SECONDS" >&2; exit 2 ;;
esac
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "cargo-fuzz is missing. Type this, then run make fuzz again:" >&2
    echo "  cargo install --locked cargo-fuzz" >&2
    exit 1
fi

# Sanitizer and coverage flags are unstable; a stable compiler takes them with this.
export RUSTC_BOOTSTRAP=1
# Instrumented code must not mix with that of everyday builds.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/pyralog/target}/fuzz"
# The versions that the programs are built with.
cp Cargo.lock testnet/fuzz/Cargo.lock
# RocksDB's C++ is linked but never run by a target, and address sanitizing all of it costs much and finds nothing of ours.
fuzz="cargo fuzz run --fuzz-dir testnet/fuzz --release --sanitizer none decoder"

targets=${*:-$(ls testnet/corpus)}
failed=""
for target in $targets; do
    if [ ! -d "testnet/corpus/$target" ]; then
        echo "no folder testnet/corpus/$target; pyralog-testnet fuzz list names the targets" >&2
        exit 2
    fi
    found="testnet/fuzz/artifacts/$target"
    grown="testnet/fuzz/corpus/$target"
    log="testnet/fuzz/artifacts/$target.log"
    mkdir -p "$found" "$grown"
    echo "=== $target: $seconds s"
    export PYRALOG_FUZZ_TARGET="$target"
    # The first folder is where libFuzzer writes what covers more; the second it only reads.
    if $fuzz "$grown" "testnet/corpus/$target" -- -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$found/" >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "    ${runs:-0} executions"
        if [ "${runs:-0}" -eq 0 ]; then
            echo "    a target that ran 0 times is a failure; see $log" >&2
            failed="$failed $target"
        fi
    else
        tail -n 30 "$log" >&2
        failed="$failed $target"
    fi
    for find in "$found"/*; do
        [ -f "$find" ] || continue
        mv "$find" "testnet/corpus/$target/found-$(basename "$find")"
        echo "    new: testnet/corpus/$target/found-$(basename "$find")" >&2
    done
done

if [ -n "$failed" ]; then
    echo "failed:$failed" >&2
    echo "repeat with: pyralog-testnet fuzz run TARGET FILE" >&2
    exit 1
fi
