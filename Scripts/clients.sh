#!/usr/bin/env bash
# Runs test_client_cuts_more.py with each set of clients whose packages exclude those of the other tests.
# Usage: Scripts/clients.sh BINARY
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(realpath "$1")

for clients in agents openai2; do
    requirements=Tests/EndToEnd/requirements-$clients.txt
    venv=.build/clients-$clients
    if ! cmp -s "$requirements" "$venv/requirements.txt"; then
        echo "Making $venv"
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
        cp "$requirements" "$venv/requirements.txt"
    fi
    INTERJECT_BINARY=$binary "$venv/bin/python" -m pytest Tests/EndToEnd/clients/test_client_cuts_more.py
done
