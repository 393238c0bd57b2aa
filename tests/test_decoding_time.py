"""A camera whose pictures take absurdly long to decode gets a small share of the time."""

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from head_pose_rig import Rig, face_picture, start
from sensor_msgs.msg import CompressedImage
from test_pictures import png_of

from fsanet_ros.files.image_layout import ImageError
from fsanet_ros.ros.input.decoding_time import DecodingTime


class Processor:
    """A clock that goes on as it is told."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


def picture_after(clock, seconds, width=640):
    def read():
        clock.now_s += seconds
        return np.zeros((480, width, 3), np.uint8)

    return read


def test_a_picture_that_took_too_long_makes_the_camera_wait_in_proportion():
    clock = Processor()
    decoding = DecodingTime(clock)
    assert decoding.decode(picture_after(clock, 5.0)).shape == (480, 640, 3)
    with pytest.raises(ImageError, match=r'took 5.0 s to decode: for another \d+ s none is'):
        decoding.decode(lambda: pytest.fail('it was read'))


def test_it_makes_no_difference_whether_the_picture_was_any_good():
    clock = Processor()
    decoding = DecodingTime(clock)

    def fail():
        clock.now_s += 3.0
        raise ImageError('damaged')

    with pytest.raises(ImageError, match='damaged'):
        decoding.decode(fail)
    with pytest.raises(ImageError, match=r'took 3\.0 s'):
        decoding.decode(fail)


def test_the_wait_is_over_after_twenty_times_as_long():
    clock = Processor()
    decoding = DecodingTime(clock)
    decoding.decode(picture_after(clock, 1.2))
    decoding._until_s -= 20 * 1.2
    decoding.decode(picture_after(clock, 0.1))


def test_large_pictures_may_take_their_time_and_many_do():
    clock = Processor()
    decoding = DecodingTime(clock)
    for _ in range(5):
        decoding.decode(picture_after(clock, 0.9))
        decoding.decode(picture_after(clock, 2.0, width=10_000))


def slow_png():
    """Return a PNG of 400 x 400 pixels that takes seconds to decode."""
    content = bytes(png_of(400, 400))
    data = zlib.compress(bytes(800_000_000), 9)
    chunk = b'IDAT' + data
    begin = content.index(b'IDAT') - 4
    return (
        content[:begin]
        + struct.pack('>I', len(data))
        + chunk
        + struct.pack('>I', zlib.crc32(chunk))
        + content[-12:]
    )


def processor_s(node):
    """Return the processor time that a process has taken so far."""
    fields = Path(f'/proc/{node._process.pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


@pytest.mark.ros
@pytest.mark.skipif(not Path('/proc/self/stat').is_file(), reason='no /proc')
def test_such_a_camera_does_not_stop_the_others():
    topics = {'input__image_topics': '[image, bad]', 'input__image_transport': 'compressed'}
    good, slow = CompressedImage(format='jpeg'), CompressedImage(format='png')
    good.data.frombytes(cv2.imencode('.jpg', face_picture())[1].tobytes())
    slow.data.frombytes(slow_png())
    with start(**topics) as node, Rig('head_poses', transport='compressed') as rig:
        assert len(rig.ask(good).heads) == 1
        bad = rig.node.create_publisher(CompressedImage, 'bad/compressed', 10)
        assert rig.until(lambda: bad.get_subscription_count() == 1)
        bad.publish(slow)
        begin_s = processor_s(node)
        rig.spin(1.0)
        for _ in range(10):
            bad.publish(slow)
            assert len(rig.ask(good).heads) == 1
        node.wait_for_output('/bad/compressed: image dropped: a picture of this camera took')
        # Each of them takes about 4 s; only the first is decoded.
        assert processor_s(node) - begin_s < 20.0
        assert node.stop() == 0
