"""Messages say what the heads are, mark what is unknown, and are made only for listeners."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')

from std_msgs.msg import Header

from fsanet_ros.geometry import rotations
from fsanet_ros.geometry.camera_info import Calibration, camera_from_info
from fsanet_ros.msg import HeadPose
from fsanet_ros.ros.output import attention_output as attention
from fsanet_ros.ros.output import messages, outputs
from fsanet_ros.ros.settings import HeadPoseSettings, InputSettings, OutputSettings
from fsanet_ros.ros.statistics import UNREADABLE, Statistics
from fsanet_ros.tracking.tracker import TrackedHead
from fsanet_ros.types import Box, Face, Head, Square

HEADER = Header(frame_id='eye')
HEADER.stamp.sec = 7
SIZE = (640, 480)


BOX = Box(100, 100, 80, 90)


ROTATION_COVARIANCE = np.diag(np.radians([3.0, 4.0, 2.0]) ** 2)
POSITION_COVARIANCE = np.diag([1e-4, 1e-4, 1e-2])


def tracked(position=(0.1, -0.2, 1.5), angles=(30.0, -20.0, 10.0), box=BOX, **fields):
    face = Face(box, 0.8, Square(*box.center, 120.0))
    rotation = rotations.matrix_from_yaw_pitch_roll_deg(angles)
    known = {'rotation_covariance_rad2': ROTATION_COVARIANCE}
    if position is not None:
        known |= {'position_m': np.array(position), 'position_covariance_m2': POSITION_COVARIANCE}
    return TrackedHead('h1', Head(face, rotation, **(known | fields)), 2.25)


def head_pose(head):
    return messages.head_pose_array([head], HEADER, SIZE).heads[0]


def xyzw(quaternion):
    return np.array([quaternion.x, quaternion.y, quaternion.z, quaternion.w])


def test_angles_are_radians_of_the_rotation_in_the_quaternion():
    head = head_pose(tracked())
    np.testing.assert_allclose(
        np.degrees([head.yaw, head.pitch, head.roll]), [30.0, -20.0, 10.0], atol=1e-9
    )
    np.testing.assert_allclose(
        rotations.rotation_optical_from_face_quaternion(xyzw(head.pose.pose.orientation)),
        rotations.matrix_from_yaw_pitch_roll_deg((30.0, -20.0, 10.0)),
        atol=1e-12,
    )


def test_somebody_who_looks_into_the_camera_has_x_against_the_cameras_axis():
    rotation = rotations.rotation_optical_from_face_quaternion(
        xyzw(head_pose(tracked(angles=(0.0, 0.0, 0.0))).pose.pose.orientation)
    )
    face = rotation @ rotations.HEAD_FROM_FACE
    np.testing.assert_allclose(face, [[0, 1, 0], [0, 0, -1], [-1, 0, 0]], atol=1e-12)


def test_id_age_score_and_header_are_passed_on():
    array = messages.head_pose_array([tracked()], HEADER, SIZE)
    (head,) = array.heads
    assert array.header == HEADER and head.id == 'h1'
    assert head.score == pytest.approx(0.8)
    assert (head.age.sec, head.age.nanosec) == (2, 250_000_000)


@pytest.mark.parametrize(
    ('box', 'expected'),
    [
        (Box(10.4, 20.6, 30.0, 40.0), (10, 21, 30, 40)),
        (Box(-10, -20, 50, 60), (0, 0, 40, 40)),
        (Box(600, 450, 100, 100), (600, 450, 40, 30)),
        (Box(-50, 700, 20, 20), (0, 480, 0, 0)),
        (Box(-5, -5, 1000, 1000), (0, 0, 640, 480)),
    ],
)
def test_roi_is_the_part_of_the_box_within_the_image(box, expected):
    roi = head_pose(tracked(box=box)).roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == expected


def test_unknown_position_is_nan_marked_and_in_no_transform():
    unknown = tracked(position=None)
    head = head_pose(unknown)
    p = head.pose.pose.position
    assert head.distance_source == HeadPose.DISTANCE_UNKNOWN and np.isnan([p.x, p.y, p.z]).all()
    assert head.pose.covariance[0] == -1.0
    assert head.distance_source == HeadPose.DISTANCE_UNKNOWN
    assert messages.transforms([unknown], HEADER) == []
    assert outputs.shapes_of(seen(unknown), 0.1) == []
    assert np.isfinite(xyzw(messages.pose_array([unknown], HEADER).poses[0].orientation)).all()


def test_known_position_is_metres_with_a_positive_definite_covariance():
    head = head_pose(tracked())
    p = head.pose.pose.position
    assert head.distance_source == HeadPose.DISTANCE_FROM_SIZE and (p.x, p.y, p.z) == (
        0.1,
        -0.2,
        1.5,
    )
    covariance = np.reshape(head.pose.covariance, (6, 6))
    np.testing.assert_allclose(covariance, covariance.T)
    assert (np.linalg.eigvalsh(covariance) > 0).all()
    np.testing.assert_allclose(covariance[:3, :3], POSITION_COVARIANCE)
    np.testing.assert_allclose(covariance[3:, 3:], ROTATION_COVARIANCE)
    assert head.distance_source == HeadPose.DISTANCE_FROM_SIZE
    measured = head_pose(tracked(distance_from_depth=True))
    assert measured.distance_source == HeadPose.DISTANCE_FROM_DEPTH


def test_unmeasured_rotation_error_is_marked_in_its_block_only():
    covariance = np.reshape(
        head_pose(tracked(rotation_covariance_rad2=None)).pose.covariance, (6, 6)
    )
    assert covariance[3, 3] == -1.0 and covariance[0, 0] > 0


def test_transforms_are_face_and_gaze_with_the_images_header():
    face, gaze = messages.transforms([tracked()], HEADER)
    assert (face.child_frame_id, gaze.child_frame_id) == ('face_h1', 'gaze_h1')
    assert face.header == gaze.header == HEADER
    assert face.transform.translation == gaze.transform.translation
    assert face.transform.translation.z == 1.5


def seen(*heads):
    image = np.zeros((480, 640, 3), np.uint8)
    return outputs.Seen(HEADER, image, None, 0, '/image', heads, [t.id for t in heads])


class FakeNode:
    """Makes publishers that count; ``heard`` names the topics with a subscriber."""

    def __init__(self):
        self.heard = set()
        self.published = []
        self.publishers = []
        self.warnings = []

    def get_logger(self):
        return SimpleNamespace(warning=self.warnings.append)

    def get_clock(self):
        return None

    def create_lifecycle_publisher(self, kind, topic, qos):
        self.publishers.append(FakePublisher(self, topic))
        return self.publishers[-1]

    def destroy_lifecycle_publisher(self, publisher):
        self.publishers.remove(publisher)

    def create_guard_condition(self, callback):
        return SimpleNamespace(trigger=callback)

    def destroy_guard_condition(self, guard):
        pass


def no_heat_maps():
    raise AssertionError('nobody asked for heat maps')


class FakePublisher:
    def __init__(self, node, topic):
        self.node, self.topic = node, topic

    def get_subscription_count(self):
        return int(self.topic in self.node.heard)

    def publish(self, message):
        self.node.published.append(self.topic)


@pytest.fixture
def made(monkeypatch):
    """What is made of an image, by the topic that it is for."""
    made = []

    def spy(owner, name, topic):
        real = getattr(owner, name)

        def make(*arguments):
            made.append(topic)
            return real(*arguments)

        monkeypatch.setattr(owner, name, make)

    spy(attention, 'attention_array', 'attention')
    spy(attention, 'shapes_of', 'attention_markers')
    spy(messages, 'head_pose_array', 'head_poses')
    spy(messages, 'pose_array', 'poses')
    spy(messages, 'transforms', '/tf')
    spy(outputs, 'shapes_of', 'markers')
    spy(outputs, 'debug_image', 'debug_image')
    return made


@pytest.mark.parametrize(
    'topic',
    [
        *('head_poses', 'poses', 'markers', 'debug_image', '/tf'),
        *('attention', 'attention_markers', None),
    ],
)
def test_only_what_somebody_listens_to_is_made(made, topic):
    if topic == '/tf' and outputs.TFMessage is None:
        pytest.skip('tf2_msgs is not installed')
    node = FakeNode()
    out = outputs.Outputs(node, HeadPoseSettings(), no_heat_maps)
    assert not out.wanted()
    node.heard = {topic}
    assert out.wanted() == (topic is not None)
    out.publish(seen(tracked()))
    assert made == node.published == [topic] * (topic is not None)


def test_frames_go_out_before_all_that_names_them():
    if outputs.TFMessage is None:
        pytest.skip('tf2_msgs is not installed')
    node = FakeNode()
    out = outputs.Outputs(node, HeadPoseSettings(), no_heat_maps)
    node.heard = {publisher.topic for publisher in node.publishers} - {'debug_heat_maps'}
    out.publish(seen(tracked()))
    assert {'head_poses', 'poses', 'attention', 'markers'} < set(node.published)
    assert node.published[0] == '/tf'


def test_nothing_to_transform_publishes_nothing_on_tf():
    if outputs.TFMessage is None:
        pytest.skip('tf2_msgs is not installed')
    node = FakeNode()
    out = outputs.Outputs(node, HeadPoseSettings(), no_heat_maps)
    node.heard = {'/tf', 'head_poses'}
    for heads in ([], [tracked(position=None)]):
        out.publish(seen(*heads))
    assert node.published == ['head_poses'] * 2


def test_listeners_of_tf_do_not_count_when_it_is_switched_off():
    node = FakeNode()
    out = outputs.Outputs(node, HeadPoseSettings(output=OutputSettings(tf=False)), no_heat_maps)
    node.heard = {'/tf'}
    assert not out.wanted()
    out.adapt(HeadPoseSettings())
    assert out.wanted() == (outputs.TFMessage is not None)


def test_all_publishers_are_taken_away():
    node = FakeNode()
    settings = HeadPoseSettings(input=InputSettings(image_topics=['a', 'b']))
    outputs.Outputs(node, settings, no_heat_maps).destroy()
    assert node.publishers == []


def info(width=640, height=480, focal=500.0, **fields):
    from sensor_msgs.msg import CameraInfo

    message = CameraInfo(width=width, height=height, distortion_model='plumb_bob', **fields)
    message.d = [0.0] * 5
    message.k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0 if focal else 0.0]
    if not focal:
        message.k = [0.0] * 9
    return message


def test_a_camera_info_of_zeros_is_no_calibration():
    assert camera_from_info(info(focal=0.0)) is None
    calibration = Calibration()
    assert not calibration.known
    calibration.update(info(focal=0.0))
    assert calibration.known and calibration.state == 'not calibrated (K is zero)'
    assert calibration.camera_for(640, 480) is None


@pytest.mark.parametrize('k', [[math.nan] * 9, [-500.0, 0, 320, 0, -500, 240, 0, 0, 1]])
def test_a_calibration_that_is_none_is_named_and_not_used(k):
    message = info()
    message.k = [float(value) for value in k]
    calibration = Calibration()
    calibration.update(message)
    assert calibration.camera_for(640, 480) is None
    assert calibration.state.startswith('unusable camera_info: ')


def test_another_size_is_named_until_the_right_one_comes():
    calibration = Calibration()
    calibration.update(info(1280, 960))
    assert calibration.camera_for(640, 480) is None
    assert calibration.state == 'camera_info is for 1280 x 960 pixels, the image has 640 x 480'
    calibration.update(info())
    camera = calibration.camera_for(640, 480)
    assert camera is not None and calibration.state == 'calibrated'
    calibration.update(info(focal=700.0))
    assert calibration.camera_for(640, 480).k[0, 0] == 700.0


def test_binning_and_region_are_taken_into_account():
    message = info(1280, 960, focal=1000.0, binning_x=2, binning_y=2)
    camera = camera_from_info(message)
    assert (camera.width, camera.height) == (640, 480)
    assert camera.k[0, 0] == camera.k[1, 1] == 500.0
    message = info(1280, 960, focal=1000.0)
    message.roi.x_offset, message.roi.y_offset = 320, 240
    message.roi.width, message.roi.height = 640, 480
    camera = camera_from_info(message)
    assert (camera.width, camera.height) == (640, 480)
    assert tuple(camera.k[:2, 2]) == (320.0, 240.0)


def test_statistics_count_by_period_and_drops_since_the_start():
    statistics = Statistics()
    assert not statistics.ever_received
    for latency_s in (0.01, 0.02, 0.06):
        statistics.count_received()
        statistics.count_processed(2, latency_s)
    statistics.dropped[UNREADABLE] += 1
    statistics.dropped['out of order'] += 1
    assert statistics.failed_lately == 1
    values = statistics.take(2.0)
    assert values['input rate (Hz)'] == values['processing rate (Hz)'] == '1.5'
    assert (values['latency median (ms)'], values['latency worst (ms)']) == ('20.0', '60.0')
    assert values['faces'] == '2'
    assert (values['dropped'], values['dropped: unreadable image']) == ('2', '1')
    assert statistics.failed_lately == 0
    assert statistics.take(1.0)['input rate (Hz)'] == '0.0'
    assert statistics.ever_received and statistics.dropped['unreadable image'] == 1
