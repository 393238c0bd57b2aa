"""
What drivers publish as a calibration is taken for what it means, and refused where it cannot be.

One row for each row of the table in docs/how_to/calibration.md.
"""

import math

import numpy as np
import pytest

from fsanet_ros.estimator import HeadPoseEstimator, View
from fsanet_ros.files.calibration_file import CalibrationData, CalibrationError, write_calibration
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.camera_info import Calibration, rectified_camera_from_info
from fsanet_ros.types import Box, Face, Square

WIDTH, HEIGHT = 640, 480
K = (500.0, 0.0, 310.0, 0.0, 502.0, 250.0, 0.0, 0.0, 1.0)
P = (450.0, 0.0, 315.0, 0.0, 0.0, 450.0, 245.0, 0.0, 0.0, 0.0, 1.0, 0.0)
D5 = (-0.2, 0.05, 0.001, -0.0005, -0.01)
D8 = (0.9, 0.12, 1e-4, -2e-4, 0.004, 1.25, 0.33, 0.025)
D14 = (*D8, 1e-3, -1e-3, 5e-4, 2e-4, 0.04, -0.03)
FISHEYE = (0.02, -0.01, 0.004, -0.001)
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


class Region:
    def __init__(self, x=0, y=0, width=0, height=0):
        self.x_offset, self.y_offset, self.width, self.height = x, y, width, height
        self.do_rectify = False


class Info:
    """The fields of sensor_msgs/CameraInfo, without ROS."""

    def __init__(self, **changes):
        self.width, self.height = WIDTH, HEIGHT
        self.distortion_model, self.d = 'plumb_bob', D5
        self.k, self.r, self.p = K, IDENTITY, P
        self.binning_x = self.binning_y = 0
        self.roi = Region()
        for name, value in changes.items():
            setattr(self, name, value)
        for name in ('d', 'k', 'r', 'p'):
            setattr(self, name, np.array(getattr(self, name), np.float64))


def k(**changes):
    places = {'fx': 0, 'skew': 1, 'cx': 2, 'fy': 4, 'cy': 5}
    values = list(K)
    for name, value in changes.items():
        values[places[name]] = value
    return values


def distortion(model, *d):
    return {'distortion_model': model, 'd': d}


def calibrated(info, size=(WIDTH, HEIGHT), read=None):
    calibration = Calibration() if read is None else Calibration(read)
    calibration.update(info)
    return calibration.camera_for(*size), calibration.state


