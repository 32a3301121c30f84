#!/bin/bash
# Runs every test, also when the first ones fail, and ends with what came out. Called by `make test`.
cd "$(dirname "$0")/.." || exit 1
swift=${SWIFT:-swift}
declare -A outcome

part() {
    local name=$1
    shift
    printf '\n== %s\n' "$name"
    local start=$SECONDS
    if "$@"; then outcome[$name]="passed ($((SECONDS - start)) s)"; else outcome[$name]="FAILED ($((SECONDS - start)) s)"; fi
}

end_to_end() {
    $swift build -c release --product interject &&
        INTERJECT_BINARY="$PWD/.build/release/interject" .venv/bin/python -m pytest Tests/EndToEnd
}

part "unit tests" "$swift" test
part "end to end" end_to_end

printf '\n'
failed=0
for name in "unit tests" "end to end"; do
    echo "$name: ${outcome[$name]}"
    [[ ${outcome[$name]} == passed* ]] || failed=1
done
exit $failed
