# shellcheck shell=bash
# Sourced by ./run: chooses where ROS 2 comes from, installs what is missing, sets the variables.
#
#   choose_ros             the ROS 2 of the shell when it is sourced, else PyPI's wheels
#   prepare_environment    makes $VENV or brings it up to date; instant when nothing has changed.
#                          What it installs is locked by version and hash in requirements/lock/
#   enter_environment      exports what a process needs to run from $VENV
#
# $VENV/.stamps holds one file per finished step, with the hashes of what that step depends on. A
# venv with $VENV/.incomplete was left by an installation that was killed, and is made anew.

PYTHON=${PYTHON:-python3}

fail() { # LINE...
  printf '%s\n' "run: $1" "${@:2}" >&2
  exit 1
}

choose_ros() {
  # A process that a Python of the wheels started must not pass their libraries on to others.
  unset _ROS_WHEELS_BOOTSTRAP_COMPLETE
  case ${VIRTUAL_ENV:-} in # inside ./run shell
    "$ROOT/.venv-${ROS_DISTRO:-}") ROS=pypi VENV=$VIRTUAL_ENV && return ;;
    "$ROOT/.venv-${ROS_DISTRO:-}-sourced") ROS=sourced VENV=$VIRTUAL_ENV && return ;;
    "$ROOT"/.venv-*) unset AMENT_PREFIX_PATH ;; # of another distribution
  esac
  if [ -n "${ROS_DISTRO:-}" ] && [ -n "${AMENT_PREFIX_PATH:-}" ]; then
    local reason
    if reason=$("$PYTHON" -c 'import rclpy' 2>&1); then
      ROS=sourced VENV=$ROOT/.venv-$ROS_DISTRO-sourced
      # A Python of the wheels finds its libraries by itself: the one in $VENV has to be told.
      LD_LIBRARY_PATH=$("$PYTHON" -c 'import os; print(os.environ.get("LD_LIBRARY_PATH", ""))')
      return
    fi
    echo "run: ROS 2 $ROS_DISTRO is sourced, but $(command -v "$PYTHON" || echo "$PYTHON") cannot" \
      "import rclpy (${reason##*$'\n'}): taking ROS 2 from PyPI instead." \
      "PYTHON=/usr/bin/python3 ./run ... may find yours." >&2
  fi
  ROS=pypi
  case ${ROS_DISTRO:=jazzy} in
    jazzy | kilted) ;;
    *)
      echo "run: PyPI has no ROS 2 '$ROS_DISTRO'; taking jazzy (kilted is the other choice)." >&2
      ROS_DISTRO=jazzy
      ;;
  esac
  VENV=$ROOT/.venv-$ROS_DISTRO
  # Nothing of another ROS or Python environment may get in between.
  unset AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH PYTHONHOME
}

# ---- what is there, what is missing