ZEROS = (0.0,) * 5
# The same rays as a camera with these fields, in words of sensor_msgs.
MEANT = {
    'plumb_bob, 4': (distortion('plumb_bob', *D5[:4]), distortion('plumb_bob', *D5[:4], 0.0)),
    'plumb_bob, 5': (distortion('plumb_bob', *D5), distortion('plumb_bob', *D5)),
    'plumb_bob, 8, the last three 0': (
        distortion('plumb_bob', *D5, 0, 0, 0),
        distortion('plumb_bob', *D5),
    ),
    'rational_polynomial, 8': (
        distortion('rational_polynomial', *D8),
        distortion('rational_polynomial', *D8, *[0.0] * 6),
    ),
    'rational_polynomial, 12': (
        distortion('rational_polynomial', *D14[:12]),
        distortion('rational_polynomial', *D14[:12], 0.0, 0.0),
    ),
    'rational_polynomial, 14': (
        distortion('rational_polynomial', *D14),
        distortion('rational_polynomial', *D14),
    ),
    'equidistant': (distortion('equidistant', *FISHEYE), distortion('equidistant', *FISHEYE)),
    'fisheye': (distortion('fisheye', *FISHEYE), distortion('equidistant', *FISHEYE)),
    'fisheye, 8, the last four 0': (
        distortion('fisheye', *FISHEYE, 0, 0, 0, 0),
        distortion('equidistant', *FISHEYE),
    ),
    'fisheye, zeros': (distortion('fisheye', *ZEROS), distortion('equidistant', 0, 0, 0, 0)),
    'fisheye, none': (distortion('fisheye'), distortion('equidistant', 0, 0, 0, 0)),
    'as people write it': (distortion(' Plumb Bob', *D5), distortion('plumb_bob', *D5)),
    'plumb_bob, none': (distortion('plumb_bob'), distortion('plumb_bob', *ZEROS)),
    'plumb_bob, three of 0': (distortion('plumb_bob', 0, 0, 0), distortion('plumb_bob')),
    'rational_polynomial, five of 0': (
        distortion('rational_polynomial', *ZEROS),
        distortion('plumb_bob'),
    ),
    'no model, none': (distortion(''), distortion('plumb_bob')),
    'no model, zeros': (distortion('', *ZEROS), distortion('plumb_bob')),
    'none, zeros': (distortion('none', *ZEROS), distortion('plumb_bob')),
    'pinhole, none': (distortion('pinhole'), distortion('plumb_bob')),
    'pinhole, zeros': (distortion('pinhole', *ZEROS), distortion('plumb_bob')),
    'unknown, zeros': (distortion('unknown', *[0.0] * 20), distortion('plumb_bob')),
    'P only': ({'k': [0.0] * 9, 'd': ZEROS}, {'k': np.array(P).reshape(3, 4)[:, :3].ravel()}),
    'P only, no R': (
        {'k': [0.0] * 9, 'd': (), 'r': [0.0] * 9},
        {'k': np.array(P).reshape(3, 4)[:, :3].ravel()},
    ),
    'K only': ({'p': [0.0] * 12, 'r': [0.0] * 9}, {}),
    'P of nonsense': ({'p': [math.nan] * 12}, {}),
    'size 0': ({'width': 0, 'height': 0}, {}),
    'width 0': ({'width': 0}, {}),
    'binning of 0 and 1': ({'binning_x': 0, 'binning_y': 1}, {}),
    'a region that is all': ({'roi': Region(0, 0, WIDTH, HEIGHT)}, {}),
    'half as high pixels': ({'k': k(fy=251.0)}, {'k': k(fy=251.0)}),
}


@pytest.mark.parametrize('name', MEANT)
def test_it_is_taken_for_what_it_means(name):
    changes, meant = MEANT[name]
    undistorted = name.startswith(('P only', 'pinhole', 'none', 'no model', 'unknown'))
    camera, state = calibrated(Info(**changes))
    assert camera is not None, state
    assert state == 'calibrated'
    assert (camera.width, camera.height) == (WIDTH, HEIGHT)
    expected = Info(**({'d': ()} if undistorted else {}) | meant)
    reference = CameraModel(
        WIDTH, HEIGHT, expected.k.reshape(3, 3), expected.d, expected.distortion_model
    )
    places = np.array([[x, y] for x in (30.0, 310.5, 600.0) for y in (40.0, 250.5, 440.0)])
    assert camera.rays(places) == pytest.approx(reference.rays(places), abs=1e-9, nan_ok=True)
    assert np.isfinite(camera.rays([[310.5, 250.5]])).all()


