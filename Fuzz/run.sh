#!/bin/bash
# Runs every fuzz target, two at a time, and fails if one finds something. Called by `make fuzz`.
#   FUZZ_SECONDS  of each target (default: so that all together take about a minute)
#   TARGETS       names, for example "sse json" (default: all)
# What is found, and the corpus that grows from run to run, stay in .build/fuzz.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
out=$PWD/.build/fuzz
fuzzer=$out/release/interject-fuzz
mkdir -p "$out/found" "$out/logs"

# lld, because gold, which Swift takes by default, does not survive the debug information of these objects.
INTERJECT_FUZZ=1 ${SWIFT:-swift} build -c release --product interject-fuzz --scratch-path "$out" \
    --sanitize=address -Xswiftc -sanitize=fuzzer -Xswiftc -use-ld=lld || exit 1
rm -rf "$out/seeds"
python3 Fuzz/corpus.py "$out/seeds" || exit 1

read -ra targets <<<"${TARGETS:-$("$fuzzer" | tr '\n' ' ')}"
each=${FUZZ_SECONDS:-$((120 / ${#targets[@]}))}

# Swift's own crash report waits for a terminal and a debugger; the address sanitizer's has the same in it.
export SWIFT_BACKTRACE=enable=no
# A trap of Swift is an illegal instruction: let the sanitizer say where. Leaks are looked for by `make sanitize`.
export ASAN_OPTIONS=handle_sigill=1:handle_sigtrap=1:detect_leaks=0
symbolizer=$(dirname "$(readlink -f "$(command -v "${SWIFT:-swift}")")")/llvm-symbolizer
[ -x "$symbolizer" ] && export ASAN_SYMBOLIZER_PATH=$symbolizer

one() {
    local target=$1
    mkdir -p "$out/corpus/$target" "$out/seeds/$target"
    # The outer limit is for a run that hangs where libFuzzer's own alarm does not reach.
    INTERJECT_FUZZ_TARGET=$target timeout -k 5 $((each + 60)) "$fuzzer" "$out/corpus/$target" "$out/seeds/$target" \
        -max_total_time="$each" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$out/found/$target-" </dev/null >"$out/logs/$target.log" 2>&1
    echo $? >"$out/logs/$target.status"
}

for target in "${targets[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
    one "$target" &
done
wait

printf '%-18s %12s %8s %9s %9s\n' target executions per-s coverage features
failed=()
for target in "${targets[@]}"; do
    log=$out/logs/$target.log
    read -r coverage features < <(grep -ao 'cov: [0-9]* ft: [0-9]*' "$log" | tail -1 | awk '{print $2, $4}')
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    printf '%-18s %12s %8s %9s %9s' "$target" "${executions:--}" "${rate:--}" "${coverage:--}" "${features:--}"
    if [ "$(cat "$out/logs/$target.status")" = 0 ]; then echo; else failed+=("$target"); echo '  FOUND SOMETHING'; fi
done
for target in "${failed[@]:+${failed[@]}}"; do
    [ -n "$target" ] || continue
    printf '\n== %s (all of it: %s)\n' "$target" ".build/fuzz/logs/$target.log"
    grep -aE -A3 '^broken:|ERROR: |Fatal error' "$out/logs/$target.log" | head -20
    found=$(sed -n 's/.*Test unit written to //p' "$out/logs/$target.log" | tail -1)
    [ -n "$found" ] && printf 'Again: SWIFT_BACKTRACE=enable=no INTERJECT_FUZZ_TARGET=%s %s %s\n' \
        "$target" .build/fuzz/release/interject-fuzz "${found#"$PWD/"}"
    echo 'When it is mended, add the input to Protocols/vectors: it is a seed, and a test, from then on.'
done
[ ${#failed[@]} = 0 ]
