#!/bin/bash
# Runs the tests with the compiler's sanitizers, one at a time since they exclude each other. Called by `make sanitize`.
#   PARTS  of "address thread end-to-end" (default: all)
#     address     the unit tests with the address and the leak sanitizer
#     thread      the unit tests with the thread sanitizer, which first has to find three races made for it
#     end-to-end  the end-to-end tests against a binary with the address and the leak sanitizer
cd "$(dirname "$0")/.." || exit 1
swift=${SWIFT:-swift}
tools=$(dirname "$(readlink -f "$(command -v "$swift")")")
declare -A outcome

# Swift's own crash report waits for a terminal; the sanitizers' have the same in them.
export SWIFT_BACKTRACE=enable=no
[ -x "$tools/llvm-symbolizer" ] && export ASAN_SYMBOLIZER_PATH=$tools/llvm-symbolizer TSAN_SYMBOLIZER_PATH=$tools/llvm-symbolizer
# lld, because gold, which Swift takes by default, does not survive the debug information of these objects.
linker=(-Xswiftc -use-ld=lld)
# One test at a time: slowed down and all at once, they would wait for each other beyond their deadlines.
serially=(--no-parallel)
# Leaks end the run too; those of XCTest itself are not ours.
export LSAN_OPTIONS=suppressions=$PWD/Scripts/sanitizers/leaks.supp:print_suppressions=0

address() {
    "$swift" test "${serially[@]}" --sanitize=address "${linker[@]}" --scratch-path .build/address
}

thread() {
    local built=$PWD/.build/thread
    "$swift" build --build-tests --sanitize=thread "${linker[@]}" --scratch-path "$built" || return 1
    "$tools/clang" -shared -fPIC -O1 -Wall -Werror Scripts/sanitizers/runtime_order.c -o "$built/runtime_order.so" &&
        "${swift}c" -sanitize=thread -use-ld=lld -module-name races Scripts/sanitizers/races.swift -o "$built/races" || return 1
    finds_races "$built" || return 1
    LD_PRELOAD=$built/runtime_order.so "$swift" test --skip-build "${serially[@]}" --sanitize=thread "${linker[@]}" --scratch-path "$built"
}

# What passes where a race stands says nothing about the tests, and neither does what fails where there is none.
finds_races() {
    local built=$1 kind expected status
    for kind in mutex continuation beside-mutex two-mutexes after-resume; do
        case $kind in
        mutex | continuation) expected=0 ;;
        *) expected=66 ;;
        esac
        LD_PRELOAD=$built/runtime_order.so TSAN_OPTIONS=exitcode=66 "$built/races" $kind >"$built/races.log" 2>&1
        status=$?
        [ $status = $expected ] && continue
        cat "$built/races.log"
        echo "the thread sanitizer does not judge well: races $kind ended with $status, not $expected"
        return 1
    done
    echo "the thread sanitizer finds the races made for it, and none in a contended Mutex or a continuation"
}

# Against the binary, whose report goes to a file: the suite reads its standard error, and may kill it.
end_to_end() {
    "$swift" build --product interject --sanitize=address "${linker[@]}" --scratch-path .build/address || return 1
    local reports=$PWD/.build/address/reports status=0
    rm -rf "$reports" && mkdir -p "$reports"
    against_binary "log_path=$reports/asan" -n 2 -m "not resident and not footprint" || status=1
    # What was freed is kept for a while, to find its late use: here it would count as memory that is held.
    against_binary "log_path=$reports/asan:quarantine_size_mb=0:thread_local_quarantine_size_kb=0" -m resident || status=1
    cat "$reports"/* 2>/dev/null && status=1
    return $status
}

# The first argument is the sanitizer's options, the rest are pytest's. Slow as the binary is, deadlines are longer.
against_binary() {
    INTERJECT_PATIENCE=4 ASAN_OPTIONS=$1 INTERJECT_BINARY="$PWD/.build/address/debug/interject" \
        .venv/bin/python -m pytest "${@:2}" Tests/EndToEnd
}

failed=0
for part in ${PARTS:-address thread end-to-end}; do
    printf '\n== %s\n' "$part"
    start=$SECONDS
    if "${part//-/_}"; then
        outcome[$part]="passed ($((SECONDS - start)) s)"
    else
        outcome[$part]="FAILED ($((SECONDS - start)) s)"
        failed=1
    fi
done
printf '\n'
for part in ${PARTS:-address thread end-to-end}; do echo "$part: ${outcome[$part]}"; done
exit $failed
