"""CameraInfo is read as its message says: raw and rectified, cropped and binned, or not at all."""

import math

import cv2
import numpy as np
import pytest

pytest.importorskip('sensor_msgs.msg')

from sensor_msgs.msg import CameraInfo

from fsanet_ros.geometry.camera_info import (
    Calibration,
    camera_from_info,
    is_rectified_topic,
    rectified_camera_from_info,
)
from fsanet_ros.ros.input.camera_info_files import uncalibrated_camera_info

WIDTH, HEIGHT = 1200, 900
K = np.array([[800.0, 0, 611.3], [0, 790.0, 440.8], [0, 0, 1]])
D = np.array([-0.25, 0.06, 0.001, -0.0008, 0.0])
P = np.array([[700.0, 0, 590.2, -42.0], [0, 700.0, 455.9, 0], [0, 0, 1, 0]])
POINTS = np.array(
    [[x, y, 2.0] for x in (-0.7, -0.35, 0.0, 0.4, 0.8) for y in (-0.5, -0.2, 0.15, 0.5)]
)
# In full-resolution pixels; nothing of it is a multiple of another.
WINDOW = (208, 135, 756, 612)


def info(**fields):
    return CameraInfo(
        width=WIDTH,
        height=HEIGHT,
        distortion_model='plumb_bob',
        d=D.tolist(),
        k=K.ravel(),
        r=np.eye(3).ravel(),
        p=P.ravel(),
        **fields,
    )


def picture():
    """Return a raw picture of POINTS as soft dots, made by OpenCV; float32 [h, w]."""
    pixels, _ = cv2.projectPoints(POINTS, np.zeros(3), np.zeros(3), K, D)
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    dots = np.zeros((HEIGHT, WIDTH), np.float32)
    for u, v in pixels.reshape(-1, 2):
        dots += np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 5.0**2)).astype(np.float32)
    return dots


def rectified(raw):
    """Return what image_proc makes of a raw picture."""
    maps = cv2.initUndistortRectifyMap(K, D, np.eye(3), P[:, :3], (WIDTH, HEIGHT), cv2.CV_32FC1)
    return cv2.remap(raw, *maps, cv2.INTER_LINEAR)


