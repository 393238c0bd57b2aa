"""Camera models: rays and pixels are each other's inverse, and no ray is invented."""

import cv2
import numpy as np
import pytest

from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.rotations import geodesic_deg, rotation_to_ray

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
    'tilted': (
        'rational_polynomial',
        [0.3, 0.05, 1e-4, 1e-4, 0.001, 0.5, 0.1, 0.01, 1e-3, -1e-3, 5e-4, 2e-4, 0.04, -0.03],
    ),
    'fisheye': ('equidistant', [0.02, -0.01, 0.004, -0.001]),
    'ideal fisheye': ('fisheye', [0, 0, 0, 0]),
}


# These polynomials turn back beyond about 45 degrees, so the lens must see no more.
NARROW = ('barrel', 'twelve', 'tilted')


def camera(name):
    model, coefficients = LENSES[name]
    k = K * [[1.6, 1, 1], [1, 1.6, 1], [1, 1, 1]] if name in NARROW else K
    return CameraModel(1280, 720, k, np.array(coefficients, float), model)


def unit(rays):
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


def grid(width=1280, height=720):
    x, y = np.meshgrid(np.linspace(0, width, 17), np.linspace(0, height, 11))
    return np.column_stack([x.ravel(), y.ravel()])


@pytest.mark.parametrize('name', LENSES)
def test_every_pixel_comes_back_from_its_ray(name):
    lens = camera(name)
    rays = lens.rays(grid())
    assert np.isfinite(rays).all()
    assert np.allclose(np.linalg.norm(rays, axis=1), 1.0, atol=1e-12)
    assert np.allclose(lens.project(rays * 2.7), grid(), atol=1e-6)


@pytest.mark.parametrize('name', LENSES)
@pytest.mark.filterwarnings('error')
def test_no_points_are_no_trouble_and_neither_is_the_middle(name):
    lens = camera(name)
    assert lens.rays(np.zeros((0, 2))).shape == (0, 3)
    assert lens.project(np.zeros((0, 3))).shape == (0, 2)
    middle = lens.k[:2, 2] + 0.5
    assert lens.rays([middle])[0] == pytest.approx([0, 0, 1], abs=0.05)
    assert lens.project([[0, 0, 1]])[0] == pytest.approx(middle, abs=30)


@pytest.mark.parametrize('name', LENSES)
def test_every_ray_in_view_comes_back_from_its_pixel(name):
    x, y = np.meshgrid(np.linspace(-0.7, 0.7, 9), np.linspace(-0.4, 0.4, 7))
    rays = unit(np.column_stack([x.ravel(), y.ravel(), np.ones(x.size)]))
    lens = camera(name)
    assert np.allclose(lens.rays(lens.project(rays)), rays, atol=1e-6)


def around(angles_deg, turns=12):
    """Return unit directions at angles to the axis, on all sides: [n, turns, 3]."""
    angle = np.radians(np.asarray(angles_deg, float))[:, None]
    side = np.linspace(0, 2 * np.pi, turns, endpoint=False) + 0.1
    aside = np.sin(angle)
    return np.stack([aside * np.cos(side), aside * np.sin(side), np.cos(angle) + 0 * side], -1)


def test_fisheye_sees_to_the_side_and_behind():
    # Equidistant: the angle in radians times the focal length from the centre, whose pixel's
    # middle is half a pixel from its corner.
    lens = camera('ideal fisheye')
    for degrees in (10, 80, 90, 100, 140, 179):
        angle = np.radians(degrees)
        pixel = lens.project([[np.sin(angle), 0, np.cos(angle)]])
        assert pixel[0] == pytest.approx([650.5 + 0.5 + 600 * angle, 355.25 + 0.5])
        ray = lens.rays(pixel)[0]
        assert ray == pytest.approx([np.sin(angle), 0, np.cos(angle)], abs=1e-9)


# 190 to 280 degrees of view: f-theta lenses as calibrated, in focal lengths of 300 pixels.
WIDE = {
    'equidistant of 200': ([0.02, -0.01, 0.004, -0.001], 100),
    'equisolid': ([-0.0417, 0.00052, 0, 0], 140),  # 2 sin(theta / 2), two terms
    'strong': ([-0.03, 0.002, -0.0008, 0.00005], 95),
}


@pytest.mark.parametrize('name', WIDE)
def test_very_wide_lenses_are_inverted_all_over(name):
    coefficients, widest = WIDE[name]
    k = np.array([[300.0, 0, 959.5], [0, 300.0, 959.5], [0, 0, 1]])
    lens = CameraModel(1920, 1920, k, np.array(coefficients), 'equidistant')
    rays = around(np.linspace(0.5, widest, 60)).reshape(-1, 3)
    pixels = lens.project(rays * 3.0)
    assert np.isfinite(pixels).all()
    assert np.allclose(lens.rays(pixels), rays, atol=1e-9)


def test_fisheye_agrees_with_opencv_where_that_goes():
    lens = camera('fisheye')
    points = around([1, 20, 45, 70, 85]).reshape(-1, 1, 3)
    expected, _ = cv2.fisheye.projectPoints(points, np.zeros(3), np.zeros(3), lens.k, lens.d)
    assert np.allclose(lens.project(points) - 0.5, expected.reshape(-1, 2), atol=1e-6)


