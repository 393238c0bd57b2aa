#!/usr/bin/env bash
# Builds the wheel without ROS and runs the library's tests against it, in a bare environment for
# each Python. Called by ./run test --library [PYTHON...] [--with REQUIREMENT]...
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

pythons=() wanted=() opencv=opencv-python-headless
while [ $# -gt 0 ]; do
  case $1 in
    --with)
      [ $# -gt 1 ] || { echo 'run: --with lacks its REQUIREMENT' >&2 && exit 2; }
      wanted+=("$2")
      [[ $2 != opencv* ]] || opencv=$2
      shift
      ;;
    -*) echo "run: unknown option '$1' of ./run test --library" >&2 && exit 2 ;;
    *) pythons+=("$1") ;;
  esac
  shift
done
if [ ${#pythons[@]} -eq 0 ]; then
  shopt -s nullglob
  for version in 3.10 3.11 3.12 3.13 3.14; do
    for python in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
      # A name may be there that does not run: pyenv has one for each version that it knows.
      "$python" -c 'import ensurepip, venv' 2>/dev/null && pythons+=("$python") && break
    done
  done
fi
[ ${#pythons[@]} -gt 0 ] || { echo 'run: found none of python3.10 to python3.14' >&2 && exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Nothing of an environment that this one was called from.
unset PYTHONPATH LD_LIBRARY_PATH AMENT_PREFIX_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK=1 FSANET_ROS_MESSAGES=0

status=0
for python in "${pythons[@]}"; do
  venv=$work/venv
  rm -rf "$venv"
  "$python" -m venv "$venv"
  # From a copy: setuptools leaves build/ and an egg-info beside what it builds.
  if [ ! -d "$work/wheel" ]; then
    mkdir "$work/sources"
    (cd "$ROOT" && tar -c --exclude='./.*' --exclude=./build --exclude=./install --exclude=./log \
      --exclude=./runs --exclude=__pycache__ .) | tar -x -C "$work/sources"
    "$venv/bin/pip" wheel --quiet --no-deps --wheel-dir "$work/wheel" "$work/sources"
  fi
  "$venv/bin/pip" install --quiet "$work"/wheel/*.whl "$opencv" ${wanted[@]+"${wanted[@]}"} \
    pytest pytest-timeout pytest-xdist hypothesis scikit-image matplotlib h5py onnx safetensors \
    rosbags motmetrics
  "$venv/bin/python" - <<'PY'
import platform, cv2, numpy
print('==', 'Python', platform.python_version(), 'NumPy', numpy.__version__, 'OpenCV', cv2.__version__)
PY
  # "pytest", not "python -m pytest": that one would import the sources here instead of the wheel.
  (cd "$ROOT" && "$venv/bin/pytest" --without ros --without torch -m 'not slow' -q -p no:cacheprovider \
    --numprocesses 2 --dist loadfile --override-ini timeout=600) ||
    status=$?
done
exit $status
