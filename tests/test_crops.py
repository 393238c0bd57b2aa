"""Crops: the right pixels, black beyond the border, the same in training and in use."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsanet_ros.inference.crops import cut_crop, cut_crops, cut_official_crop
from fsanet_ros.inference.description import Description
from fsanet_ros.inference.face_crops import cut_faces
from fsanet_ros.types import Box, Face, Square

IMAGE = np.random.default_rng(0).integers(1, 256, (120, 160, 3), np.uint8)


def square(x, y, side):
    """Return the square whose upper left corner is (x, y)."""
    return Square(x + side / 2, y + side / 2, side)


def shrunk(region):
    return cv2.resize(region, (64, 64), interpolation=cv2.INTER_AREA)


def test_a_crop_of_the_networks_size_is_the_pixels_themselves():
    assert (cut_crop(IMAGE, square(20, 30, 64)) == IMAGE[30:94, 20:84]).all()


def test_a_large_region_is_averaged_by_area():
    picture = np.zeros((128, 128, 3), np.uint8)
    picture[::2] = 200  # stripes of one pixel: an average is grey, sampling is not
    assert (cut_crop(picture, square(0, 0, 128)) == 100).all()


def test_a_small_region_is_enlarged():
    crop = cut_crop(IMAGE, square(10, 10, 20))
    assert (crop == cv2.resize(IMAGE[10:30, 10:30], (64, 64))).all()


@pytest.mark.parametrize(
    ('x', 'y', 'side'),
    [(-20, -30, 100), (100, 60, 90), (-30, 10, 80), (-50, -70, 300), (40, 119, 70), (5, -63, 64)],
)
def test_beyond_the_border_is_as_if_the_image_had_a_black_frame(x, y, side):
    frame = 400
    padded = np.pad(IMAGE, ((frame, frame), (frame, frame), (0, 0)))
    expected = shrunk(padded[frame + y : frame + y + side, frame + x : frame + x + side])
    assert (cut_crop(IMAGE, square(x, y, side)) == expected).all()


@pytest.mark.parametrize(('x', 'y'), [(-100, 0), (160, 0), (0, -100), (0, 120), (900, -900)])
def test_a_region_wholly_outside_is_black(x, y):
    assert not cut_crop(IMAGE, square(x, y, 100)).any()


@settings(deadline=None, max_examples=200)
@given(st.floats(-300, 300), st.floats(-300, 300), st.floats(1, 500))
def test_any_square_gives_a_crop(x, y, side):
    crop = cut_crop(IMAGE, Square(x, y, side))
    assert crop.shape == (64, 64, 3) and crop.dtype == np.uint8


def test_fractions_of_a_pixel_are_rounded():
    expected = cut_crop(IMAGE, square(20, 30, 64))
    assert (cut_crop(IMAGE, Square(52.3, 61.8, 64.4)) == expected).all()


def test_views_of_a_larger_image_are_cut_like_copies():
    views = [IMAGE[:, ::-1], IMAGE[::2, ::2], IMAGE[:, :, ::-1], IMAGE.transpose(1, 0, 2)]
    for view in views:
        for where in (square(5, 5, 40), square(-20, -20, 90)):
            assert (cut_crop(view, where) == cut_crop(view.copy(), where)).all()


def test_a_read_only_image_is_enough_and_is_left_as_it_was():
    image = IMAGE.copy()
    image.setflags(write=False)
    cut_crops(image, [square(5, 5, 40), square(-20, -20, 90)])
    assert (image == IMAGE).all()


def test_a_batch_holds_the_single_crops_in_order():
    squares = [square(5, 5, 40), square(-20, -20, 90), square(500, 0, 10)]
    crops = cut_crops(IMAGE, squares)
    assert crops.shape == (3, 64, 64, 3)
    for crop, where in zip(crops, squares, strict=True):
        assert (crop == cut_crop(IMAGE, where)).all()
    assert cut_crops(IMAGE, []).shape == (0, 64, 64, 3)


@pytest.mark.parametrize(
    'image', [IMAGE[:, :, 0], IMAGE.astype(np.float32), np.zeros((9, 9, 4), np.uint8)]
)
def test_other_pictures_are_refused(image):
    with pytest.raises(ValueError, match=r'expected uint8 \[h, w, 3\]'):
        cut_crop(image, square(0, 0, 8))


@pytest.mark.parametrize('side', [0.0, -3.0, 0.4])
def test_a_square_without_pixels_is_refused(side):
    with pytest.raises(ValueError, match='at least one pixel'):
        cut_crop(IMAGE, Square(10, 10, side))


def test_training_validates_on_what_use_cuts_out():
    pytest.importorskip('torch', reason='PyTorch is not installed')
    from fsanet_ros.research.augmentation.varied_crops import central_crops

    pictures = np.stack([IMAGE[:120, :120], IMAGE[:120, 40:160]])
    crops = central_crops(pictures, 0.9)
    for crop, picture in zip(crops, pictures, strict=True):
        assert (crop == cut_crop(picture, Square(60, 60, 120).scaled(0.9))).all()


@pytest.mark.parametrize(
    ('box', 'rows', 'columns'),
    [
        # 50 x 40 at (60, 50): 30 and 24 pixels more on each side.
        (Box(60, 50, 50, 40), (26, 114), (30, 140)),
        # Cut off to whole pixels, before and after the margin is added.
        (Box(60.9, 50.9, 49.2, 39.2), (26, 114), (30, 140)),
        (Box(60, 50, 51, 41), (25, 115), (29, 141)),
        # Within the image, whose last row and column are never reached.
        (Box(-10, 5, 50, 40), (0, 69), (0, 70)),
        (Box(100, 60, 80, 80), (12, 119), (52, 159)),
    ],
)
def test_the_official_crop_is_the_box_and_its_margin_stretched(box, rows, columns):
    expected = cv2.resize(IMAGE[slice(*rows), slice(*columns)], (64, 64))
    assert (cut_official_crop(IMAGE, box) == expected).all()


def test_an_official_crop_of_nothing_is_refused():
    with pytest.raises(ValueError, match='outside the image of 160 x 120'):
        cut_official_crop(IMAGE, Box(400, 10, 20, 20))


def test_the_weights_say_which_crop_they_get():
    inside = Face(Box(60, 50, 50, 40), 1.0, Square(85, 70, 60))
    outside = Face(Box(400, 10, 20, 20), 1.0, Square(410, 20, 24))
    faces, crops = cut_faces(IMAGE, [inside, outside], Description('a', 1.0, crop='official'))
    assert faces == [inside]
    assert (crops[0] == cut_official_crop(IMAGE, inside.box)).all()
    faces, crops = cut_faces(IMAGE, [inside, outside], Description('a', 0.9))
    assert faces == [inside, outside]
    assert (crops[0] == cut_crop(IMAGE, inside.square.scaled(0.9))).all()
    assert cut_faces(IMAGE, [], Description('a', 1.0, crop='official'))[1].shape == (0, 64, 64, 3)