wanted_stamp() ( # in a subshell, for the cd
  cd "$ROOT"
  case $1 in
    venv) pwd && echo "$ROS" ;; # one that was moved or copied does not work
    ros) sha256sum "requirements/lock/ros-$ROS_DISTRO.txt" ;;
    build)
      sha256sum requirements/lock/ros*.txt CMakeLists.txt package.xml msg/* resource/* \
        scripts/patch_ros_wheels.py scripts/tf2_msgs/*.* scripts/tf2_msgs/msg/*
      # These are linked to: only a new name needs a new build.
      find launch config meshes rviz sros2 -type f | LC_ALL=C sort
      ;;
    # shellcheck disable=SC2046 # several words
    *) sha256sum "requirements/lock/$1.txt" $(inputs_of "$1") ;;
  esac
)

inputs_of() { # STEP: the requirements that it installs
  case $1 in
    base) echo requirements/base.txt requirements/opencv.txt ;;
    recordings) echo requirements/video.txt requirements/bags.txt requirements/tables.txt ;;
    test) echo requirements/test.txt requirements/cluster.txt ;;
    *) echo "requirements/$1.txt" ;;
  esac
}

is_done() { [ "$(cat "$VENV/.stamps/$1" 2>/dev/null)" = "$(wanted_stamp "$1")" ]; }

stale_steps() { # STEP...: those that have to be done
  local step
  if [ -e "$VENV/.incomplete" ] || [ ! -x "$VENV/bin/python" ] || ! is_done venv; then
    echo venv "$@"
    return
  fi
  for step in "$@"; do is_done "$step" || echo "$step"; done
}

prepare_environment() { # EXTRA...: plots, completion, recordings, view, train, torch, test
  local steps=(base "$@" build)
  [ "$ROS" = sourced ] || steps=(ros "${steps[@]}")
  [ -n "$(stale_steps "${steps[@]}")" ] || return 0

  # Two ./run at once: the second waits. The lock ends with the last process that holds it, a pip
  # that outlived a killed ./run included.
  exec 9<"$ROOT/run"
  if ! flock --nonblock 9; then
    echo 'run: another ./run is preparing the environment; waiting for it ...' >&2
    flock 9
  fi
  local todo step number=0 started=$SECONDS
  read -r -a todo <<<"$(stale_steps "${steps[@]}" | tr '\n' ' ')"
  check_system
  [ "${todo[0]:-}" != venv ] || rm -rf "$VENV"
  mkdir -p "$VENV/.stamps"
  for step in ${todo[@]+"${todo[@]}"}; do
    number=$((number + 1))
    [ "$step" = build ] || touch "$VENV/.incomplete"
    rm -f "$VENV/.stamps/$step"
    run_step "[$number/${#todo[@]}]" "$step"
    rm -f "$VENV/.incomplete"
    wanted_stamp "$step" >"$VENV/.stamps/$step"
  done
  echo "run: ready after $((SECONDS - started)) s" >&2
  exec 9<&-
}

# ---- the steps

title_of() {
  case $1 in
    system) echo "installing ${missing[*]} with apt-get" ;;
    venv) echo "creating ${VENV##*/}" ;;
    ros) echo "installing ROS 2 $ROS_DISTRO from PyPI (about 95 MB)" ;;
    base)
      if [ "$ROS" = pypi ]; then
        echo 'installing NumPy, OpenCV, ONNX Runtime and others (about 135 MB)'
      else
        echo "installing the Python packages that ROS 2 $ROS_DISTRO lacks"
      fi
      ;;
    train) echo 'installing what training and conversions need (about 25 MB)' ;;
    torch) echo 'installing PyTorch, the CPU build (about 190 MB, 800 MB on disk)' ;;
    plots) echo 'installing Matplotlib (about 20 MB)' ;;
    completion) echo 'installing what completes commands (about 1 MB)' ;;
    recordings) echo 'installing what reads and writes videos, bags and Parquet (about 90 MB)' ;;
    view) echo 'installing what shows heads in a browser (about 15 MB)' ;;
    test) echo 'installing the test tools (about 45 MB)' ;;
    docs) echo 'installing what builds the documentation (about 15 MB)' ;;
    build) echo 'building the messages' ;;
  esac
}

run_step() { # NUMBER STEP: with its output in a log, and the seconds on the terminal
  local label log=$VENV/setup.log job started=$SECONDS
  label="${1:-run:} $(title_of "$2") ..."
  printf '%s' "$label" >&2
  set -m # a process group of its own, so that an interrupt ends all of it
  (set -e && "step_$2") >"$log" 2>&1 </dev/null &
  job=$!
  set +m
  trap 'kill -- -$job 2>/dev/null; echo " interrupted" >&2; exit 130' INT TERM HUP
  while kill -0 "$job" 2>/dev/null; do
    [ ! -t 2 ] || printf '\r%s %d s ' "$label" "$((SECONDS - started))" >&2
    sleep 0.2
  done
  trap - INT TERM HUP
  if ! wait "$job"; then
    # pip itself undoes what it could not finish; only a killed one leaves half a package.
    [ "$2" = venv ] || rm -f "$VENV/.incomplete"
    printf ' failed\n\n' >&2
    tail -n 30 "$log" >&2
    fail "$(title_of "$2") failed: the reason is above, all of the output in $log"
  fi
  [ ! -t 2 ] || printf '\r%s' "$label" >&2
  printf ' %d s\n' "$((SECONDS - started))" >&2
}

step_venv() {
  if [ "$ROS" = pypi ]; then
    "$PYTHON" -m venv "$VENV"
    return
  fi
  "$PYTHON" -m venv --system-site-packages "$VENV"
  # "System" is the base Python; where ROS lives in a venv, that one has to be named.
  "$PYTHON" - "$VENV" <<'PY'
import pathlib, site, sys
if sys.prefix != sys.base_prefix:
    lines = [f'import site; site.addsitedir({path!r})' for path in site.getsitepackages()]
    (packages,) = pathlib.Path(sys.argv[1]).glob('lib/python3*/site-packages')
    (packages / 'parent_environment.pth').write_text('\n'.join(lines) + '\n')
PY
}

