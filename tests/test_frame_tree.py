"""Frames are where tf2 would say they are, and what is missing is named."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processor_time import least_processor_s
from scipy.spatial.transform import Rotation, Slerp

from fsanet_ros.geometry.quaternions import to_matrix
from fsanet_ros.ros.output.frame_tree import FrameError, FrameTree

STILL = (0.0, 0.0, 0.0, 1.0)
LEFT = (0.0, 0.0, math.sqrt(0.5), math.sqrt(0.5))  # a quarter turn about z


def quaternion(rng):
    return Rotation.random(random_state=rng.integers(2**31)).as_quat()


def test_a_chain_is_followed_up_down_and_through_the_common_ancestor():
    tree = FrameTree()
    tree.add('map', 'base', 1.0, (10.0, 0.0, 0.0), LEFT)
    tree.add('base', 'camera', 1.0, (0.0, 0.0, 1.0), STILL, static=True)
    tree.add('map', 'screen', 0.0, (10.0, 5.0, 1.0), STILL, static=True)
    assert tree.position('camera', 'map', 1.0) == pytest.approx([10.0, 0.0, 1.0])
    assert tree.position('map', 'base', 1.0) == pytest.approx([0.0, 10.0, 0.0])
    # The robot looks along y of the map: the screen is 5 m ahead.
    assert tree.position('screen', 'camera', 1.0) == pytest.approx([5.0, 0.0, 0.0])
    assert tree.position('camera', 'screen', 1.0) == pytest.approx([0.0, -5.0, 0.0])
    assert tree.position('camera', 'camera', 1.0) == pytest.approx([0.0, 0.0, 0.0])
    assert tree.common_ancestor('/camera', 'screen') == 'map'
    assert tree.common_ancestor('camera', 'base') == 'base'
    assert tree.common_ancestor('base', 'camera') == 'base'
    assert tree.common_ancestor('camera', 'camera') == 'camera'
    with pytest.raises(FrameError, match='no frame'):
        tree.common_ancestor('camera', 'elsewhere')


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_random_tree_agrees_with_matrices(seed):
    rng = np.random.default_rng(seed)
    tree, poses = FrameTree(), {'f0': np.eye(4)}
    for number in range(1, 9):
        parent = f'f{rng.integers(number)}'
        turn, shift = quaternion(rng), rng.normal(size=3)
        tree.add(parent, f'f{number}', 5.0, shift, turn * rng.uniform(0.5, 2.0), number % 2 == 0)
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = Rotation.from_quat(turn).as_matrix(), shift
        poses[f'f{number}'] = poses[parent] @ pose
    a, b = (f'f{n}' for n in rng.integers(9, size=2))
    expected = np.linalg.inv(poses[b]) @ poses[a]
    assert tree.position(a, b, 5.0) == pytest.approx(expected[:3, 3], abs=1e-9)
    position, turn = tree.pose(a, b, 5.0)
    assert position == pytest.approx(expected[:3, 3], abs=1e-9)
    assert np.allclose(to_matrix(turn), expected[:3, :3], atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1.0), st.sampled_from([1e-6, 1e-3, 0.3, 3.0]))
def test_between_two_transforms_it_moves_straight_and_turns_evenly(seed, share, angle):
    rng = np.random.default_rng(seed)
    first = Rotation.from_quat(quaternion(rng))
    axis = rng.normal(size=3)
    turns = [first, Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)) * first]
    shifts = rng.normal(size=(2, 3))
    tree = FrameTree()
    signs = rng.choice([-1.0, 1.0], 2)  # q and -q are the same rotation
    for stamp_s, turn, shift, sign in zip((2.0, 2.1), turns, shifts, signs, strict=True):
        tree.add('map', 'arm', stamp_s, shift, sign * turn.as_quat())
    tree.add('arm', 'hand', 0.0, (0.5, -0.2, 0.3), STILL, static=True)
    at = Slerp([0, 1], Rotation.concatenate(turns))(share)
    expected = at.apply([0.5, -0.2, 0.3]) + shifts[0] + share * (shifts[1] - shifts[0])
    assert tree.position('hand', 'map', 2.0 + 0.1 * share) == pytest.approx(expected, abs=1e-7)


def test_static_frames_hold_at_all_times_and_the_last_one_counts():
    tree = FrameTree()
    tree.add('map', 'screen', 100.0, (1.0, 0.0, 0.0), STILL, static=True)
    for stamp_s in (0.0, 100.0, 1e9):
        assert tree.position('screen', 'map', stamp_s)[0] == 1.0
    tree.add('map', 'screen', 50.0, (2.0, 0.0, 0.0), STILL, static=True)
    assert tree.position('screen', 'map', 0.0)[0] == 2.0


def moving(stamps, tree=None):
    """Return a tree in which x of the frame cup is the stamp."""
    tree = tree or FrameTree()
    for stamp_s in stamps:
        tree.add('map', 'cup', stamp_s, (stamp_s, 0.0, 0.0), STILL)
    return tree


def test_a_stamp_just_outside_takes_the_nearest_and_one_far_outside_says_so():
    tree = moving([10.0, 10.1, 10.2])
    assert tree.position('cup', 'map', 10.2 + 0.24)[0] == 10.2
    assert tree.position('cup', 'map', 10.0 - 0.24)[0] == 10.0
    for stamp_s in (10.2 + 0.26, 10.0 - 0.26):
        with pytest.raises(FrameError, match="'cup' in 'map' is"):
            tree.position('cup', 'map', stamp_s)
    with pytest.raises(FrameError, match=r"'cup' in 'map' is 2\.3 s older than the image"):
        tree.position('cup', 'map', 12.5)
    with pytest.raises(FrameError, match=r"'cup' in 'map' is known only from 1\.5 s after"):
        tree.position('cup', 'map', 8.5)


def test_disorder_is_put_in_order():
    tree = moving([10.0, 10.2, 10.1, 10.3, 10.1, 9.9])
    for stamp_s in (9.9, 9.95, 10.05, 10.1, 10.17, 10.29):
        assert tree.position('cup', 'map', stamp_s)[0] == pytest.approx(stamp_s)


def test_five_seconds_are_kept_and_never_more_than_ten():
    tree = FrameTree()
    for step in range(1000):
        moving([step / 10], tree)
        if step >= 150:
            oldest_s = step / 10 - 4.85
            assert tree.position('cup', 'map', oldest_s)[0] == pytest.approx(oldest_s)
            with pytest.raises(FrameError, match='known only from'):
                tree.position('cup', 'map', oldest_s - 5.5)


def test_frames_that_ended_long_ago_are_forgotten():
    tree = FrameTree()
    tree.add('map', 'screen', 0.0, (1.0, 0.0, 0.0), STILL, static=True)
    for body in range(2000):
        tree.add('map', f'body_{body}', float(body), (0.0, 0.0, 0.0), STILL)
    # A minute of them, or a minute and a half before the next look.
    assert 60 <= len(tree._edges) <= 92
    assert tree.position('screen', 'map', 2000.0)[0] == 1.0
    with pytest.raises(FrameError, match="no frame 'body_3' on /tf"):
        tree.position('body_3', 'map', 3.0)


def test_time_that_jumps_back_forgets_all_that_moves():
    tree = moving([100.0, 100.1])
    tree.add('map', 'tray', 100.1, (7.0, 0.0, 0.0), STILL)
    tree.add('cup', 'rim', 0.0, (0.0, 0.0, 0.1), STILL, static=True)
    moving([99.2], tree)  # less than a second is disorder
    assert tree.position('tray', 'map', 100.1)[0] == 7.0
    moving([99.0], tree)
    assert tree.position('rim', 'map', 99.0) == pytest.approx([99.0, 0.0, 0.1])
    with pytest.raises(FrameError, match="no frame 'tray'"):
        tree.position('tray', 'map', 99.0)


def test_a_frame_with_a_new_parent_is_where_that_says():
    tree = moving([1.0, 1.1])
    tree.add('map', 'hand', 0.0, (0.0, 5.0, 0.0), STILL, static=True)
    tree.add('hand', 'cup', 1.2, (0.0, 0.0, 0.1), STILL)
    assert tree.position('cup', 'map', 1.2) == pytest.approx([0.0, 5.0, 0.1])
    assert tree.position('cup', 'map', 1.1) == pytest.approx([0.0, 5.0, 0.1])


def test_slashes_in_front_of_names_are_left_out():
    tree = FrameTree()
    tree.add('/map', 'screen', 0.0, (1.0, 0.0, 0.0), STILL, static=True)
    tree.add('map', '/camera', 0.0, (0.0, 1.0, 0.0), STILL, static=True)
    assert tree.position('/screen', 'camera', 0.0) == pytest.approx([1.0, -1.0, 0.0])
    assert tree.position('/camera', 'camera', 0.0) == pytest.approx([0.0, 0.0, 0.0])


def test_what_is_missing_is_named():
    tree = FrameTree()
    tree.add('map', 'screen', 0.0, (1.0, 0.0, 0.0), STILL, static=True)
    tree.add('base', 'eye', 0.0, (1.0, 0.0, 0.0), STILL, static=True)
    with pytest.raises(FrameError, match="no frame 'scren' on /tf or /tf_static"):
        tree.position('scren', 'map', 0.0)
    with pytest.raises(FrameError, match="no frame 'eyes' on /tf"):
        tree.position('screen', 'eyes', 0.0)
    with pytest.raises(FrameError, match=r"'screen' and 'eye' are not connected: .*'map'.*'base'"):
        tree.position('screen', 'eye', 0.0)
    with pytest.raises(FrameError, match="'base' and 'screen' are not connected"):
        tree.position('base', 'screen', 0.0)


def test_a_ring_of_frames_is_named_and_ends():
    tree = FrameTree()
    for parent, child in (('a', 'b'), ('b', 'c'), ('c', 'a')):
        tree.add(parent, child, 0.0, (1.0, 0.0, 0.0), STILL)
    with pytest.raises(FrameError, match="above 'b' form a ring"):
        tree.position('b', 'map', 0.0)


@pytest.mark.parametrize(
    ('parent', 'child', 'translation', 'rotation'),
    [
        ('map', 'cup', (math.nan, 0.0, 0.0), STILL),
        ('map', 'cup', (math.inf, 0.0, 0.0), STILL),
        ('map', 'cup', (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)),
        ('map', 'cup', (0.0, 0.0, 0.0), (0.0, math.nan, 0.0, 1.0)),
        ('cup', '/cup', (0.0, 0.0, 0.0), STILL),
        ('', 'cup', (0.0, 0.0, 0.0), STILL),
        ('map', '', (0.0, 0.0, 0.0), STILL),
    ],
)
def test_what_is_no_transform_is_refused(parent, child, translation, rotation):
    tree = moving([1.0])
    with pytest.raises(ValueError, match='the transform from '):
        tree.add(parent, child, 1.1, translation, rotation)
    assert tree.position('cup', 'map', 1.0)[0] == 1.0


def test_a_long_memory_costs_hardly_more_than_a_short_one():
    def chain(stamps_s):
        tree = FrameTree()
        for link in range(10):
            for stamp_s in stamps_s:
                tree.add(f'link{link}', f'link{link + 1}', stamp_s, (0.1, 0.0, 0.0), LEFT)
        return lambda: tree.position('link10', 'link0', 2.345)

    works = {'long': chain(np.arange(0.0, 5.0, 0.01)), 'short': chain((2.0, 3.0))}
    least = least_processor_s(works, repeat=50)
    # About 2: 500 stamps are searched by halves. One after the other would cost 50 times as much.
    assert least['long'] < 5 * least['short']


def test_positions_agree_with_tf2():
    tf2 = pytest.importorskip('tf2_ros', reason='not among the wheels of PyPI')
    from geometry_msgs.msg import TransformStamped
    from rclpy.duration import Duration
    from rclpy.time import Time

    rng = np.random.default_rng(0)
    buffer, tree = tf2.Buffer(cache_time=Duration(seconds=10)), FrameTree()
    links = [('map', 'base'), ('base', 'arm'), ('arm', 'hand'), ('map', 'table'), ('table', 'cup')]
    for number, (parent, child) in enumerate(links):
        static = number % 2 == 0
        for stamp_s in (1.0, 1.5, 2.0):
            shift, turn = rng.normal(size=3), quaternion(rng)
            tree.add(parent, child, stamp_s, shift, turn, static)
            message = TransformStamped(child_frame_id=child)
            message.header.frame_id = parent
            message.header.stamp = Time(seconds=stamp_s).to_msg()
            t, r = message.transform.translation, message.transform.rotation
            t.x, t.y, t.z = shift.tolist()
            r.x, r.y, r.z, r.w = turn.tolist()
            (buffer.set_transform_static if static else buffer.set_transform)(message, 'test')
    for stamp_s in (1.0, 1.2, 1.5, 1.9, 2.0):
        for of, in_frame in (('hand', 'cup'), ('cup', 'base'), ('map', 'hand'), ('arm', 'map')):
            found = buffer.lookup_transform(in_frame, of, Time(seconds=stamp_s)).transform
            expected = [found.translation.x, found.translation.y, found.translation.z]
            assert tree.position(of, in_frame, stamp_s) == pytest.approx(expected, abs=1e-6)