REFUSED = {
    'fx of 1': ({'k': k(fx=1.0, fy=1.0)}, 'expected 32 to 128000 for 640 x 480'),
    'K is the identity': ({'k': IDENTITY}, 'not calibrated'),
    'fx of 1e8': ({'k': k(fx=1e8, fy=1e8)}, 'expected 32 to 128000'),
    'fx of 1e8, fy of 500': ({'k': k(fx=1e8)}, 'expected fx and fy to be about the same'),
    'fy ten times fx': ({'k': k(fy=5000.0)}, 'expected fx and fy to be about the same'),
    'fx negative': ({'k': k(fx=-500.0)}, 'the focal lengths in K are -500 and 502'),
    'fy of 0': ({'k': k(fy=0.0)}, 'not calibrated'),
    'skew': ({'k': k(skew=1e4)}, 'a skew of about 0'),
    'principal point outside': ({'k': k(cx=5000.0)}, 'the principal point in K is 5000, 250'),
    'principal point above': ({'k': k(cy=-40.0)}, 'the principal point in K is 310, -40'),
    'principal point not filled in': ({'k': k(cx=0.0, cy=0.0)}, 'the principal point'),
    'K with NaN': ({'k': [math.nan] * 9}, 'expected a finite 3 x 3 camera matrix K'),
    'D with NaN': ({'d': (*D5[:4], math.nan)}, 'expected finite distortion coefficients D'),
    'D with NaN, no model': (distortion('', math.nan), 'expected finite distortion'),
    'D of another lens': ({'d': (-5000.0, 0, 0, 0, 0)}, 'of the picture only'),
    'D that leaves nothing to see': ({'d': (0.0, 0.0, 0.0, 0.0, 1e9)}, 'degrees to see'),
    'D of nonsense': ({'d': (1000.0,) * 5}, 'bends rays near the middle'),
    'D whose p1 and p2 are no such': ({'d': (0.0, 0.0, 1.0, 1.0, 0.0)}, 'bends rays near the mid'),
    'D that folds the middle': (distortion('equidistant', *[-20.0] * 4), 'of the picture only'),
    'plumb_bob, 3': (distortion('plumb_bob', 0.1, 0.1, 0.1), "'plumb_bob' with 3 coefficients"),
    'plumb_bob, 8': (distortion('plumb_bob', *D8), "'plumb_bob' with 8 coefficients"),
    'equidistant, 5': (distortion('equidistant', *D5), "'equidistant' with 5 coefficients"),
    'no model, 5': (distortion('', *D5), "'' with 5 coefficients"),
    'none, 5': (distortion('none', *D5), "'none' with 5 coefficients"),
    'pinhole, 5': (distortion('pinhole', *D5), "'pinhole' with 5 coefficients"),
    'unknown': (distortion('unknown', *D5), "'unknown' with 5 coefficients"),
    'another fisheye, zeros': (distortion('omni_fisheye', *ZEROS), "'omni_fisheye' with 5"),
    'P only, but distorted': ({'k': [0.0] * 9}, 'not calibrated'),
    'P only, but turned': (
        {'k': [0.0] * 9, 'd': (), 'r': (0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0)},
        'not calibrated',
    ),
    'zeros': ({'k': [0.0] * 9, 'p': [0.0] * 12, 'd': ()}, 'not calibrated (K is zero)'),
    'size of another resolution': (
        {'width': 1280, 'height': 960, 'k': k(fx=1000.0, fy=1004.0, cx=620.0, cy=500.0)},
        'camera_info is for 1280 x 960 pixels, the image has 640 x 480',
    ),
    'binning, already in the size': (
        {'binning_x': 2, 'binning_y': 2},
        'camera_info is for 320 x 240 pixels, the image has 640 x 480',
    ),
    'region of another size': (
        {'roi': Region(10, 20, 320, 240)},
        'camera_info is for 320 x 240 pixels, the image has 640 x 480',
    ),
    'region beyond the sensor': ({'roi': Region(400, 0, 320, 240)}, 'is not within the 640 x 480'),
    'size 0, fx of 1': ({'width': 0, 'height': 0, 'k': k(fx=1.0, fy=1.0)}, 'expected 32 to'),
}


# k1, k2, p1, p2, k3 of lenses that are bent as far as lenses are, with their focal lengths.
STRONG = {
    'action camera': (280.0, (-0.33, 0.14, 0.0, 0.0, -0.03)),
    'wide webcam': (350.0, (-0.45, 0.28, 0.002, -0.001, -0.11)),
    'telephoto': (6000.0, (12.0, -4000.0, 0.01, 0.01, 0.0)),
    'pincushion': (500.0, (0.4, 0.2, 0.0, 0.0, 0.0)),
    'off centre': (500.0, (0.1, -0.2, 0.05, -0.05, 0.0)),
}


@pytest.mark.parametrize('name', STRONG)
def test_strong_lenses_are_taken(name):
    focal, d = STRONG[name]
    camera, state = calibrated(Info(k=k(fx=focal, fy=focal), d=d))
    assert camera is not None, state


@pytest.mark.parametrize('name', REFUSED)
def test_it_is_refused_with_the_reason(name):
    changes, reason = REFUSED[name]
    camera, state = calibrated(Info(**changes))
    assert camera is None
    assert reason in state