pip_install() { "$VENV/bin/python" -m pip install --disable-pip-version-check "$@"; }

install_requirements() { # STEP
  cd "$ROOT"
  if [ "$ROS" = pypi ]; then
    # Exactly what is locked, and checked by its hash; --no-deps, as the lock has all of it.
    pip_install --no-deps --require-hashes -r "requirements/lock/$1.txt"
  else
    # What the installation has stays, at its version: its NumPy above all, which its compiled
    # modules (messages, cv_bridge) were built for.
    # shellcheck disable=SC2046 # several words
    cat $(inputs_of "$1") >"$VENV/wanted.txt"
    "$VENV/bin/python" scripts/missing_requirements.py "$VENV/wanted.txt" "$VENV/missing.txt" \
      "$VENV/constraints.txt"
    pip_install -r "$VENV/missing.txt" -c "$VENV/constraints.txt"
  fi
}

step_ros() { install_requirements "ros-$ROS_DISTRO"; }
step_base() { install_requirements base; }
step_train() { install_requirements train; }
step_plots() { install_requirements plots; }
step_completion() { install_requirements completion; }
step_recordings() { install_requirements recordings; }
step_view() { install_requirements view; }
step_test() { install_requirements test; }
step_docs() { install_requirements docs; }

# PyPI's PyTorch for Linux is built for CUDA and comes with gigabytes of it. PyTorch's own index has
# CPU builds. Neither is in the lock, as its hash differs from one to the other.
TORCH=torch==2.13.0
TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu

step_torch() {
  local deps=(--no-deps)
  [ "$ROS" = pypi ] || deps=() # nothing is locked there
  if ! "$VENV/bin/python" -c 'import torch' 2>/dev/null; then
    if can_reach "$TORCH_CPU_INDEX/torch/"; then
      pip_install ${deps[@]+"${deps[@]}"} --index-url "$TORCH_CPU_INDEX" "$TORCH"
    elif would_take_cpu_build "$TORCH"; then
      pip_install ${deps[@]+"${deps[@]}"} "$TORCH"
    else
      echo "PyTorch's CPU builds cannot be had: $TORCH_CPU_INDEX does not answer, and what pip" \
        "finds instead is built for CUDA (gigabytes). ./run test --without-torch does without;" \
        "or install one yourself: $VENV/bin/pip install --no-deps FILE-OR-URL."
      return 1
    fi
  fi
  install_requirements torch
}

can_reach() { # URL
  "$VENV/bin/python" - "$1" <<'PY'
import sys, urllib.request
try:
    urllib.request.urlopen(urllib.request.Request(sys.argv[1], method='HEAD'), timeout=10)
except OSError as error:
    sys.exit(f'{sys.argv[1]}: {error}')
PY
}

would_take_cpu_build() { # REQUIREMENT: whether pip would, asked without a download
  [ "$(uname -sm)" = 'Linux x86_64' ] || return 0 # PyPI's are CPU builds
  pip_install --dry-run --quiet --no-deps --report "$VENV/torch.json" "$1" || return 1
  "$VENV/bin/python" - "$VENV/torch.json" <<'PY'
import json, sys
(chosen,) = json.load(open(sys.argv[1], encoding='utf-8'))['install']
sys.exit('+cpu' not in chosen['metadata']['version'])
PY
}

step_build() {
  enter_environment
  cd "$VENV" # ament leaves a list of links in the current folder
  if [ "$ROS" = pypi ]; then
    python "$ROOT/scripts/patch_ros_wheels.py"
    build_and_install "$ROOT/scripts/tf2_msgs" build/tf2_msgs
  fi
  build_and_install "$ROOT" build/fsanet_ros
  # Registered with pip as well, it would make pip refuse a later 'pip install .' here.
  rm -rf lib/python3*/site-packages/fsanet_ros-*.egg-info
  python -c 'from fsanet_ros.msg import HeadPoseArray; HeadPoseArray()'
}

build_and_install() { # SOURCES BUILD_FOLDER
  rm -rf "$2"
  # Links instead of copies: an edited launch or config file counts at once. (Python sources do
  # anyway, see enter_environment.)
  cmake -S "$1" -B "$2" -DCMAKE_INSTALL_PREFIX="$VENV" -DCMAKE_BUILD_TYPE=Release \
    -DAMENT_CMAKE_SYMLINK_INSTALL=ON -DBUILD_TESTING=OFF -DPython3_EXECUTABLE="$VENV/bin/python"
  cmake --build "$2" --parallel
  cmake --install "$2"
}

