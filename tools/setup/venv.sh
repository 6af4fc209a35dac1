#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes .venv with Virloom (editable) and the developers' tools in it; does nothing when it is up to date.
#
# A shell script, because it is what finds a Python that is new enough.
set -eu

cd "$(dirname "$0")/../.."
stamp=.venv/.virloom-setup
state="$(cat pyproject.toml tools/setup/venv.sh | sha256sum) $PWD"

if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then
    exit 0
fi

# Whether a Python can do it: new enough, and with what venv needs.
suits() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

if ! { suits .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1; }; then
    python=
    for candidate in "${PYTHON:-python3}" /usr/bin/python3 python3.13 python3.12 python3.11; do
        if suits "$candidate"; then
            python=$candidate
            break
        fi
    done
    if [ -z "$python" ]; then
        echo "setup: no Python 3.11 or newer with venv and ensurepip; install one, or set PYTHON=" >&2
        exit 1
    fi
    echo "setup: making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi

echo "setup: installing Virloom and the developers' tools of pyproject.toml into .venv"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! .venv/bin/python -m pip --disable-pip-version-check install -q -e '.[dev]' >"$log" 2>&1; then
    cat "$log" >&2
    echo "setup: pip failed (above); it needs the network and asks the index that pip is configured for" >&2
    exit 1
fi
printf '%s\n' "$state" >"$stamp"
