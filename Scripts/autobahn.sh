#!/bin/bash
# Autobahn's test suite for WebSockets against `interject echo` and, for the client's role, `interject echo-client`. Every case must
# be strictly OK.
#   Scripts/autobahn.sh quick [BINARY]   groups 1-8 and 10: framing, pings, UTF-8, closing. Seconds
#   Scripts/autobahn.sh all [BINARY]     all 517 cases, also masses of data (9) and compression (12, 13). Half an hour
#   AUTOBAHN_ROLES                       "server", "client" or both (default)
#
# The suite runs only on CPython 2.7: $PYTHON27, python2.7 in PATH, or one of pyenv's (pyenv install 2.7.18). It is installed once
# for all clones, which takes some minutes, into the user's cache or $AUTOBAHN_HOME. Exits 0 when all is strict, 1 when something is not, 3 when there is no CPython 2.7.
set -euo pipefail
cd "$(dirname "$0")/.."
which=${1:?quick or all}
binary=${2:-.build/release/interject}
home=${AUTOBAHN_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/interject/autobahn-25.10.1}

# The suite and what it needs, as they run together. Wheels exist for some only: the order matters.
SUITE=autobahntestsuite==25.10.1
TOOLS=('pip==20.3.4' 'setuptools==44.0.0' 'wheel==0.36.2')
FIRST=('incremental==16.10.1' 'pyOpenSSL==19.1.0' 'cryptography==3.3.2' 'six==1.16.0' 'txaio==2.1.0' 'zope.interface==4.6.0'
    'markupsafe==1.1.1' 'jinja2==2.11.3' 'Werkzeug==1.0.1' 'service_identity==18.1.0' 'unittest2==1.1.0')
OLD=('Twisted==19.10.0' 'klein==17.10.0')
# Written in C, and not needed: unmasking, UTF-8 and JSON, several times faster.
FAST=('wsaccel==0.6.2' 'ujson==2.0.3')

find_python27() {
    local candidate
    for candidate in "${PYTHON27:-}" python2.7 "$(pyenv prefix 2.7.18 2>/dev/null)/bin/python2.7" \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7.*/bin/python2.7; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

pip() {
    "$home/bin/pip" install -q --disable-pip-version-check "$@" >>"$home/install.log" 2>&1 ||
        { echo "pip could not install ${*: -1}: is there a network? (all of its output: $home/install.log)" >&2; exit 1; }
}

install() {
    local python27 package
    python27=$(find_python27) || {
        echo "Autobahn needs CPython 2.7, and there is none: run 'pyenv install 2.7.18', or set PYTHON27 to its path." >&2
        exit 3
    }
    echo "Installing $SUITE into $home for $python27, once"
    mkdir -p "$home"
    python3 -m venv "$home/bootstrap"
    "$home/bootstrap/bin/pip" install -q --disable-pip-version-check 'virtualenv==20.21.1'
    "$home/bootstrap/bin/virtualenv" -q -p "$python27" "$home"
    # One at a time and after each other: this old resolver must not touch what stands.
    pip "${TOOLS[@]}"
    for package in "${FIRST[@]}"; do pip "$package"; done
    for package in "${OLD[@]}"; do pip --no-build-isolation "$package"; done
    pip --no-build-isolation --no-deps 'autobahn==0.10.9'
    "$home/bin/pip" install -q "${FAST[@]}" >>"$home/install.log" 2>&1 || echo "without ${FAST[*]} (see $home/install.log): slower"
    pip --no-build-isolation --no-deps "$SUITE"
    "$home/bin/wstest" --help >/dev/null
    touch "$home/installed"
}

[ -x "$binary" ] || { echo "there is no $binary: run 'make build'" >&2; exit 1; }
# A home of somebody else's making counts when its wstest runs.
[ -e "$home/installed" ] || { [ -x "$home/bin/wstest" ] && "$home/bin/wstest" --help >/dev/null 2>&1; } || install
# shellcheck disable=SC2086 # The roles are words.
exec python3 Scripts/autobahn_cases.py "$which" --binary "$binary" --wstest "$home/bin/wstest" \
    --roles ${AUTOBAHN_ROLES:-server client}
