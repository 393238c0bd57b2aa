"""
What a network does between a camera on one machine and a node on another.

Two network namespaces with a cable between them: camera and listeners in the one, the node in the
other, with shared memory of its own. Run as a program, this is the first of the two.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fsanet_ros.benchmarks.chaos.faults import ChaosError, Fault
from fsanet_ros.benchmarks.chaos.world import World

_CUT_S = 8.0
_RECOVERY_S = 60.0
_NAMES = 'camera', 'node'
_SIDES = tuple(enumerate(_NAMES, start=1))
# Where nothing else is: TEST-NET-1 of RFC 5737.
_ADDRESS = '192.0.2.{}/24'
_MULTICAST = '224.0.0.0/4'
_RESULT = 'result: '


def _obstacle() -> str:
    if sys.platform != 'linux' or os.getuid() != 0:
        return 'network namespaces need root'
    if shutil.which('ip') is None:
        return 'needs ip, of iproute2'
    name = f'chaos_{os.getpid()}_try'
    if not _ip('netns', 'add', name):
        return 'no network namespaces here'
    _ip('netns', 'delete', name)
    return ''


def _ip(*arguments: str) -> bool:
    return subprocess.run(['ip', *arguments], capture_output=True, check=False).returncode == 0


def _must(*arguments: str) -> None:
    if not _ip(*arguments):
        raise ChaosError(f'ip {" ".join(arguments)} failed')


class Cable:
    """The cable between the two namespaces, whose names begin with ``prefix``."""

    def __init__(self, prefix: str) -> None:
        """Say which; nothing is done yet."""
        self._prefix = prefix

    def place(self, name: str) -> str:
        """Return the namespace of one side."""
        return f'{self._prefix}_{name}'

    def lay(self) -> None:
        """Make the namespaces, and the cable."""
        for name in _NAMES:
            _must('netns', 'add', self.place(name))
        here, there = map(self.place, _NAMES)
        link = ('link', 'add', 'end', 'netns', here, 'type', 'veth')
        _must(*link, 'peer', 'name', 'end', 'netns', there)
        for number, name in _SIDES:
            address = _ADDRESS.format(number)
            _must('-n', self.place(name), 'address', 'add', address, 'dev', 'end')
            _must('-n', self.place(name), 'link', 'set', 'lo', 'up')
        self.join()

    def join(self) -> None:
        """Plug it in."""
        for name in _NAMES:
            _must('-n', self.place(name), 'link', 'set', 'end', 'up')
            # Taken away with the link.
            _must('-n', self.place(name), 'route', 'replace', _MULTICAST, 'dev', 'end')

    def cut(self) -> None:
        """Pull it out."""
        for name in _NAMES:
            _must('-n', self.place(name), 'link', 'set', 'end', 'down')

    def remove(self) -> None:
        """Remove all."""
        for name in _NAMES:
            _ip('netns', 'delete', self.place(name))


@contextmanager
def _laid_cable() -> Iterator[Cable]:
    cable = Cable(f'chaos_{os.getpid()}')
    try:
        cable.lay()
        yield cable
    finally:
        cable.remove()


def _is_cut_off(world: World) -> float:
    with _laid_cable() as cable, tempfile.TemporaryDirectory(prefix='fsanet_ros_chaos_') as folder:
        pictures = Path(folder) / 'pictures.npy'
        np.save(pictures, np.stack(world.camera.pictures))
        prefix = cable.place('camera').rpartition('_')[0]
        command = [sys.executable, '-m', __name__, prefix, str(pictures)]
        done = subprocess.run(
            ['ip', 'netns', 'exec', cable.place('camera'), *command],
            # All of the network that there is; nobody else is on it.
            env=os.environ | {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    for line in done.stdout.splitlines():
        if line.startswith(_RESULT):
            found = json.loads(line.removeprefix(_RESULT))
            world.said += found['said']
            if found['failure']:
                raise ChaosError(f'on two machines: {found["failure"]}')
            return float(found['recovery_s'])
    raise ChaosError(f'on two machines: {(done.stderr or "no result").strip().splitlines()[-1]}')


def main(argv: list[str]) -> int:
    """Run a node in the other namespace, pull the cable out and in, print what came of it."""
    prefix, pictures = argv
    cable = Cable(prefix)
    # Shared memory of its own, too: these are two machines.
    there = ['ip', 'netns', 'exec', cable.place('node'), 'sh', '-c']
    there += ['mount -t tmpfs tmpfs /dev/shm && exec "$0" "$@"']
    found: dict[str, object] = {'recovery_s': 0.0, 'failure': '', 'said': []}
    with World(list(np.load(pictures)), {'tracking.announce_s': 0.0}, there) as world:
        try:
            world.heads_again(_RECOVERY_S)
            cable.cut()
            world.spin(_CUT_S)
            answers = len(world.answers)
            world.spin(1.0)
            if len(world.answers) > answers:
                raise ChaosError('answers come without a cable')
            cable.join()
            found['recovery_s'] = world.heads_again(_RECOVERY_S)
        except ChaosError as error:
            found['failure'] = str(error)
        if 'Traceback' in world.log():
            found['failure'] = 'a traceback in the log'
        found['said'] = [text for text in world.said if text != 'running']
    print(_RESULT + json.dumps(found), flush=True)
    return 0


NETWORK_FAULTS = (
    Fault(
        'cable',
        f'camera and node on two machines, the cable out for {_CUT_S:.0f} s',
        _is_cut_off,
        limit_s=20.0,
        says=('nothing comes',),
        obstacle=_obstacle,
    ),
)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