def test_reasons_stay_short_however_much_a_driver_writes():
    for changes in (distortion('x' * 10_000, 1.0), {'d': [math.nan] * 10_000}):
        assert len(calibrated(Info(**changes))[1]) < 300


def test_pictures_of_a_part_of_the_sensor_may_lie_beside_the_optical_axis():
    camera, state = calibrated(Info(roi=Region(400, 300, 240, 180)), (240, 180))
    assert state == 'calibrated'
    assert camera.k[:2, 2].tolist() == [-90.0, -50.0]
    # The sensor's own must lie within the sensor all the same.
    camera, state = calibrated(Info(roi=Region(400, 300, 240, 180), k=k(cx=900.0)), (240, 180))
    assert camera is None and 'principal point' in state


def test_rectified_pictures_are_checked_by_p():
    rectified = rectified_camera_from_info
    assert calibrated(Info(k=[0.0] * 9), read=rectified)[0].k[0, 0] == 450.0
    assert calibrated(Info(p=[0.0] * 12, d=()), read=rectified)[0].k[0, 0] == 500.0
    camera, state = calibrated(Info(p=[1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0, 0]), read=rectified)
    assert camera is None and 'not calibrated' in state


def test_a_size_that_is_not_known_follows_the_pictures():
    calibration = Calibration()
    calibration.update(Info(width=0, height=0))
    for size in ((640, 480), (800, 600), (640, 480)):
        camera = calibration.camera_for(*size)
        assert (camera.width, camera.height) == size
        assert calibration.camera_for(*size) is camera


class OneFace:
    name = 'one'

    def detect(self, image):
        return [Face(Box(280, 200, 100, 120), 0.9, Square(330, 260, 150))]


def estimator(**options):
    pytest.importorskip('onnxruntime')
    return HeadPoseEstimator(OneFace(), **options)


def test_the_library_refuses_a_calibration_of_another_size_and_scales_it_when_told_to():
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    large = CameraModel.pinhole(1280, 960, 1000.0)
    estimate = estimator().estimate
    with pytest.raises(ValueError, match='is for 1280 x 960 pixels, the image has 640 x 480'):
        estimate(image, large)
    (scaled,) = estimate(image, large.resized(WIDTH, HEIGHT))
    (right,) = estimate(image, CameraModel.pinhole(WIDTH, HEIGHT, 500.0))
    assert scaled.position_m == pytest.approx(right.position_m, rel=1e-6)
    with pytest.raises(ValueError, match='expected sides of the same ratio'):
        large.resized(640, 360)


def test_the_library_takes_the_size_from_the_image_where_a_calibration_has_none():
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    matrix = CameraModel.pinhole(WIDTH, HEIGHT, 500.0).k
    (head,) = estimator().estimate(image, CameraModel(0, 0, matrix, np.zeros(0)))
    assert np.isfinite(head.position_m).all()
    (one,), (two,) = estimator().estimate_views(
        [View(image, CameraModel(0, 0, matrix, np.zeros(0))), View(image)]
    )
    assert one.position_m is not None and two.position_m is None


@pytest.mark.parametrize('name', ['fx of 1', 'fx of 1e8, fy of 500', 'principal point outside'])
def test_the_library_refuses_what_the_node_refuses(name):
    info = Info(**REFUSED[name][0])
    with pytest.raises(ValueError, match='in K'):
        CameraModel(WIDTH, HEIGHT, info.k.reshape(3, 3), info.d, info.distortion_model)


def test_a_calibration_file_that_cannot_be_used_is_named(tmp_path):
    path = tmp_path / 'webcam.yaml'
    matrix = np.array(k(fx=1.0, fy=1.0)).reshape(3, 3)
    projection = np.hstack([matrix, np.zeros((3, 1))])
    write_calibration(
        path, CalibrationData(640, 480, matrix, np.zeros(5), 'plumb_bob', np.eye(3), projection)
    )
    with pytest.raises(CalibrationError, match=r'webcam\.yaml: the focal lengths in K are 1'):
        CameraModel.from_file(path)
