"""Images come where shared memory is small, and where they cannot come the log names why."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from head_pose_rig import Rig, face_picture, ros_arguments, start
from rclpy.qos import ReliabilityPolicy
from ros_helpers import ROOT, NodeProcess

from fsanet_ros.ros.shared_memory import fitting_profile

pytestmark = pytest.mark.ros
needs_root = pytest.mark.skipif(
    not hasattr(os, 'getuid') or os.getuid() != 0, reason='mounts and users need root'
)

FACE = face_picture()
LARGE = np.ascontiguousarray(cv2.resize(FACE, (1920, 1080)))
SHARED = str(ROOT / 'config' / 'fastdds_shm.xml')
# Who the node runs as. The interpreter may be below /root: it may be read, but nothing else.
OTHER_USER = [
    *('setpriv', '--reuid=12345', '--regid=12345', '--clear-groups'),
    *('--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'),
]


def in_a_world_of_its_own(before, function):
    """Run a function of this file where shell commands have changed mounts and networks."""
    if shutil.which('unshare') is None:
        pytest.skip('needs unshare, of util-linux')
    enter = ['unshare', '--mount', '--net', '--propagation', 'private', 'bash', '-c']
    if subprocess.run([*enter, before], capture_output=True, check=False).returncode:
        pytest.skip('no namespaces here')
    code = f'import test_shared_memory as t; t.{function}'
    command = f'{before} && exec "$0" -c "$1"'
    done = subprocess.run(
        [*enter, command, sys.executable, code],
        cwd=ROOT / 'tests',
        env=os.environ | {'PYTHONPATH': os.pathsep.join([str(ROOT / 'tests'), *sys.path])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def of_size(megabytes):
    return f'ip link set lo up && mount -t tmpfs -o size={megabytes}m tmpfs /dev/shm'


def choose(profile):
    for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
        os.environ[name] = profile


def segments_of(node):
    """Return the files of shared memory that a process has made: those whose lock it holds."""
    files = Path(f'/proc/{node._process.pid}/fd')
    held = (os.readlink(file) for file in files.iterdir())
    return [Path(name.removesuffix('_el')) for name in held if name.endswith('_el')]


@pytest.mark.skipif(not Path('/dev/shm').is_dir(), reason='no /dev/shm')
@pytest.mark.parametrize(
    ('module', 'said'), [('node', 'active'), ('video_source', 'publishing')], ids=['node', 'source']
)
def test_shared_memory_with_pictures_of_people_is_for_its_user_alone(module, said):
    with NodeProcess(['-m', f'fsanet_ros.ros.{module}']) as node:
        node.wait_for_output(said)
        files = [f for f in segments_of(node) if f.is_file() and f.stat().st_size > 1_000_000]
        assert files
        for file in files:
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def large_images_come():
    choose(fitting_profile(SHARED))
    with start() as node, Rig('head_poses', reliability=ReliabilityPolicy.BEST_EFFORT) as rig:
        for _ in range(5):
            assert len(rig.ask(LARGE).heads) == 1
        assert 'images go over UDP' not in node.output


@needs_root
def test_with_the_64_mb_of_a_container_large_best_effort_images_come():
    in_a_world_of_its_own(of_size(64), 'large_images_come()')


def small_images_come_with_a_warning():
    choose(fitting_profile(SHARED))
    with start() as node, Rig('head_poses') as rig:
        assert len(rig.ask(FACE).heads) == 1
        said = [line for line in node.output.splitlines() if 'images go over UDP' in line]
        assert len(said) == 1 and '/dev/shm has' in said[0] and '--shm-size' in said[0]


@needs_root
def test_with_next_to_none_images_go_over_udp_and_one_line_says_so():
    in_a_world_of_its_own(of_size(6), 'small_images_come_with_a_warning()')


def start_as_other_user(home):
    home.mkdir(exist_ok=True)
    home.chmod(0o777)
    command = [sys.executable, '-m', 'fsanet_ros.ros.node', *ros_arguments()]
    code = f'import os; os.execvp("setpriv", {[*OTHER_USER, *command]})'
    # The parameters and the log are what matters here.
    return NodeProcess(['-c', code], {'HOME': str(home)})


@needs_root
@pytest.mark.skipif(shutil.which('setpriv') is None, reason='needs setpriv, of util-linux')
def test_images_of_another_user_do_not_come_and_the_log_names_them(tmp_path):
    home = tmp_path.parent.parent.parent / f'home_of_{os.getpid()}'
    try:
        with start_as_other_user(home) as node, Rig('head_poses') as rig:
            rig.until(lambda: (rig.send(FACE) and rig.spin(0.2)) or 'two users' in node.output)
            node.wait_for_output(
                'user root has shared memory of Fast DDS too, and two users cannot'
            )
            assert not rig.received['head_poses']
    finally:
        shutil.rmtree(home, ignore_errors=True)
