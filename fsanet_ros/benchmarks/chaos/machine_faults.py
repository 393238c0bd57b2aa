"""What a machine does to a node."""

from __future__ import annotations

import os
import resource
import signal
import sys

from fsanet_ros.benchmarks.chaos.faults import Fault
from fsanet_ros.benchmarks.chaos.world import World
from fsanet_ros.benchmarks.machine import memory_mb

_STOPPED_S = 6.0


def _is_frozen(world: World) -> None:
    world.process.send_signal(signal.SIGSTOP)
    world.spin(_STOPPED_S)
    world.process.send_signal(signal.SIGCONT)


def _loses_a_core(world: World) -> None:
    _set_cores(world.process.pid, {min(os.sched_getaffinity(0))})
    world.spin(5.0)
    _set_cores(world.process.pid, os.sched_getaffinity(0))


def _set_cores(pid: int, cores: set[int]) -> None:
    for thread in os.listdir(f'/proc/{pid}/task'):
        os.sched_setaffinity(int(thread), cores)


def _memory_is_short(world: World) -> None:
    pid = world.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_DATA)
    # Next to nothing beyond what it has.
    data = int(1e6 * memory_mb(pid)['private'])
    resource.prlimit(pid, resource.RLIMIT_DATA, (data, before[1]))
    world.spin(4.0)
    resource.prlimit(pid, resource.RLIMIT_DATA, before)


def _disk_is_full(world: World) -> None:
    pid = world.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    # No file may grow beyond this: the log, and shared memory for those who come new.
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
    world.spin(4.0)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def _needs_linux() -> str:
    return '' if sys.platform == 'linux' else 'needs Linux'


MACHINE_FAULTS = (
    Fault(
        'frozen',
        f'the node does not get to run for {_STOPPED_S:.0f} s',
        _is_frozen,
        says=('starvation',),
        obstacle=_needs_linux,
    ),
    Fault('core', 'all its threads on one core for 5 s', _loses_a_core, obstacle=_needs_linux),
    Fault('memory', 'no new memory for 4 s', _memory_is_short, obstacle=_needs_linux),
    Fault('disk', 'no file can be written for 4 s', _disk_is_full, obstacle=_needs_linux),
)
