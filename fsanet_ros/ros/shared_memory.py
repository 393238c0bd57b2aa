"""
The shared memory of Fast DDS: its size, what is in its way, what killed processes left behind.

Each participant has a segment, fastrtps_ and 16 hexadecimal digits, in /dev/shm, and holds a lock
on a file of the same name with _el for as long as it lives.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import time
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path('/dev/shm')
_SEGMENT = re.compile(r'(fastrtps|fastdds)_[0-9a-f]{16}')
# A segment that is just being made may not have its lock yet.
_NEW_S = 60.0
# Of the shipped profile (config/fastdds_shm.xml), with what Fast DDS needs beside it.
SEGMENT_BYTES = 36_000_000
_DEFAULT_BYTES = 1_000_000  # without a profile: 512 KB
# A machine with less in all gets the profile for little: five nodes of the other would fill it.
_SMALL_BYTES = 200_000_000
# What names a profile: the first up to Jazzy, later ones complain about it.
_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
_UP_TO_JAZZY = ('humble', 'iron', 'jazzy')


def room_for_images(environment: Mapping[str, str], profile: str) -> dict[str, str]:
    """
    Return the variables that launch files give to nodes, none where the user has set a profile.

    :param environment: that of the launch
    :param profile: path of the shipped one
    """
    if any(environment.get(name) for name in _VARIABLES):
        return {}
    profile = fitting_profile(profile)
    older, newer = _VARIABLES
    distro = environment.get('ROS_DISTRO')
    if not distro:
        return {older: profile, newer: profile}
    return {older if distro in _UP_TO_JAZZY else newer: profile}


def fitting_profile(profile: str, folder: Path = FOLDER) -> str:
    """Return the shipped profile, or the one beside it for machines with little shared memory."""
    small = profile.removesuffix('.xml') + '_small.xml'
    with contextlib.suppress(OSError):
        space = os.statvfs(folder)
        if space.f_blocks * space.f_frsize < _SMALL_BYTES and os.path.isfile(small):
            return small
    return profile


def bytes_in_use(maps: Path = Path('/proc/self/maps')) -> int:
    """Return the size of this process's largest segment, 0 without any, as far as one can tell."""
    try:
        lines = maps.read_text(encoding='utf-8', errors='replace').splitlines()
    except OSError:  # no such file, as on other systems
        return SEGMENT_BYTES
    return max((_bytes_of(line) for line in lines), default=0)


def _bytes_of(line: str) -> int:
    """Return how much is mapped by a line of /proc/self/maps, 0 if it is no segment."""
    if not _SEGMENT.fullmatch(line.rpartition('/')[2]):
        return 0
    first, after = (int(address, 16) for address in line.split(maxsplit=1)[0].split('-'))
    return after - first


def keep_private(maps: Path = Path('/proc/self/maps'), folder: Path = FOLDER) -> None:
    """
    Let nobody but this user read the segments that this process has now; call it first of all.

    Fast DDS makes them readable by everybody, whatever the umask.
    """
    with contextlib.suppress(OSError):
        for line in maps.read_text(encoding='utf-8', errors='replace').splitlines():
            name = line.rpartition('/')[2]
            if _SEGMENT.fullmatch(name):
                os.chmod(folder / name, 0o600)


def shortage(environment: Mapping[str, str], folder: Path = FOLDER) -> str:
    """
    Return that a profile asks for more shared memory than there is, empty if all is well.

    Fast DDS then goes on without, and says so in a way that nobody understands.
    """
    profile = next((environment[name] for name in _VARIABLES if environment.get(name)), '')
    if not Path(profile).name.startswith('fastdds_shm') or bytes_in_use() > _DEFAULT_BYTES:
        return ''
    return f'images go over UDP, which loses large ones: {_space(folder)}'


def reclaim_shared_memory(folder: Path = FOLDER) -> int:
    """
    Remove the segments of this user's processes that were killed; return their bytes.

    What a living process uses is locked, and stays.
    """
    freed = 0
    for path in _segments(folder):
        with contextlib.suppress(OSError):
            status = path.stat()
            if status.st_uid == os.getuid() and time.time() - status.st_mtime > _NEW_S:
                freed += _remove_unless_locked(path)
    return freed


def shared_memory_problem(folder: Path = FOLDER) -> str:
    """Return what may keep images from coming through shared memory, empty if nothing does."""
    owners = set()
    for path in _segments(folder):
        with contextlib.suppress(OSError):
            owners.add(path.stat().st_uid)
    # Without any of its own, this process does not ask for theirs.
    if bytes_in_use() and (others := owners - {os.getuid()}):
        return (
            f'user {", ".join(map(_user, sorted(others)))} has shared memory of Fast DDS too, and '
            'two users cannot share: run camera and node as the same user, or both with the '
            'profile config/fastdds_udp.xml'
        )
    with contextlib.suppress(OSError):
        space = os.statvfs(folder)
        if space.f_bavail * space.f_frsize < SEGMENT_BYTES:
            return _space(folder)
    return ''


def _space(folder: Path) -> str:
    space = os.statvfs(folder)
    free, total = space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize
    return (
        f'{folder} has {free / 1e6:.0f} of {total / 1e6:.0f} MB left: give it more (docker '
        'run --shm-size=512m), or free what killed processes have left (fastdds shm clean)'
    )


def _segments(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if _SEGMENT.fullmatch(path.name)]
    except OSError:  # no such folder, as on other systems
        return []


def _remove_unless_locked(path: Path) -> int:
    lock = path.with_name(f'{path.name}_el')
    with open(lock, 'rb') as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where it is held
        count = path.stat().st_size
        path.unlink()
        lock.unlink()
    return count


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
