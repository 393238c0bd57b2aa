"""What a bench changes around it before ROS is started: a domain of its own, shared memory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

import fsanet_ros
from fsanet_ros.ros.shared_memory import fitting_profile

PROFILE = Path('config') / 'fastdds_shm.xml'
_OLDER_NAME, _NAME = 'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'
_OLDER = ('humble', 'iron', 'jazzy')  # Kilted complains about the older name


def leave_the_robot_alone() -> None:
    """Choose a domain of this bench's own, on this machine only: for this process and the next."""
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 101)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'


def use_shared_memory() -> str:
    """
    Set the package's profile of Fast DDS unless the user has set one; return its file.

    Empty where the package's is not found: images then go over UDP.
    """
    chosen = os.environ.get(_NAME) or os.environ.get(_OLDER_NAME)
    if chosen:
        return chosen
    folders = [Path(fsanet_ros.__file__).resolve().parent.parent]
    with contextlib.suppress(PackageNotFoundError, OSError, ValueError):
        folders.append(Path(get_package_share_directory('fsanet_ros')))
    found = [str(folder / PROFILE) for folder in folders if (folder / PROFILE).is_file()]
    if not found:
        return ''
    found[0] = fitting_profile(found[0])
    distro = os.environ.get('ROS_DISTRO', '')
    if distro not in _OLDER:
        os.environ[_NAME] = found[0]
    if distro in (*_OLDER, ''):
        os.environ[_OLDER_NAME] = found[0]
    return found[0]
