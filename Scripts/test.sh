#!/bin/bash
# Runs every test, also when the first ones fail, and ends with the outcome and the duration of each part, and the slowest tests
# of the two long ones. Called by `make test`.
set -o pipefail
cd "$(dirname "$0")/.." || exit 1
swift=${SWIFT:-swift}
declare -A outcome
parts=()
# The output of the parts whose slowest tests are named.
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
# What a part ends with that cannot run on this machine.
NOT_HERE=3

part() {
    local name=$1
    shift
    parts+=("$name")
    printf '\n== %s\n' "$name"
    local start=$SECONDS status=0
    "$@" || status=$?
    case $status in
    0) outcome[$name]="passed ($((SECONDS - start)) s)" ;;
    "$NOT_HERE") outcome[$name]="NOT RUN: this machine lacks what it needs, see above" ;;
    *) outcome[$name]="FAILED ($((SECONDS - start)) s)" ;;
    esac
}

unit_tests() {
    [[ ${outcome["debug build"]} != FAILED* ]] || return 1
    # All tests at once, which is the default, leave each waiting for its turn on two threads, so that deadlines within tests pass.
    local width=()
    if "$swift" test --help-hidden 2>/dev/null | grep -q -- --experimental-maximum-parallelization-width; then
        width=(--experimental-maximum-parallelization-width 16)
    fi
    "$swift" test --skip-build "${width[@]}" 2>&1 | tee "$logs/unit tests" || return 1
}

end_to_end() {
    [[ ${outcome["release build"]} != FAILED* ]] || return 1
    # Each worker gets a stretch of neighbours, and so few fixtures of a module are made twice.
    INTERJECT_BINARY="$PWD/.build/release/interject" .venv/bin/python -m pytest \
        -n auto --dist worksteal --durations=10 Tests/EndToEnd 2>&1 |
        tee "$logs/end to end" || return 1
}

# `SECONDS NAME` of each test of Swift Testing, XCTest or pytest in a log.
durations() {
    sed -nE -e '/ Test run with /d' -e 's/^[^ ]+ +Test (.+) (passed|failed) after ([0-9.]+) seconds.*/\3 \1/p' \
        -e "s/^Test Case '(.+)' (passed|failed) \(([0-9.]+) seconds\).*/\3 \1/p" \
        -e 's/^([0-9.]+)s (call|setup|teardown) +(.+)/\1 \3 (\2)/p' "$1"
}

numbers() {
    python3 Scripts/lint_numbers.py --self-test && python3 Scripts/lint_numbers.py
}

structure() {
    local status=0 script
    for script in import_graph stored_properties lint_words; do
        "Scripts/$script.py" --self-test && "Scripts/$script.py" || status=1
    done
    return $status
}

part "numbers from outside" numbers
part "imports, sizes and words" structure
part "debug build" "$swift" build --build-tests
part "unit tests" unit_tests
part "release build" Scripts/build.sh
part "end to end" end_to_end
# Autobahn runs on CPython 2.7 alone: where there is none the part is not run, and that is said.
part "WebSocket conformance, quick" Scripts/autobahn.sh quick

for name in "unit tests" "end to end"; do
    printf '\nSlowest of %s (s):\n' "$name"
    durations "$logs/$name" | sort -rn | head -10 | sed 's/^/  /'
done
printf '\n'
failed=0
for name in "${parts[@]}"; do
    echo "$name: ${outcome[$name]}"
    [[ ${outcome[$name]} == FAILED* ]] && failed=1
done
printf 'Together %d min %d s.\n' $((SECONDS / 60)) $((SECONDS % 60))
exit $failed
