#!/bin/bash
# Runs the tests with the compiler's sanitizers, one at a time since they exclude each other. Called by `make sanitize`.
#   PARTS  of "address thread end-to-end" (default: all)
cd "$(dirname "$0")/.." || exit 1
swift=${SWIFT:-swift}
declare -A outcome

# Swift's own crash report waits for a terminal; the sanitizers' have the same in them.
export SWIFT_BACKTRACE=enable=no
symbolizer=$(dirname "$(readlink -f "$(command -v "$swift")")")/llvm-symbolizer
[ -x "$symbolizer" ] && export ASAN_SYMBOLIZER_PATH=$symbolizer TSAN_SYMBOLIZER_PATH=$symbolizer

# lld, because gold, which Swift takes by default, does not survive the debug information of these objects.
# Leaks end the run too; those of XCTest itself are not ours.
address() {
    LSAN_OPTIONS=suppressions=$PWD/Scripts/leaks.supp:print_suppressions=0 "$swift" test --sanitize=address -Xswiftc -use-ld=lld --scratch-path .build/address
}

thread() {
    TSAN_OPTIONS=suppressions=$PWD/Scripts/threads.supp:print_suppressions=0 "$swift" test --sanitize=thread -Xswiftc -use-ld=lld --scratch-path .build/thread
}

# Against the binary, whose report goes to a file: the suite reads its standard error, and may kill it.
end_to_end() {
    "$swift" build --product interject --sanitize=address -Xswiftc -use-ld=lld --scratch-path .build/address || return 1
    local reports=$PWD/.build/address/reports
    rm -rf "$reports" && mkdir -p "$reports"
    LSAN_OPTIONS=suppressions=$PWD/Scripts/leaks.supp:print_suppressions=0 ASAN_OPTIONS="log_path=$reports/asan" INTERJECT_BINARY="$PWD/.build/address/debug/interject" \
        .venv/bin/python -m pytest Tests/EndToEnd
    local status=$?
    cat "$reports"/* 2>/dev/null && return 1
    return $status
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
