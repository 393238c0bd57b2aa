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
    older, newer = _VARIABLES
    distro = environment.get('ROS_DISTRO')
    if not distro:
        return {older: profile, newer: profile}
    return {older if distro in _UP_TO_JAZZY else newer: profile}


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
    if others := owners - {os.getuid()}:
        return (
            f'user {", ".join(map(_user, sorted(others)))} has shared memory of Fast DDS too, and '
            'two users cannot share: run camera and node as the same user, or both with '
            'FASTDDS_BUILTIN_TRANSPORTS=UDPv4'
        )
    with contextlib.suppress(OSError):
        space = os.statvfs(folder)
        free, total = space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize
        if free < SEGMENT_BYTES:
            return (
                f'{folder} has {free / 1e6:.0f} of {total / 1e6:.0f} MB left: give it more (docker '
                'run --shm-size=512m), or free what killed processes have left (fastdds shm clean)'
            )
    return ''


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
