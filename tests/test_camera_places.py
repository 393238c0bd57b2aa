"""Cameras stand in the live view where /tf says, on a level floor."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip('rclpy')

from fsanet_ros.geometry import quaternions
from fsanet_ros.ros.clients.camera_places import CameraPlaces
from fsanet_ros.ros.output.frame_tree import FrameTree

STILL = (0.0, 0.0, 0.0, 1.0)
OPTICAL = Rotation.from_quat((-0.5, 0.5, -0.5, 0.5))  # x right, y down, z ahead


def add(tree, parent, child, position, turn, stamp_s=0.0, static=True):
    tree.add(parent, child, stamp_s, position, turn.as_quat().tolist(), static)


def robot(down_deg=0.0):
    """Return the frames of a robot: one camera 1 m up that looks ahead, one that looks back."""
    tree = FrameTree()
    ahead = Rotation.from_euler('y', down_deg, degrees=True)
    back = Rotation.from_euler('z', 180, degrees=True)
    add(tree, 'base_link', 'front_optical', (0.2, 0.0, 1.0), ahead * OPTICAL)
    add(tree, 'base_link', 'rear_optical', (-0.3, 0.1, 1.2), back * OPTICAL)
    return tree


def seen(place, point):
    """Return where in the world a point in the camera's frame is."""
    return place.position_m + quaternions.to_matrix(place.wxyz) @ point


def test_cameras_stand_to_each_other_as_on_the_robot():
    places = CameraPlaces(robot())
    places.of(0, 'front_optical', 1.0)
    rear = places.of(1, '/rear_optical', 1.0)
    front = places.of(0, 'front_optical', 1.0)
    assert front.position_m == pytest.approx([0, 0, 0], abs=1e-9)
    assert rear.position_m == pytest.approx([-0.5, 0.1, 0.2])
    assert seen(front, [0, 0, 2.0]) == pytest.approx([2.0, 0, 0], abs=1e-9)
    assert seen(rear, [0, 0, 2.0]) == pytest.approx([-2.5, 0.1, 0.2])
    assert seen(rear, [0, -1.0, 0])[2] == pytest.approx(1.2)  # y is down


def test_the_floor_is_level_though_the_first_camera_looks_down():
    places = CameraPlaces(robot(down_deg=30))
    places.of(0, 'front_optical', 1.0)
    rear, front = places.of(1, 'rear_optical', 1.0), places.of(0, 'front_optical', 1.0)
    half, most = 0.5, math.sqrt(0.75)
    assert seen(front, [0, 0, 1.0]) == pytest.approx([most, 0, -half])
    assert seen(rear, [0, -1.0, 0]) - rear.position_m == pytest.approx([0, 0, 1], abs=1e-9)


def test_the_first_camera_looks_along_x_wherever_it_looks_and_whichever_is_heard_first():
    places = CameraPlaces(robot())
    places.of(7, 'front_optical', 1.0)
    rear = places.of(1, 'rear_optical', 1.0)
    front = places.of(7, 'front_optical', 1.0)
    assert seen(rear, [0, 0, 2.0]) == pytest.approx([2.0, 0, 0], abs=1e-9)
    assert front.position_m == pytest.approx([-0.5, 0.1, -0.2])


def test_cameras_stay_when_the_robot_drives_and_turn_when_one_of_them_turns():
    tree = robot()
    for stamp_s, x in ((1.0, 0.0), (2.0, 50.0)):
        tree.add('odom', 'base_link', stamp_s, (x, 0.0, 0.0), STILL)
        turn = Rotation.from_euler('z', 90 * (stamp_s - 1.0), degrees=True)
        add(tree, 'base_link', 'arm', (0.0, 0.0, 2.0), turn, stamp_s, static=False)
    add(tree, 'arm', 'arm_optical', (0.0, 0.0, 0.0), OPTICAL)
    places = CameraPlaces(tree)
    for number, frame in enumerate(('front_optical', 'rear_optical', 'arm_optical')):
        places.of(number, frame, 1.0)
    for number, frame in enumerate(('front_optical', 'rear_optical')):
        before, after = places.of(number, frame, 1.0), places.of(number, frame, 2.0)
        assert after.position_m == pytest.approx(before.position_m)
    arm = places.of(2, 'arm_optical', 2.0)
    assert seen(arm, [0, 0, 1.0]) == pytest.approx([-0.2, 1.0, 1.0])


def test_of_a_pair_of_which_one_hangs_from_the_other_the_first_is_upright():
    tree = FrameTree()
    tree.add('left_optical', 'right_optical', 0.0, (0.12, 0.0, 0.0), STILL, static=True)
    places = CameraPlaces(tree)
    places.of(0, 'left_optical', 0.0)
    right = places.of(1, 'right_optical', 0.0)
    assert right.position_m == pytest.approx([0, -0.12, 0])
    assert seen(right, [0, 0, 1.0]) == pytest.approx([1.0, -0.12, 0])


def test_where_nothing_is_known_nothing_is_said_and_what_was_known_stays():
    tree = robot()
    places = CameraPlaces(tree)
    places.of(0, 'front_optical', 1.0)
    assert places.of(3, 'elsewhere', 1.0) is None and places.of(4, '', 1.0) is None
    assert places.of(1, 'rear_optical', 1.0) is not None
    add(tree, 'base_link', 'arm_optical', (0, 0, 2.0), OPTICAL, 1.0, static=False)
    known = places.of(2, 'arm_optical', 1.0)
    assert np.array_equal(places.of(2, 'arm_optical', 9.0).position_m, known.position_m)
