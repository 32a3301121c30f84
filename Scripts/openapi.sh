#!/bin/bash
# Sends made-up requests to every operation of Protocols/openapi.yaml and checks that each answer is one that it documents: status,
# content type, fields and schema. Usage: Scripts/openapi.sh BINARY [options of schemathesis]; called by `make test-long`.
#
#   OPENAPI_EXAMPLES  made-up requests for each operation (default: 40)
#   OPENAPI_SEED      the seed, which is printed (default: 1)
set -uo pipefail
cd "$(dirname "$0")/.."
binary=$(realpath "${1:?usage: Scripts/openapi.sh BINARY}")
shift
requirements=Tests/EndToEnd/requirements-openapi.txt
venv=.venv-openapi
if ! cmp -s "$requirements" "$venv/requirements.txt"; then
    echo "Making $venv for the check of Protocols/openapi.yaml"
    rm -rf "$venv"
    python3 -m venv "$venv" && "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" || exit 1
    cp "$requirements" "$venv/requirements.txt"
fi

directory=$(mktemp -d)
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$directory"' EXIT
env -u INTERJECT_CONFIG "$binary" serve --port 0 --data "$directory/data" --ready-file "$directory/ready.json" --webhooks-allow-private \
    >"$directory/log" 2>&1 &
server=$!
for _ in $(seq 1 300); do
    [ -e "$directory/ready.json" ] && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
url=$(sed -nE 's/.*"url" *: *"([^"]+)".*/\1/p' "$directory/ready.json" 2>/dev/null | head -1)
if [ -z "$url" ]; then
    echo "the server did not start:" >&2
    tail -20 "$directory/log" >&2
    exit 1
fi

# Objects to be asked for, besides those that are not there.
first_id() { grep -oE '"id" *: *"[^"]+"' | head -1 | cut -d'"' -f4; }
made() { curl -sS "$url$1" -H 'Content-Type: application/json' -d "$2" | first_id; }
export OPENAPI_SESSION_ID OPENAPI_RESPONSE_ID OPENAPI_CONVERSATION_ID OPENAPI_FILE_ID OPENAPI_ENDPOINT_ID
OPENAPI_SESSION_ID=$(made /v1/sessions '{"model":"rehearsal"}')
OPENAPI_RESPONSE_ID=$(made /v1/responses '{"model":"rehearsal","input":"[[rehearsal tokens=2]]"}')
OPENAPI_CONVERSATION_ID=$(made /v1/conversations '{}')
OPENAPI_ENDPOINT_ID=$(made /v1/webhook_endpoints '{"name":"n","url":"http://127.0.0.1:9/","event_types":["response.completed"]}')
OPENAPI_FILE_ID=$(curl -sS "$url/v1/files" -F purpose=batch -F 'file=@Tests/EndToEnd/requirements-openapi.txt' | first_id)

SCHEMATHESIS_HOOKS=Scripts/openapi_hooks.py "$venv/bin/schemathesis" run Protocols/openapi.yaml --url "$url" \
    --checks status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance \
    --phases examples,coverage,fuzzing --max-examples "${OPENAPI_EXAMPLES:-40}" --seed "${OPENAPI_SEED:-1}" \
    --generation-database none --suppress-health-check all --continue-on-failure --request-timeout 60 --no-color "$@"
status=$?
if ! kill -0 "$server" 2>/dev/null; then
    echo "the server has ended:" >&2
    tail -20 "$directory/log" >&2
    exit 1
fi
exit $status
