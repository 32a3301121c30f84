#!/bin/bash
# Runs every test, also when the first ones fail, and ends with what came out. Called by `make test`.
cd "$(dirname "$0")/.." || exit 1
swift=${SWIFT:-swift}
declare -A outcome
# What a part ends with that cannot run on this machine.
NOT_HERE=3

part() {
    local name=$1
    shift
    printf '\n== %s\n' "$name"
    local start=$SECONDS status=0
    "$@" || status=$?
    case $status in
    0) outcome[$name]="passed ($((SECONDS - start)) s)" ;;
    "$NOT_HERE") outcome[$name]="NOT RUN: this machine lacks what it needs, see above" ;;
    *) outcome[$name]="FAILED ($((SECONDS - start)) s)" ;;
    esac
}

end_to_end() {
    $swift build -c release --product interject &&
        INTERJECT_BINARY="$PWD/.build/release/interject" .venv/bin/python -m pytest -n 2 Tests/EndToEnd || return 1
}

numbers() {
    python3 Scripts/lint_numbers.py --self-test && python3 Scripts/lint_numbers.py
}

part "numbers from outside" numbers
part "unit tests" "$swift" test
part "end to end" end_to_end
# Autobahn runs on CPython 2.7 alone: where there is none the part is not run, and that is said.
part "WebSocket conformance, quick" Scripts/autobahn.sh quick

printf '\n'
failed=0
for name in "numbers from outside" "unit tests" "end to end" "WebSocket conformance, quick"; do
    echo "$name: ${outcome[$name]}"
    [[ ${outcome[$name]} == FAILED* ]] && failed=1
done
exit $failed
