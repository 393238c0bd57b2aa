"""A face too small to tell where it is turned: somebody at a place, and no pose that is wrong."""

import json
import math

import cv2
import numpy as np
import pytest

from fsanet_ros import HeadPoseEstimator
from fsanet_ros.attention import AttentionEstimator
from fsanet_ros.drawing import draw_heads
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.tracking.tracker import HeadTracker
from fsanet_ros.types import Box, Face, Head, Square

UNKNOWN = np.full((3, 3), np.nan)
CAMERA = CameraModel.pinhole(640, 480, 930.0)


def head(x=100.0, rotation=UNKNOWN, position=(0.1, 0.0, 9.0)):
    face = Face(Box(x, 80, 10, 12), 0.8, Square(x + 5, 87, 14.0))
    return Head(face, rotation, None if position is None else np.array(position))


class NoDetector:
    name = 'none'

    def detect(self, image):
        return []


@pytest.fixture(scope='module')
def estimator():
    return HeadPoseEstimator(NoDetector())


@pytest.fixture(scope='module')
def portrait():
    data = pytest.importorskip('skimage.data', reason='scikit-image has the photograph of a face')
    return np.ascontiguousarray(data.astronaut()[:, :, ::-1])


def at_side(estimator, portrait, side):
    """Return the head of the portrait, scaled so that its face square has a side in pixels."""
    scale = side / 150.0
    size = round(512 * scale), round(512 * scale)
    image = cv2.resize(portrait, size, interpolation=cv2.INTER_AREA)
    square = Square(226.0 * scale, 120.0 * scale, side)
    face = Face(square.scaled(0.9).box, 0.8, square)
    camera = CameraModel.pinhole(*size, 500.0)
    (found,) = estimator.estimate_faces(image, [face], camera)
    return found


def test_what_is_known_of_a_face_goes_with_its_size(estimator, portrait):
    near, far = at_side(estimator, portrait, 60.0), at_side(estimator, portrait, 9.0)
    assert near.rotation_known and near.rotation_covariance_rad2 is not None
    assert near.expected_error_deg < 30.0
    assert not far.rotation_known and far.rotation_covariance_rad2 is None
    assert far.position_m is not None and far.position_m[2] > 5 * near.position_m[2]
    assert np.isnan(far.yaw_pitch_roll_deg).all()


def test_tables_and_covariances_say_it():
    row = head().to_dict()
    assert row['x_m'] == 0.1 and row['box_x'] == 100.0
    for name in ('qx', 'qw', 'yaw_deg', 'pitch_deg', 'roll_deg', 'nose_z', 'expected_error_deg'):
        assert row[name] is None
    json.dumps(row, allow_nan=False)
    assert head().pose_covariance[3, 3] == -1.0


@pytest.mark.parametrize('smoothing', ['none', 'light', 'strong'])
def test_its_id_holds_while_the_orientation_comes_and_goes(smoothing):
    tracker = HeadTracker(smoothing=smoothing)
    ids = []
    for i in range(30):
        known = i % 4 == 1
        others = [head(102.0 + i, np.eye(3) if known else UNKNOWN), head(160.0 - i / 2)]
        tracked = tracker.update(others, i / 30)
        ids.append([one.id for one in tracked])
        if tracked:
            assert tracked[0].head.rotation_known == known
            if known:
                assert np.allclose(tracked[0].head.rotation_optical, np.eye(3), atol=1e-6)
    assert {tuple(found) for found in ids if found} == {tuple(ids[-1])}
    assert len(ids[-1]) == 2


def test_nobody_is_said_to_look_anywhere():
    tracker, attention = HeadTracker(announce_s=0.0), AttentionEstimator()
    (tracked,) = tracker.update([head()], 0.0)
    (state,) = attention.update([tracked], [tracked.id], {'robot': np.zeros(3)}, 0.0)
    assert not state.target and not state.candidates


def test_its_box_is_drawn_and_no_axes():
    image = np.zeros((480, 640, 3), np.uint8)
    drawn = draw_heads(image, [('h1', head())], CAMERA)
    assert drawn[80:93, 100].any()
    assert not drawn[300:].any()


@pytest.mark.ros
def test_messages_say_it_and_no_frame_or_arrow_is_made():
    pytest.importorskip('rclpy')
    from std_msgs.msg import Header

    from fsanet_ros.drawing.shapes import head_shapes
    from fsanet_ros.ros.output.messages import head_pose_array, pose_array, transforms

    tracker = HeadTracker(announce_s=0.0)
    tracked = tracker.update([head(), head(300.0, np.eye(3))], 0.0)
    header = Header(frame_id='camera')
    far, near = head_pose_array(tracked, header, (640, 480)).heads
    assert far.roi.x_offset == 100 and far.pose.pose.position.z == 9.0
    orientation = far.pose.pose.orientation
    values = [far.yaw, far.pitch, far.roll, orientation.x, orientation.w]
    assert all(math.isnan(value) for value in values)
    assert far.pose.covariance[21] == -1.0
    assert math.isfinite(near.yaw)
    assert len(pose_array(tracked, header).poses) == 1
    assert {frame.child_frame_id for frame in transforms(tracked, header)} == {
        f'face_{near.id}',
        f'gaze_{near.id}',
    }
    assert head_shapes('h1', tracked[0].head, 0.1) == []