def published(image, window, binning):
    """Return a picture as a camera publishes it: cut out, then neighbours averaged."""
    x, y, width, height = window
    image = image[y : y + height, x : x + width]
    across, down = binning
    height, width = height // down * down, width // across * across
    blocks = image[:height, :width].reshape(height // down, down, width // across, across)
    return blocks.mean(axis=(1, 3))


def dot_near(image, pixel):
    """Return the middle of the dot there in pixels, (0, 0) the corner of the first pixel."""
    x, y = np.meshgrid(np.arange(image.shape[1]) + 0.5, np.arange(image.shape[0]) + 0.5)
    near = image * (np.hypot(x - pixel[0], y - pixel[1]) < 15)
    return np.array([(near * x).sum(), (near * y).sum()]) / near.sum()


@pytest.mark.parametrize('binning', [(1, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize('window', [(0, 0, WIDTH, HEIGHT), WINDOW])
@pytest.mark.parametrize('read', [camera_from_info, rectified_camera_from_info])
def test_cropped_and_binned_pictures_show_points_where_the_camera_says(read, window, binning):
    message = info(binning_x=binning[0], binning_y=binning[1])
    if window == WINDOW:
        message.roi.x_offset, message.roi.y_offset, message.roi.width, message.roi.height = window
        # image_proc cuts the same window out of raw and rectified pictures.
        message.roi.do_rectify = read is rectified_camera_from_info
    full = picture() if read is camera_from_info else rectified(picture())
    image = published(full, window, binning)
    camera = read(message)
    assert image.shape == (camera.height, camera.width)
    expected = camera.project(POINTS)
    low, high = expected.min(axis=1), (expected - (camera.width, camera.height)).max(axis=1)
    inside = (low > 20) & (high < -20)
    assert inside.sum() >= 6
    for pixel, point in zip(expected[inside], POINTS[inside], strict=True):
        assert dot_near(image, pixel) == pytest.approx(pixel, abs=0.06)
        ray = camera.rays([pixel])[0]
        assert ray / ray[2] * 2.0 == pytest.approx(point, abs=1e-6)


def test_only_the_rectified_camera_is_free_of_distortion():
    assert camera_from_info(info()).d.tolist() == D.tolist()
    camera = rectified_camera_from_info(info())
    assert not camera.d.any()
    # The baseline of a stereo pair in the last column is not the camera's.
    assert camera.k.tolist() == P[:, :3].tolist()


def test_rectified_images_need_p_unless_there_is_nothing_to_rectify():
    message = info()
    message.p = np.zeros(12)
    with pytest.raises(ValueError, match='P is zero'):
        rectified_camera_from_info(message)
    message.d = [0.0] * 5
    assert rectified_camera_from_info(message).k.tolist() == K.tolist()
    assert rectified_camera_from_info(uncalibrated_camera_info(640, 480)) is None


@pytest.mark.parametrize(
    ('topic', 'expected'),
    [
        ('/camera/image_raw', False),
        ('/camera/image', False),
        ('image', False),
        ('/camera/image_raw/compressed', False),
        ('/left/image_rect', True),
        ('/left/image_rect_color', True),
        ('/left/image_rect/compressed', True),
        ('/zed/rgb/image_rect_color/compressed', True),
        ('image_rect', True),
        ('/rectangular/image', False),
    ],
)
def test_names_of_topics_tell_rectified_images(topic, expected):
    assert is_rectified_topic(topic) is expected


@pytest.mark.parametrize(
    ('fields', 'reason'),
    [
        ({'k': [math.nan] * 9}, 'finite'),
        ({'k': [-800.0, 0, 600, 0, -800, 450, 0, 0, 1]}, 'not calibrated'),
        ({'k': [0.0, 0, 600, 0, 0, 450, 0, 0, 1]}, 'not calibrated'),
        ({'k': K.T.ravel()}, 'row by row'),
        ({'d': [math.nan] * 5}, 'finite'),
        ({'d': [0.1] * 3}, '3 coefficients'),
        ({'d': [0.1] * 8}, '8 coefficients'),
        ({'d': [0.1] * 5, 'distortion_model': 'equidistant'}, '5 coefficients'),
        ({'distortion_model': 'thin_prism_fisheye'}, "'thin_prism_fisheye'"),
        ({'distortion_model': ''}, "''"),
        ({'d': [-5000.0, 0, 0, 0, 0]}, 'of the picture only'),
    ],
)
def test_what_is_no_calibration_is_named_and_gives_no_camera(fields, reason):
    message = info()
    for name, value in fields.items():
        setattr(message, name, [float(v) for v in value] if name in 'kd' else value)
    calibration = Calibration()
    calibration.update(message)
    assert calibration.known
    assert calibration.camera_for(WIDTH, HEIGHT) is None
    assert calibration.state.startswith('unusable camera_info: ')
    assert reason in calibration.state


def test_calibration_of_zeros_is_none():
    for read in (camera_from_info, rectified_camera_from_info):
        calibration = Calibration(read)
        assert calibration.state == 'no camera_info' and not calibration.known
        calibration.update(uncalibrated_camera_info(640, 480))
        assert calibration.state == 'not calibrated (K is zero)' and calibration.known
        assert calibration.camera_for(640, 480) is None


@pytest.mark.parametrize(
    'change',
    [
        {'d': [0.0] * 5},
        {'d': [0.02, -0.01, 0.004, -0.001], 'distortion_model': 'equidistant'},
        {'k': (K * [[0.9, 1, 1], [1, 0.9, 1], [1, 1, 1]]).ravel()},
        {'p': (P * 1.0 + [[5.0, 0, 0, 0], [0] * 4, [0] * 4]).ravel()},
        {'width': 1210},
    ],
)
def test_changed_camera_info_is_used_from_then_on(change):
    read = rectified_camera_from_info if 'p' in change else camera_from_info
    calibration = Calibration(read)
    calibration.update(info())
    before = calibration.camera_for(WIDTH, HEIGHT)
    calibration.update(info())
    assert calibration.camera_for(WIDTH, HEIGHT) is before
    message = info()
    for name, value in change.items():
        setattr(message, name, value)
    calibration.update(message)
    after = calibration.camera_for(message.width, HEIGHT)
    assert after is not None and after is not before
    assert calibration.state == 'calibrated'


def test_bad_calibration_replaces_a_good_one_and_the_other_way_round():
    calibration = Calibration()
    bad = info()
    bad.d = [math.nan] * 5
    for message, works in ((info(), True), (bad, False), (info(), True), (info(), True)):
        calibration.update(message)
        assert (calibration.camera_for(WIDTH, HEIGHT) is not None) == works
        assert (calibration.state == 'calibrated') == works


def test_pictures_of_another_size_have_no_camera():
    calibration = Calibration()
    calibration.update(info(binning_x=2, binning_y=2))
    assert calibration.camera_for(WIDTH, HEIGHT) is None
    assert calibration.state == 'camera_info is for 600 x 450 pixels, the image has 1200 x 900'
    assert calibration.camera_for(600, 450) is not None
    assert calibration.state == 'calibrated'
