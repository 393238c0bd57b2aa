"""A camera's rubbish costs no other camera an image, and the log no more than a few lines."""

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from head_pose_rig import Rig, face_picture, grey_picture, start
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from test_pictures import BOMBS

pytestmark = pytest.mark.ros

FACE, GREY = face_picture(), grey_picture()
COUNT = 200


def status_of(rig, topic):
    """Return the newest diagnostics of a camera that tell of dropped images, and their values."""
    found = []

    def search():
        for message in rig.received['/diagnostics']:
            for status in message.status:
                values = {pair.key: pair.value for pair in status.values}
                if status.hardware_id == topic and values.get('dropped: unreadable image'):
                    found.append((status, values))
        return bool(found)

    assert rig.until(search)
    return found[-1]


def test_bombs_of_one_camera_cost_the_other_no_image():
    topics = {'input__image_topics': '[image, bad]', 'input__image_transport': 'compressed'}
    with start(**topics) as node, Rig('head_poses', '/diagnostics', transport='compressed') as rig:
        good = CompressedImage(format='jpeg')
        good.data.frombytes(cv2.imencode('.jpg', FACE)[1].tobytes())
        assert len(rig.ask(good).heads) == 1
        bad = rig.node.create_publisher(CompressedImage, 'bad/compressed', 10)
        assert rig.until(lambda: bad.get_subscription_count() == 1)
        contents = [*BOMBS.values(), b'', b'hello', cv2.imencode('.png', GREY)[1].tobytes()[:999]]
        for number in range(40):
            for _ in range(3):
                message = CompressedImage(format=f'png{number}' + 'x' * number * 1000)
                message.data.frombytes(contents[number % len(contents)])
                bad.publish(message)
            assert len(rig.ask(good).heads) == 1
        status, values = status_of(rig, '/bad/compressed')
        assert 'images are dropped' in status.message
        assert 'dropped: estimation failed' not in values
        _, values = status_of(rig, '/bad/compressed')
        assert node.output.count('image dropped') <= 8
        assert 'pixels, more than the 250000000 that are accepted' in node.output
        assert node.stop() == 0


def rubbish(number):
    """Return an image, and a calibration, that are wrong in a way of their own."""
    name = f'nonsense{number}' * (1 + number * 50)
    image = Image(width=4, height=4, encoding=name, step=12)
    image.data.frombytes(bytes(48))
    info = CameraInfo(width=640, height=480, distortion_model=name, d=[float(number)] * number)
    info.k = [500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0]
    return image, info


def test_names_that_differ_in_each_message_neither_flood_the_log_nor_diagnostics():
    with start() as node, Rig('head_poses', '/diagnostics') as rig:
        rig.ask(GREY)
        rig.forget()
        for number in range(COUNT):
            image, rig.info = rubbish(number)
            rig.send(image)
            rig.spin(0.02)
        rig.info = None
        rig.ask(GREY)
        rig.diagnostics(lambda _, values: int(values.get('dropped: unreadable image', 0)) > 50)
        lines = node.output.splitlines()
        assert len(lines) < 30, node.output
        assert max(map(len, lines)) < 1500
        for message in rig.received['/diagnostics']:
            said = [message.status[0].message, *(pair.value for pair in message.status[0].values)]
            assert sum(map(len, said)) < 5000
        assert node.stop() == 0


def test_small_images_alone_are_taken_where_the_limit_says_so():
    with start(input__max_pixels=640 * 480 - 1) as node, Rig('head_poses') as rig:
        small = np.ascontiguousarray(GREY[:240, :320])
        rig.ask(small)
        rig.send(GREY)
        node.wait_for_output('the image is 640 x 480 pixels, more than the 307199')
        rig.ask(small)
