"""cv_bridge reads what this package does not know, if it works, and agrees on what both know."""

import sys
import types

import numpy as np
import pytest

pytest.importorskip('sensor_msgs')

from sensor_msgs.msg import Image
from test_images import colour_patches, message

from fsanet_ros.files.image_layout import ImageError
from fsanet_ros.files.image_messages import SUPPORTED_ENCODINGS
from fsanet_ros.ros.input.cv_bridge_images import bgr_from_cv_bridge, working_cv_bridge
from fsanet_ros.ros.input.images import bgr_from_image

# cv_bridge demosaics and converts in other steps: single values may be off by this much.
TOLERANCE = {'uyvy': 4, 'yuv422': 4, 'yuyv': 4, 'yuv422_yuy2': 4, 'nv12': 4, 'nv21': 4, 'nv24': 4}


@pytest.fixture(autouse=True)
def forget_what_works():
    working_cv_bridge.cache_clear()
    yield
    working_cv_bridge.cache_clear()


@pytest.mark.parametrize('encoding', SUPPORTED_ENCODINGS)
def test_ours_agrees_with_cv_bridge(encoding):
    pytest.importorskip('cv_bridge', reason='cv_bridge is not installed (not on PyPI for ROS 2)')
    if working_cv_bridge() is None:
        pytest.skip('the cv_bridge that is installed does not work with this NumPy or OpenCV')
    msg = message(colour_patches(), encoding)
    theirs = bgr_from_cv_bridge(msg)
    if theirs is None:
        pytest.skip(f'cv_bridge does not read {encoding}')
    ours = bgr_from_image(msg).astype(int)
    # 16-bit samples are rounded there and cut here.
    tolerance = TOLERANCE.get(encoding, 1 if '16' in encoding else 0)
    assert np.abs(ours - theirs).max() <= tolerance


class FakeBridge:
    """Knows one encoding that this package does not: negative pictures."""

    def imgmsg_to_cv2(self, msg, encoding):
        assert encoding == 'bgr8'
        data = np.frombuffer(msg.data, np.uint8)
        if msg.encoding == 'rgb16':
            return data[1::2].reshape(msg.height, msg.width, 3)[..., ::-1]
        if msg.encoding != 'negative8':
            raise RuntimeError(f'Unrecognized image encoding [{msg.encoding}]')
        return 255 - data.reshape(msg.height, msg.width, 3)


class WrongBridge(FakeBridge):
    """Reads 16-bit images wrongly, without an error."""

    def imgmsg_to_cv2(self, msg, encoding):
        return super().imgmsg_to_cv2(msg, encoding) // 2


class BrokenBridge:
    """As of a build for another NumPy."""

    def __init__(self):
        raise AttributeError('_ARRAY_API not found')


def install(monkeypatch, bridge):
    module = types.ModuleType('cv_bridge')
    module.CvBridge = bridge
    monkeypatch.setitem(sys.modules, 'cv_bridge', module)


def negative(picture, encoding='negative8'):
    height, width = picture.shape[:2]
    msg = Image(width=width, height=height, encoding=encoding, step=3 * width)
    msg.data.frombytes((255 - picture).tobytes())
    return msg


def test_an_encoding_that_only_cv_bridge_knows_is_read(monkeypatch):
    install(monkeypatch, FakeBridge)
    picture = colour_patches()
    np.testing.assert_array_equal(bgr_from_image(negative(picture)), picture)


def test_an_encoding_that_nobody_knows_is_refused_as_ever(monkeypatch):
    install(monkeypatch, FakeBridge)
    with pytest.raises(ImageError, match="encoding is 'smell8'; supported are"):
        bgr_from_image(negative(colour_patches(), 'smell8'))


@pytest.mark.parametrize('bridge', [WrongBridge, BrokenBridge])
def test_a_cv_bridge_that_does_not_work_is_not_used(monkeypatch, bridge):
    install(monkeypatch, bridge)
    with pytest.raises(ImageError, match="encoding is 'negative8'"):
        bgr_from_image(negative(colour_patches()))


def test_cv_bridge_is_not_asked_for_what_this_package_reads(monkeypatch):
    install(monkeypatch, BrokenBridge)
    bgr_from_image(message(colour_patches(), 'rgb16'))
    assert working_cv_bridge.cache_info().misses == 0