@pytest.mark.parametrize('name', ['four', 'barrel', 'pincushion', 'wide', 'twelve', 'tilted'])
def test_polynomials_agree_with_opencv(name):
    lens = camera(name)
    points = np.random.default_rng(0).uniform([-0.6, -0.35, 1], [0.6, 0.35, 1], (50, 3)) * 2.0
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), lens.k, lens.d)
    assert np.allclose(lens.project(points) - 0.5, expected.reshape(-1, 2), atol=1e-6)


def test_beyond_where_a_fisheye_polynomial_turns_back_there_is_nothing():
    # theta (1 - theta^2 / 3) is greatest, 2 / 3, at 1 radian: farther out would come back.
    k = np.array([[600.0, 0, 639.5], [0, 600.0, 359.5], [0, 0, 1]])
    lens = CameraModel(1280, 720, k, np.array([-1 / 3, 0, 0, 0]), 'equidistant')
    just_inside, outside = lens.rays([[640 + 399.9, 360.0], [640 + 400.5, 360.0]])
    assert np.arctan2(just_inside[0], just_inside[2]) == pytest.approx(1.0, abs=0.02)
    assert np.isnan(outside).all()
    seen = lens.project(around(np.degrees([0.99, 1.01, 1.5, 2.5]), 1)[:, 0])
    assert np.isfinite(seen[0]).all() and np.isnan(seen[1:]).all()


def test_beyond_where_a_polynomial_turns_back_there_is_nothing():
    # r (1 - r^2 / 3) is greatest, 2 / 3, at r = 1.
    k = np.array([[600.0, 0, 639.5], [0, 600.0, 359.5], [0, 0, 1]])
    lens = CameraModel(1280, 720, k, np.array([-1 / 3, 0, 0, 0, 0]))
    inside, outside = lens.rays([[640 + 398.0, 360.0], [640 + 400.5, 360.0]])
    assert inside[0] / inside[2] == pytest.approx(1.0, abs=0.1)
    assert np.isnan(outside).all()
    seen = lens.project([[0.99, 0, 1], [1.01, 0, 1], [1.5, 0, 1]])
    assert np.isfinite(seen[0]).all() and np.isnan(seen[1:]).all()


@pytest.mark.parametrize('name', ['pinhole', 'zeros', 'barrel', 'wide'])
def test_ordinary_lenses_see_nothing_beside_and_behind_the_camera(name):
    seen = camera(name).project([[0.1, 0.1, -1.0], [1.0, 0.0, 0.0], [0.1, 0.1, 1.0]])
    assert np.isnan(seen[:2]).all() and np.isfinite(seen[2]).all()


def test_the_name_says_how_angles_become_pixels_also_without_coefficients():
    empty = CameraModel(1280, 720, K, np.zeros(0), 'equidistant')
    assert np.allclose(empty.rays(grid()), camera('ideal fisheye').rays(grid()))


def test_rotation_to_a_ray_is_the_smallest_for_any_direction():
    for ray in around([0, 30, 90, 120, 179, 179.99999]).reshape(-1, 3):
        rotation = rotation_to_ray(3.0 * ray)
        assert np.allclose(rotation @ (0, 0, 1), ray, atol=1e-12)
        assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1.0)
        assert geodesic_deg(np.eye(3), rotation) == pytest.approx(
            np.degrees(np.arctan2(np.hypot(*ray[:2]), ray[2])), abs=1e-6
        )
    assert rotation_to_ray([0.0, 0.0, -2.0]).tolist() == np.diag([-1.0, 1.0, -1.0]).tolist()
    assert np.isnan(rotation_to_ray([np.nan] * 3)).all()


def test_calibrations_count_from_the_middle_of_the_first_pixel():
    # K says "the axis meets pixel (650.5, 355.25)" with (0, 0) the first pixel's middle; boxes
    # count from its corner.
    lens = camera('pinhole')
    assert lens.rays([[651.0, 355.75]])[0] == pytest.approx([0, 0, 1])
    assert lens.project([[0, 0, 2.0]])[0] == pytest.approx([651.0, 355.75])


def test_axis_of_a_made_up_pinhole_is_the_middle_of_the_picture():
    lens = CameraModel.pinhole(640, 480, 500.0)
    assert lens.rays([[320.0, 240.0]])[0] == pytest.approx([0, 0, 1])
    assert lens.rays([[320.0 + 500.0, 240.0]])[0] == pytest.approx(unit(np.array([1, 0, 1])))


@pytest.mark.parametrize(
    ('name', 'pixel'),
    [('barrel', (5000.0, 300.0)), ('barrel', (-4000.0, -4000.0)), ('ideal fisheye', (2600.0, 356))],
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
        (K.T, [], 'plumb_bob', 'row by row'),
        (K, [0.1, np.nan, 0, 0], 'equidistant', 'finite'),
        (K, [-900.0, 0, 0, 0, 0], 'plumb_bob', '0% of the picture only'),
        (K, [-900.0, 0, 0, 0], 'equidistant', '0% of the picture only'),
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
