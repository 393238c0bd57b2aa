"""Images made smaller for detectors: nothing moves, nothing aliases, whatever the size."""

import cv2
import numpy as np
import pytest

from fsanet_ros.detection.shrinking import shrink

SIZES = [((640, 480), (480, 360)), ((1280, 720), (480, 270)), ((1920, 1080), (480, 270))]
ODD = [((641, 481), (480, 360)), ((1283, 723), (320, 180)), ((2592, 1944), (320, 240))]


@pytest.mark.parametrize(('size', 'wanted'), SIZES + ODD)
def test_what_is_in_the_image_stays_where_it_is(size, wanted):
    image = np.zeros((size[1], size[0], 3), np.uint8)
    x, y, side = int(size[0] * 0.7), int(size[1] * 0.2), size[0] // 8
    image[y : y + side, x : x + side] = 255
    small = shrink(image, *wanted)
    assert small.shape == (wanted[1], wanted[0], 3)
    mass = small[:, :, 0].astype(float)
    rows, columns = np.mgrid[: wanted[1], : wanted[0]] + 0.5
    found = np.array([(columns * mass).sum(), (rows * mass).sum()]) / mass.sum()
    expected = (np.array([x, y]) + side / 2) * np.array(wanted) / np.array(size)
    assert found == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize(('size', 'wanted'), SIZES + ODD)
def test_noise_is_averaged_about_as_by_areas(size, wanted):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
    exact = cv2.resize(image, wanted, interpolation=cv2.INTER_AREA)
    # Interpolation without any averaging would leave all of it, 60 and more.
    assert shrink(image, *wanted).std() < 1.35 * exact.std()


def test_an_image_of_that_size_is_not_copied():
    image = np.zeros((90, 120, 3), np.uint8)
    assert shrink(image, 120, 90) is image


def test_a_line_may_become_a_pixel():
    assert shrink(np.full((3, 1000, 3), 7, np.uint8), 100, 1).tolist() == [[[7, 7, 7]] * 100]
