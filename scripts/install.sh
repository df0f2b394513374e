#!/bin/sh
# Make .venv and install a lock file into it: sh scripts/install.sh requirements.txt (or -dev.txt, -docs.txt)
# Does nothing when that lock is installed already. Killed in the middle, the next run starts afresh.
set -eu
cd "$(dirname "$0")/.."

lock=$1
venv=.venv
python=$venv/bin/python
projects="-e packages/local-service -e packages/local-kafka -e packages/local-snowflake -e ."

say() { printf '%s\n' "$*" >&2; }

digest() { # of the lock and of what the editable installs depend on
    cat "$lock" pyproject.toml dropship_dagster/__init__.py scripts/install.sh \
        packages/*/pyproject.toml packages/*/src/*/__init__.py | cksum
}

supported() { # 3.14 on Linux alone: watchdog has no wheel for it elsewhere (docs/dependencies.md)
    command -v "$1" >/dev/null 2>&1 && "$1" -c '
import sys
end = (3, 15) if sys.platform == "linux" else (3, 14)
sys.exit(not (3, 11) <= sys.version_info[:2] < end)' >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 python; do
        if supported "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    found=$(python3 --version 2>/dev/null || echo "no Python at all")
    say "Dropship needs Python 3.11, 3.12, 3.13 or, on Linux, 3.14; this machine has $found." \
        "Install one, or name it: make PYTHON=/path/to/python3.12 $lock_target"
    exit 1
}

lock_target=install
[ "$lock" = requirements-dev.txt ] && lock_target=install-dev
[ "$lock" = requirements-docs.txt ] && lock_target=docs

if [ ! -w . ]; then
    say "Cannot write here ($(pwd)): make needs to create .venv in the checkout; copy it to a folder of yours."
    exit 1
fi

# A marker without its end is an installation that was interrupted: nothing in it can be trusted.
if [ -e $venv/.installing ] || { [ -e $venv ] && ! supported $python; }; then
    say "The environment in .venv is incomplete or its Python is gone: making it again."
    rm -rf $venv
fi

stamp=$venv/.installed-$lock
if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$(digest)" ]; then
    exit 0
fi

uv=$(command -v uv || true)
if [ ! -e $venv ]; then
    base=$(find_python)
    say "Making .venv with $("$base" --version) ..."
    if [ -n "$uv" ]; then
        "$uv" venv --quiet --seed --python "$base" $venv
    elif ! "$base" -m venv $venv >/tmp/dropship-venv.$$ 2>&1; then
        tail -3 /tmp/dropship-venv.$$ >&2
        rm -rf $venv /tmp/dropship-venv.$$
        say "Could not make .venv with $base: install its venv module (Debian: apt install python3-venv) or uv."
        exit 1
    fi
    rm -f /tmp/dropship-venv.$$
fi

: >$venv/.installing
say "Installing $(grep -c '^[a-z]' "$lock") packages from $lock ..."
no_wheel() {
    say "The packages of $lock could not be installed. If one of them has no wheel for this machine, build it:" \
        "PIP_ONLY_BINARY=:none: make $lock_target"
    exit 1
}
wheels=${PIP_ONLY_BINARY:-:all:} # wheels run no code when they are installed
if [ -n "$uv" ]; then
    # Compiled now, as pip does: where Python may not write bytecode, every start would compile it all again.
    "$uv" pip install --quiet --python $python --no-deps --require-hashes --only-binary "$wheels" --compile-bytecode \
        -r "$lock" || no_wheel
    "$uv" pip install --quiet --python $python --no-deps --no-build-isolation $projects
else
    pip="$python -m pip --disable-pip-version-check --quiet"
    $pip install --no-deps --require-hashes --only-binary "$wheels" -r "$lock" || no_wheel
    $pip install --no-deps --no-build-isolation $projects
fi
digest >"$stamp"
if [ "$lock" = requirements-dev.txt ]; then # it holds the runtime lock whole
    lock=requirements.txt
    digest >$venv/.installed-$lock
fi
rm -f $venv/.installing
