"""Every sign: angles, matrices, the REP-155 frames, the ray, the mirror."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsanet_ros.geometry import quaternions, rotations

GOLDEN = Path(__file__).parents[2] / 'shared' / 'golden' / 'axes.json'

# yaw pitch roll, face quaternion xyzw, nose direction: made by multiplying the three elementary
# matrices out, with Shepperd's method for the quaternion.
TABLE = [
    ((0, 0, 0), (0.5, 0.5, -0.5, 0.5), (0, 0, -1)),
    ((30, 0, 0), (0.353553, 0.612372, -0.612372, 0.353553), (-0.5, 0, -0.866025)),
    ((0, 20, 0), (0.405580, 0.405580, -0.579228, 0.579228), (0, -0.342020, -0.939693)),
    ((0, 0, 15), (0.430459, 0.560986, -0.430459, 0.560986), (0, 0, -1)),
    ((30, 20, 15), (0.230874, 0.585078, -0.638501, 0.443505), (-0.5, -0.296198, -0.813798)),
    ((-45, 10, -20), (0.707733, 0.191342, -0.331414, 0.593858), (0.707107, -0.122788, -0.696364)),
    ((75, -30, 40), (0.083901, 0.976383, -0.172163, 0.099989), (-0.965926, 0.129410, -0.224144)),
    ((-90, 0, 0), (0.707107, 0, 0, 0.707107), (1, 0, 0)),
]

angles = st.tuples(st.floats(-89.9, 89.9), st.floats(-179.9, 179.9), st.floats(-179.9, 179.9)).map(
    np.array
)
any_pose = angles.map(rotations.matrix_from_yaw_pitch_roll_deg)


def elementary(axis, degrees):
    turn = np.eye(3)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn[i, i] = turn[j, j] = cos
    turn[i, j], turn[j, i] = -sin, sin
    return turn


def rotate(quaternion_xyzw, vector):
    q, w = np.asarray(quaternion_xyzw)[:3], quaternion_xyzw[3]
    return vector + 2 * np.cross(q, np.cross(q, vector) + w * np.asarray(vector))


def same_rotation(a, b, tolerance):
    return min(np.abs(a - b).max(), np.abs(a + b).max()) < tolerance


@pytest.mark.parametrize(('yaw_pitch_roll_deg', 'face_quaternion', 'nose'), TABLE)
def test_frames_are_those_of_the_table(yaw_pitch_roll_deg, face_quaternion, nose):
    rotation = rotations.matrix_from_yaw_pitch_roll_deg(yaw_pitch_roll_deg)
    found = rotations.face_quaternion_xyzw(rotation)
    assert same_rotation(found, np.array(face_quaternion), 2e-6)
    assert rotations.nose_direction(rotation) == pytest.approx(nose, abs=2e-6)


@pytest.mark.skipif(not GOLDEN.is_file(), reason=f'{GOLDEN} is not there')
def test_frames_are_those_of_the_golden_file():
    rows = json.loads(GOLDEN.read_text())['rows']
    assert len(rows) >= len(TABLE)
    for row in rows:
        rotation = rotations.matrix_from_yaw_pitch_roll_deg(row['yaw_pitch_roll_deg'])
        assert rotation == pytest.approx(np.array(row['rotation_optical']), abs=1e-8)
        face = rotations.face_quaternion_xyzw(rotation)
        assert same_rotation(face, np.array(row['face_quaternion_xyzw']), 1e-8)
        gaze = rotations.gaze_quaternion_xyzw(rotation)
        assert same_rotation(gaze, np.array(row['gaze_quaternion_xyzw']), 1e-8)
        nose = rotations.nose_direction(rotation)
        assert nose == pytest.approx(row['nose_direction_optical'], abs=1e-8)


@given(angles)
def test_order_is_pitch_then_yaw_then_roll(pose):
    yaw, pitch, roll = pose
    expected = elementary(0, -pitch) @ elementary(1, yaw) @ elementary(2, roll)
    assert np.allclose(rotations.matrix_from_yaw_pitch_roll_deg(pose), expected, atol=1e-12)


def test_another_euler_order_would_be_noticed():
    yaw, pitch, roll = 60, 20, 20
    right = rotations.matrix_from_yaw_pitch_roll_deg([yaw, pitch, roll])
    wrong = elementary(2, roll) @ elementary(1, yaw) @ elementary(0, -pitch)
    assert rotations.geodesic_deg(right, wrong) > 20


@given(angles)
def test_angles_come_back(pose):
    back = rotations.yaw_pitch_roll_deg_from_matrix(rotations.matrix_from_yaw_pitch_roll_deg(pose))
    assert back == pytest.approx(pose, abs=1e-6)


@given(st.sampled_from([-90.0, 90.0]), st.floats(-180, 180), st.floats(-180, 180))
def test_rotation_comes_back_in_gimbal_lock(yaw, pitch, roll):
    rotation = rotations.matrix_from_yaw_pitch_roll_deg([yaw, pitch, roll])
    found = rotations.yaw_pitch_roll_deg_from_matrix(rotation)
    again = rotations.matrix_from_yaw_pitch_roll_deg(found)
    assert found[0] == pytest.approx(yaw, abs=1e-4)
    assert rotations.geodesic_deg(rotation, again) < 1e-4


@given(st.lists(st.tuples(
    st.one_of(st.sampled_from([-90.0, 90.0]), st.floats(-90, 90)),
    st.floats(-179.9, 179.9),
    st.floats(-179.9, 179.9),
), min_size=1, max_size=5))  # fmt: skip
def test_many_rotations_have_the_angles_that_each_has(poses):
    matrices = rotations.matrix_from_yaw_pitch_roll_deg(poses)
    found = rotations.yaw_pitch_roll_deg_from_matrix(matrices)
    alone = [rotations.yaw_pitch_roll_deg_from_matrix(matrix) for matrix in matrices]
    assert found.dtype == np.float64
    assert found == pytest.approx(np.array(alone), abs=1e-9)
    # Single precision is taken too.
    assert rotations.yaw_pitch_roll_deg_from_matrix(matrices.astype(np.float32)).dtype == np.float64


@given(any_pose, any_pose)
def test_quaternions_multiply_as_their_rotations_do(a, b):
    p, q = quaternions.from_matrix(a), quaternions.from_matrix(b)
    product = quaternions.product(p, q)
    assert np.linalg.norm(product) == pytest.approx(1.0)
    assert np.allclose(quaternions.to_matrix(product), a @ b, atol=1e-12)
    again = np.array(quaternions.from_matrix(quaternions.to_matrix(q)))
    assert same_rotation(again, np.array(q), 1e-12)


@given(st.floats(-85, 85), st.floats(-85, 85), st.floats(-170, 170))
def test_pan_and_tilt_are_where_the_nose_points(pan, tilt, roll):
    # Somebody who turns to a mark and then looks up: first the tilt, then the turn about the
    # vertical; what the head leans does not matter.
    rotation = elementary(1, pan) @ elementary(0, -tilt) @ elementary(2, roll)
    assert rotations.pan_tilt_deg(rotation) == pytest.approx([pan, tilt], abs=1e-6)


def test_pan_and_tilt_have_the_signs_of_yaw_and_pitch():
    level = rotations.matrix_from_yaw_pitch_roll_deg([[30, 0, 0], [0, 20, 0], [-120 + 180, 0, 0]])
    expected = np.array([[30, 0], [0, 20], [60, 0]])
    assert rotations.pan_tilt_deg(level) == pytest.approx(expected, abs=1e-9)
    straight_up = rotations.matrix_from_yaw_pitch_roll_deg([0, 90, 0])
    assert rotations.pan_tilt_deg(straight_up * (1 + 1e-15))[1] == pytest.approx(90)


@given(any_pose)
def test_face_frame_comes_back_from_its_quaternion(rotation):
    quaternion = rotations.face_quaternion_xyzw(rotation)
    back = rotations.rotation_optical_from_face_quaternion(quaternion)
    assert np.allclose(back, rotation, atol=1e-12)


def test_signs_are_those_of_the_picture():
    def turned(*pose):
        return rotations.matrix_from_yaw_pitch_roll_deg(pose)

    x, y, _ = rotations.nose_direction(turned(30, 0, 0))
    assert x < 0 and y == pytest.approx(0)  # to the image's left
    x, y, _ = rotations.nose_direction(turned(0, 30, 0))
    assert y < 0 and x == pytest.approx(0)  # up
    top = turned(0, 0, 30) @ (0, -1, 0)
    assert top[0] > 0  # clockwise: the top of the head goes to the right


def test_face_and_gaze_axes_point_where_rep_155_says():
    straight = np.eye(3)  # looks into the camera, so out of the face is -z, the left is +x
    face = rotations.face_quaternion_xyzw(straight)
    assert rotate(face, (1, 0, 0)) == pytest.approx([0, 0, -1])  # out of the face
    assert rotate(face, (0, 1, 0)) == pytest.approx([1, 0, 0])  # to the person's left
    assert rotate(face, (0, 0, 1)) == pytest.approx([0, -1, 0])  # to the top of the head
    gaze = rotations.gaze_quaternion_xyzw(straight)
    assert rotate(gaze, (0, 0, 1)) == pytest.approx([0, 0, -1])
    assert rotate(gaze, (1, 0, 0)) == pytest.approx([-1, 0, 0])  # to the person's right
    assert rotate(gaze, (0, 1, 0)) == pytest.approx([0, 1, 0])  # down


def test_frames_are_right_handed():
    for axes in (rotations.HEAD_FROM_FACE, rotations.FACE_FROM_GAZE):
        assert np.linalg.det(axes) == pytest.approx(1)
        assert np.allclose(axes @ axes.T, np.eye(3))


@given(any_pose, st.floats(1e-7, 179.0), st.integers(0, 2))
def test_geodesic_is_exact_also_for_tiny_angles(rotation, angle, axis):
    found = rotations.geodesic_deg(rotation, rotation @ elementary(axis, angle))
    assert found == pytest.approx(angle, rel=1e-6, abs=1e-12)


def test_geodesic_of_a_half_turn():
    assert rotations.geodesic_deg(np.eye(3), elementary(1, 180)) == pytest.approx(180)


@given(st.floats(-20, 20), st.floats(-20, 20))
def test_rotation_to_ray_is_the_smallest_that_takes_the_axis_there(x, y):
    ray = np.array([x, y, 1.0])
    unit = ray / np.linalg.norm(ray)
    rotation = rotations.rotation_to_ray(ray * 3)
    assert np.allclose(rotation @ (0, 0, 1), unit, atol=1e-12)
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    between = np.degrees(np.arctan2(np.hypot(x, y), 1.0))
    assert rotations.geodesic_deg(np.eye(3), rotation) == pytest.approx(between, abs=1e-7)


@given(angles)
def test_mirror_turns_yaw_and_roll_round(pose):
    mirrored = rotations.mirrored(rotations.matrix_from_yaw_pitch_roll_deg(pose))
    expected = rotations.matrix_from_yaw_pitch_roll_deg(pose * (-1, 1, -1))
    assert np.allclose(mirrored, expected, atol=1e-12)
    twice = rotations.mirrored(mirrored)
    assert np.allclose(twice, rotations.matrix_from_yaw_pitch_roll_deg(pose), atol=1e-12)


def test_no_poses_are_no_poses():
    none = rotations.matrix_from_yaw_pitch_roll_deg(np.zeros((0, 3)))
    assert none.shape == (0, 3, 3)
    assert rotations.yaw_pitch_roll_deg_from_matrix(none).shape == (0, 3)
    assert rotations.face_quaternion_xyzw(none).shape == (0, 4)
    with pytest.raises(ValueError, match='yaw, pitch, roll'):
        rotations.matrix_from_yaw_pitch_roll_deg(np.zeros(4))
