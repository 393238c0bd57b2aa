"""Camera models: rays and pixels are each other's inverse, and no calibration is invented."""

import cv2
import numpy as np
import pytest

from fsanet_ros.geometry.camera import CameraModel

K = np.array([[600.0, 0.0, 650.5], [0.0, 610.0, 355.25], [0.0, 0.0, 1.0]])
LENSES = {
    'pinhole': ('plumb_bob', []),
    'no name': ('', []),
    'zeros': ('plumb_bob', [0, 0, 0, 0, 0]),
    'four': ('plumb_bob', [-0.2, 0.05, 0.001, -0.0005]),
    'barrel': ('plumb_bob', [-0.32, 0.11, 0.0012, -0.0008, -0.018]),
    'pincushion': ('plumb_bob', [0.25, 0.08, -0.001, 0.002, 0.01]),
    # A lens of 120 degrees.
    'wide': ('rational_polynomial', [0.9, 0.12, 1e-4, -2e-4, 0.004, 1.25, 0.33, 0.025]),
    'twelve': (
        'rational_polynomial',
        [0.3, 0.05, 1e-4, 1e-4, 0.001, 0.5, 0.1, 0.01, 1e-3, -1e-3, 5e-4, 2e-4],
    ),
    'fisheye': ('equidistant', [0.02, -0.01, 0.004, -0.001]),
    'ideal fisheye': ('fisheye', [0, 0, 0, 0]),
}


# These polynomials turn back beyond about 45 degrees, so the lens must see no more.
NARROW = ('barrel', 'twelve')


def camera(name):
    model, coefficients = LENSES[name]
    k = K * [[1.6, 1, 1], [1, 1.6, 1], [1, 1, 1]] if name in NARROW else K
    return CameraModel(1280, 720, k, np.array(coefficients, float), model)


def grid(width=1280, height=720):
    x, y = np.meshgrid(np.linspace(0, width, 17), np.linspace(0, height, 11))
    return np.column_stack([x.ravel(), y.ravel()])


@pytest.mark.parametrize('name', LENSES)
def test_every_pixel_comes_back_from_its_ray(name):
    lens = camera(name)
    rays = lens.rays(grid())
    assert np.isfinite(rays).all()
    assert (rays[:, 2] == 1).all()
    assert np.allclose(lens.project(rays * 2.7), grid(), atol=1e-3)


@pytest.mark.parametrize('name', LENSES)
def test_every_ray_in_view_comes_back_from_its_pixel(name):
    x, y = np.meshgrid(np.linspace(-0.7, 0.7, 9), np.linspace(-0.4, 0.4, 7))
    rays = np.column_stack([x.ravel(), y.ravel(), np.ones(x.size)])
    lens = camera(name)
    assert np.allclose(lens.rays(lens.project(rays)), rays, atol=1e-6)


def test_fisheye_sees_far_to_the_side():
    lens = camera('ideal fisheye')
    angle = np.radians(80)
    pixel = lens.project([[np.sin(angle), 0, np.cos(angle)]])
    # Equidistant: the angle in radians times the focal length from the centre, whose pixel's
    # middle is half a pixel from its corner.
    assert pixel[0] == pytest.approx([650.5 + 0.5 + 600 * angle, 355.25 + 0.5])
    ray = lens.rays(pixel)[0]
    assert np.degrees(np.arctan2(ray[0], ray[2])) == pytest.approx(80, abs=1e-4)


def test_calibrations_count_from_the_middle_of_the_first_pixel():
    # K says "the axis meets pixel (650.5, 355.25)" with (0, 0) the first pixel's middle; boxes
    # count from its corner.
    lens = camera('pinhole')
    assert lens.rays([[651.0, 355.75]])[0] == pytest.approx([0, 0, 1])
    assert lens.project([[0, 0, 2.0]])[0] == pytest.approx([651.0, 355.75])


def test_axis_of_a_made_up_pinhole_is_the_middle_of_the_picture():
    lens = CameraModel.pinhole(640, 480, 500.0)
    assert lens.rays([[320.0, 240.0]])[0] == pytest.approx([0, 0, 1])
    assert lens.rays([[320.0 + 500.0, 240.0]])[0] == pytest.approx([1, 0, 1])


def test_pixels_agree_with_opencv():
    lens = camera('barrel')
    points = np.array([[0.3, -0.2, 1.5], [-0.7, 0.4, 2.0]])
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), lens.k, lens.d)
    assert np.allclose(lens.project(points) - 0.5, expected.reshape(-1, 2))


@pytest.mark.parametrize(
    ('name', 'pixel'),
    [('barrel', (5000.0, 300.0)), ('barrel', (-4000.0, -4000.0)), ('ideal fisheye', (1700.0, 356))],
)
def test_no_ray_is_invented_where_none_leads_to_the_pixel(name, pixel):
    assert np.isnan(camera(name).rays([pixel])).all()


def test_one_impossible_pixel_does_not_spoil_the_others():
    lens = camera('barrel')
    rays = lens.rays([[100.0, 100.0], [5000.0, 300.0], [640.0, 360.0]])
    assert np.isfinite(rays[[0, 2]]).all()
    assert np.isnan(rays[1]).all()


def altered(row, column, value):
    k = K.copy()
    k[row, column] = value
    return k


@pytest.mark.parametrize(
    ('k', 'd', 'model', 'reason'),
    [
        (np.zeros((3, 3)), [], 'plumb_bob', 'not calibrated'),
        (altered(1, 1, -600.0), [], 'plumb_bob', 'not calibrated'),
        (altered(0, 2, np.nan), [], 'plumb_bob', 'finite'),
        (K[:2], [], 'plumb_bob', '3 x 3'),
        (K, [0.1, np.inf, 0, 0, 0], 'plumb_bob', 'finite'),
        (K, [0.1, 0.2], 'plumb_bob', '2 coefficients'),
        (K, [0.1] * 5, 'equidistant', '5 coefficients'),
        (K, [0.1] * 5, 'rational_polynomial', '5 coefficients'),
        (K, [0.1] * 5, '', '5 coefficients'),
        (K, [0.1] * 5, 'thin_prism', 'thin_prism'),
    ],
)
def test_what_is_no_calibration_is_refused(k, d, model, reason):
    with pytest.raises(ValueError, match=reason):
        CameraModel(640, 480, k, np.array(d, float), model)
