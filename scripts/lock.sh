#!/usr/bin/env bash
# Renews requirements/lock/ with uv, in an environment of its own.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv-lock
"${PYTHON:-python3}" -m venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check 'uv>=0.8' packaging tomli
exec "$VENV/bin/python" "$ROOT/scripts/lock.py"
