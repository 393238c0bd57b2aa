"""
The messages of REP-155 for tests, where no hri_msgs is installed: built once per environment.

PyPI has no hri_msgs. tests/overlays/hri_msgs is built with CMake into a folder of the environment
that is named after the hash of what it is built from.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parent / 'overlays' / 'hri_msgs'


@contextlib.contextmanager
def hri_msgs_importable() -> Iterator[dict[str, str]]:
    """
    Make hri_msgs importable in this process and, while it lasts, fsanet_ros.ros.output.hri use it.

    Yields the variables that make it so in another process, for NodeProcess. Skips the test where
    hri_msgs is neither installed nor can be built.
    """
    hri = importlib.import_module('fsanet_ros.ros.output.hri')
    if hri.available:
        yield {}
        return
    prefix = _built()
    # Known to this process by their names, so LD_LIBRARY_PATH need not name their folder.
    for library in sorted((prefix / 'lib').glob('lib*.so')):
        ctypes.CDLL(str(library))
    packages = str(_packages(prefix))
    sys.path.insert(0, packages)
    try:
        importlib.reload(hri)
        assert hri.available
        yield {
            'PYTHONPATH': _with('PYTHONPATH', str(SOURCES.parents[2]), packages),
            'LD_LIBRARY_PATH': _with('LD_LIBRARY_PATH', str(prefix / 'lib')),
            'AMENT_PREFIX_PATH': _with('AMENT_PREFIX_PATH', str(prefix), sys.prefix),
        }
    finally:
        sys.path.remove(packages)
        for name in [n for n in sys.modules if n.partition('.')[0] == 'hri_msgs']:
            del sys.modules[name]
        importlib.reload(hri)


def _built() -> Path:
    """Return the folder with the built overlay, building it where it is not there yet."""
    environment = {
        **os.environ,
        'PATH': _with('PATH', str(Path(sys.executable).parent)),
        'AMENT_PREFIX_PATH': _with('AMENT_PREFIX_PATH', sys.prefix),
    }
    missing = [tool for tool in ('cmake', 'cc', 'c++') if not _which(tool, environment)]
    prefixes = environment['AMENT_PREFIX_PATH'].split(os.pathsep)
    if not any(Path(p, 'share', 'rosidl_default_generators').is_dir() for p in prefixes):
        missing.append('rosidl_default_generators')
    if missing:
        pytest.skip(f'hri_msgs is not installed, and to build it {", ".join(missing)} is missing')

    folder = _cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    prefix = folder / f'hri_msgs-{_hash()}'
    with open(folder / 'lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once: the second waits
        if not prefix.is_dir():
            _build(prefix, environment)
    return prefix


def _build(prefix: Path, environment: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory(dir=prefix.parent) as scratch:
        build, staging = Path(scratch, 'build'), Path(scratch, 'install')
        configure = ['-S', SOURCES, '-B', build, f'-DCMAKE_INSTALL_PREFIX={staging}']
        configure += ['-DCMAKE_BUILD_TYPE=Release', '-DCMAKE_INSTALL_RPATH=$ORIGIN']
        configure += ['-DBUILD_TESTING=OFF', f'-DPython3_EXECUTABLE={sys.executable}']
        for arguments in configure, ['--build', build, '--parallel', '2'], ['--install', build]:
            done = subprocess.run(
                ['cmake', *map(str, arguments)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            assert done.returncode == 0, done.stdout[-4000:]
        staging.rename(prefix)  # whole or not at all


def _cache_folder() -> Path:
    if sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK):
        return Path(sys.prefix, 'test_overlays')
    cache = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(cache, 'fsanet_ros', 'test_overlays')


def _hash() -> str:
    """Return the hash of what the overlay is built from and for."""
    content = hashlib.sha256()
    for path in sorted(p for p in SOURCES.rglob('*') if p.is_file()):
        content.update(f'{path.relative_to(SOURCES)}\n'.encode() + path.read_bytes())
    content.update(f'{os.environ.get("ROS_DISTRO")} {sys.prefix} {sys.version}'.encode())
    return content.hexdigest()[:12]


def _packages(prefix: Path) -> Path:
    return next(prefix.rglob('hri_msgs/msg/__init__.py')).parents[2]


def _which(tool: str, environment: dict[str, str]) -> str | None:
    return shutil.which(tool, path=environment['PATH'])


def _with(variable: str, *paths: str) -> str:
    """Return a search path of the environment with ``paths`` first."""
    return os.pathsep.join([*paths, *filter(None, [os.environ.get(variable)])])