check_system() {
  if [ "$ROS" = pypi ] && [ "$(uname -sm)" != 'Linux x86_64' ]; then
    fail "found $(uname -sm); ROS 2 comes from PyPI for Linux x86_64 only." \
      'Install ROS 2 (docs.ros.org), source its setup.bash and try again.'
  fi
  find_missing_packages
  if [ ${#missing[@]} -gt 0 ]; then
    can_install_packages || fail "missing here: ${missing[*]}. Install with this line, then try again:" \
      "    sudo ${apt_install[*]} ${missing[*]}"
    mkdir -p "$VENV"
    run_step '' system
    find_missing_packages
    [ ${#missing[@]} -eq 0 ] || fail "${missing[*]} installed, but $PYTHON" \
      "($("$PYTHON" --version 2>&1)) does not see it. Choose another Python:" \
      'PYTHON=/usr/bin/python3 ./run ...'
  fi
  "$PYTHON" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' ||
    fail "found $("$PYTHON" --version) as $PYTHON, expected 3.10 to 3.14. Choose another Python:" \
      'PYTHON=/usr/bin/python3.12 ./run ...'
}

apt_install=(apt-get install -y --no-install-recommends)
missing=() # by their names in Debian and Ubuntu

find_missing_packages() {
  missing=()
  command -v "$PYTHON" >/dev/null || missing+=(python3)
  "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  "$PYTHON" -c 'import os, sysconfig as s; os.stat(s.get_path("include") + "/Python.h")' \
    2>/dev/null || missing+=(python3-dev)
  { command -v cc && command -v c++ && command -v make; } >/dev/null || missing+=(build-essential)
  [ "$ROS" = pypi ] || command -v cmake >/dev/null || missing+=(cmake)
}

can_install_packages() {
  command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

step_system() {
  local as_root=(env DEBIAN_FRONTEND=noninteractive)
  [ "$(id -u)" = 0 ] || as_root=(sudo -n "${as_root[@]}")
  "${as_root[@]}" apt-get update
  "${as_root[@]}" "${apt_install[@]}" "${missing[@]}"
}

# ---- what a process in the environment sees

enter_environment() {
  local site
  site=$(echo "$VENV"/lib/python3*/site-packages)
  export ROS_DISTRO VIRTUAL_ENV=$VENV
  # The sources first: an edit counts without a build. The generated fsanet_ros.msg is found
  # behind them (extend_path in fsanet_ros/__init__.py), ours before that of a sourced workspace.
  prepend PYTHONPATH "$site"
  prepend PYTHONPATH "$ROOT"
  prepend PATH "$VENV/bin"
  prepend AMENT_PREFIX_PATH "$VENV"
  prepend LD_LIBRARY_PATH "$VENV/lib"
  if [ "$ROS" = pypi ]; then
    export RMW_IMPLEMENTATION=rmw_fastrtps_cpp # the only one there
  fi
  # Images need more shared memory than the default. Kilted complains about the older name.
  if [ -z "${FASTDDS_DEFAULT_PROFILES_FILE:-}${FASTRTPS_DEFAULT_PROFILES_FILE:-}" ]; then
    local profile=$ROOT/config/fastdds_shm.xml
    # As in fsanet_ros/ros/shared_memory.py: containers have 64 MB.
    [ "$(df -k /dev/shm 2>/dev/null | awk 'NR == 2 { print $2 }')" -ge 195312 ] 2>/dev/null ||
      profile=$ROOT/config/fastdds_shm_small.xml
    case $ROS_DISTRO in
      humble | iron | jazzy) export FASTRTPS_DEFAULT_PROFILES_FILE=$profile ;;
      *) export FASTDDS_DEFAULT_PROFILES_FILE=$profile ;;
    esac
  fi
  export HOME=${HOME:-$(cd ~ && pwd)} # rclpy.init() fails without
}

prepend() { # VARIABLE FOLDER
  local rest=:${!1:-}:
  rest=${rest//":$2:"/:} # once is enough, in a ./run shell within a ./run shell too
  rest=${rest#:} rest=${rest%:}
  export "$1=$2${rest:+:$rest}"
}
