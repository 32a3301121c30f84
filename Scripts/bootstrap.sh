#!/bin/bash
# Installs what is missing, and only that. Usage: Scripts/bootstrap.sh [build] [python] [browser]
#   build   what the compiler needs: Swift (checked only), development packages
#   python  what the end-to-end tests need: a virtual environment in .venv with pinned packages
#   browser what test_browser.py needs besides: Chromium and nginx, which nothing else does (125 MB to fetch)
set -euo pipefail
cd "$(dirname "$0")/.."

# The one place that names the packages of Debian and Ubuntu.
BUILD_PACKAGES=(git libssl-dev libcurl4-openssl-dev zlib1g-dev libsqlite3-dev pkg-config)
PYTHON_PACKAGES=(python3 python3-venv)
BROWSER_PACKAGES=(chromium nginx-light)
# The oldest that it is built with.
SWIFT_MINIMUM=6.2

# The first line says what is wrong; further ones stand alone, to be copied.
fail() {
    printf 'interject: %s\n' "$1" >&2
    shift
    [ $# = 0 ] || printf '%s\n' "$@" >&2
    exit 1
}

# Installs those of the packages that are not there.
need() {
    local missing=() package
    command -v dpkg-query >/dev/null || fail "this is no Debian or Ubuntu: install what corresponds to: $*"
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || fail "packages are missing, and only root can install them. Run this, then try again:" \
            "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
        as_root=(sudo -n)
    fi
    echo "Installing ${missing[*]}"
    local log
    log=$(mktemp)
    # The lists of a fresh image are empty or old: fetch them only when they do not do.
    local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}")
    "${install[@]}" >"$log" 2>&1 || { "${as_root[@]}" apt-get update -q >>"$log" 2>&1 && "${install[@]}" >>"$log" 2>&1; } || {
        tail -5 "$log" >&2
        fail "apt-get could not install ${missing[*]}: is there a network? (all of its output: $log)"
    }
    rm -f "$log"
}

check_swift() {
    local swift=${SWIFT:-swift}
    command -v "$swift" >/dev/null || fail "Swift is missing: install $SWIFT_MINIMUM or later from https://www.swift.org/install/linux/ and put it in PATH"
    local version
    version=$("$swift" --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+\.[0-9]+).*/\1/p' | head -1)
    [ -n "$version" ] || fail "swift does not run: try '$swift --version' and see what it says"
    [ "$(printf '%s\n%s\n' "$SWIFT_MINIMUM" "$version" | sort -V | head -1)" = "$SWIFT_MINIMUM" ] ||
        fail "Swift $version is too old: install $SWIFT_MINIMUM or later from https://www.swift.org/install/linux/"
}

make_venv() {
    local requirements=Tests/EndToEnd/requirements.txt python=python3
    # Any Python that can make a virtual environment will do; only without one are packages installed.
    $python -c 'import ensurepip, venv' 2>/dev/null || { need "${PYTHON_PACKAGES[@]}"; python=/usr/bin/python3; }
    # The environment is made anew when the list of packages changes.
    cmp -s "$requirements" .venv/requirements.txt && return 0
    echo "Making .venv for the end-to-end tests"
    rm -rf .venv
    $python -m venv .venv || fail "python3 could not make .venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$requirements" ||
        fail "pip could not install $requirements: is there a network?"
    cp "$requirements" .venv/requirements.txt
}

for part in "$@"; do
    case $part in
    build) need "${BUILD_PACKAGES[@]}"; check_swift ;;
    python) make_venv ;;
    browser) need "${BROWSER_PACKAGES[@]}" ;;
    *) fail "bootstrap.sh: unknown part $part" ;;
    esac
done
