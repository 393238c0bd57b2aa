"""Boxes and squares: what two share, and what stays when images are resized, moved or cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsanet_ros.geometry.regions import Box, Square, cut_square, shared_areas

places = st.floats(-1e4, 1e4)
sides = st.floats(0.5, 1e4)
boxes = st.builds(Box, places, places, sides, sides)
factors = st.floats(0.01, 100.0)


def corners(box):
    return np.array([box.x, box.y, box.x + box.width, box.y + box.height])


def test_two_boxes_share_what_lies_in_both():
    box = Box(10.0, 20.0, 40.0, 30.0)
    assert box.area == 1200.0 and box.center == (30.0, 35.0)
    assert box.shared_area(Box(40.0, 40.0, 100.0, 100.0)) == 10.0 * 10.0
    assert box.iou(Box(40.0, 40.0, 100.0, 100.0)) == pytest.approx(100.0 / (1200.0 + 1e4 - 100.0))
    for beside in (Box(50.0, 20.0, 9.0, 9.0), Box(10.0, 50.0, 9.0, 9.0), Box(-9.0, -9.0, 9.0, 9.0)):
        assert box.shared_area(beside) == box.iou(beside) == 0.0
    nothing = Box(20.0, 30.0, 0.0, 0.0)
    assert nothing.iou(nothing) == nothing.iou(box) == 0.0


@given(boxes, boxes)
def test_iou_is_symmetric_and_between_0_and_1(box, other):
    assert box.iou(other) == pytest.approx(other.iou(box))
    assert 0.0 <= box.iou(other) <= 1.0 + 1e-9
    assert box.iou(box) == pytest.approx(1.0, abs=1e-6)


@given(boxes, boxes, factors, factors)
def test_a_resized_image_shows_the_same_overlap(box, other, factor_x, factor_y):
    resized = box.scaled(factor_x, factor_y)
    assert resized.center == pytest.approx((box.center[0] * factor_x, box.center[1] * factor_y))
    assert resized.area == pytest.approx(box.area * factor_x * factor_y)
    assert resized.iou(other.scaled(factor_x, factor_y)) == pytest.approx(box.iou(other), abs=1e-6)
    back = resized.scaled(1.0 / factor_x, 1.0 / factor_y)
    assert corners(back) == pytest.approx(corners(box), rel=1e-9, abs=1e-6)


@given(st.lists(boxes, min_size=1, max_size=4), st.lists(boxes, min_size=1, max_size=4))
def test_many_boxes_share_what_each_two_do(some, others):
    found = shared_areas(
        np.array([corners(box) for box in some])[:, None], np.array([corners(b) for b in others])
    )
    expected = [[box.shared_area(other) for other in others] for box in some]
    assert found == pytest.approx(np.array(expected), rel=1e-6, abs=1e-6)


@given(places, places, sides, factors, factors)
def test_a_scaled_square_keeps_its_middle(x, y, side, factor, again):
    square = Square(x, y, side)
    scaled = square.scaled(factor)
    assert (scaled.center_x, scaled.center_y, scaled.side) == (x, y, side * factor)
    assert scaled.scaled(again).side == pytest.approx(square.scaled(factor * again).side)
    assert scaled.box.center == pytest.approx((x, y), abs=1e-6)
    assert scaled.box.width == scaled.box.height == scaled.side


@given(st.integers(-60, 80), st.integers(-60, 80), st.integers(1, 50))
def test_a_square_that_is_cut_out_is_black_beyond_the_border(x, y, side):
    image = np.random.default_rng(0).integers(1, 256, (30, 40, 3), np.uint8)
    around = np.zeros((250, 250, 3), np.uint8)
    around[100:130, 100:140] = image
    cut = cut_square(image, x, y, side)
    assert cut.dtype == np.uint8
    assert np.array_equal(cut, around[100 + y : 100 + y + side, 100 + x : 100 + x + side])
