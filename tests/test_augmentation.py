"""Augmentation: the label turns with the picture."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from fsanet_ros.geometry import rotations
from fsanet_ros.research.augmentation.official_augmentation import (
    OfficialAugmentation,
    augment_official,
)
from fsanet_ros.research.augmentation.varied_crops import Augmentation, augment, turn_in_plane

SHARED = Path(__file__).parents[2] / 'shared'
TEACHER = SHARED / 'weights' / 'tddfa_v2' / 'tddfa_v2_mb05_rotation.onnx'
FACES = SHARED / 'data' / 'aflw_faces'

# The picture as it is: nothing varies but what a test asks for.
STILL = {name: 0.0 for name in Augmentation.__dataclass_fields__} | {
    'scale_min': 1.0,
    'scale_max': 1.0,
    'low_resolution_min': 20,
}


def varied(picture, rotation, seed=0, **settings):
    rng = np.random.default_rng(seed)
    return augment(picture, rotation, Augmentation(**(STILL | settings)), rng)


def marked(x, y):
    """Return a black square of 120 pixels with a bright dot at (x, y)."""
    picture = np.zeros((120, 120, 3), np.uint8)
    cv2.circle(picture, (x, y), 6, (255, 255, 255), -1)
    return picture


def dot(crop):
    """Return where the dot is, from the middle, in shares of the side."""
    moments = cv2.moments(crop[:, :, 0])
    assert moments['m00'] > 0
    middle = np.array([moments['m10'], moments['m01']]) / moments['m00']
    return (middle + 0.5) / crop.shape[0] - 0.5


def test_a_still_picture_is_only_shrunk():
    rotation = rotations.matrix_from_yaw_pitch_roll_deg([30, -20, 10])
    crop, label = varied(marked(90, 30), rotation)
    assert crop.shape == (64, 64, 3)
    assert dot(crop) == pytest.approx([0.25, -0.25], abs=0.015)
    assert np.allclose(label, rotation)


def test_mirror_swaps_left_and_right_in_picture_and_label():
    rotation = rotations.matrix_from_yaw_pitch_roll_deg([30, -20, 10])
    crop, label = varied(marked(90, 30), rotation, mirror_share=1.0)
    assert dot(crop) == pytest.approx([-0.25, -0.25], abs=0.015)
    angles = rotations.yaw_pitch_roll_deg_from_matrix(label)
    assert angles == pytest.approx([-30, -20, -10])


@pytest.mark.parametrize('mirror', [0.0, 1.0])
@pytest.mark.parametrize('seed', range(5))
def test_label_turns_with_the_picture(seed, mirror):
    # The dot is above the middle: where the top of an upright head is. roll > 0 is clockwise.
    upright = np.eye(3)
    crop, label = varied(
        marked(60, 25), upright, seed, roll_share=1.0, roll_sigma_deg=25.0, mirror_share=mirror
    )
    x, y = dot(crop)
    roll = rotations.yaw_pitch_roll_deg_from_matrix(label)[2]
    assert abs(roll) > 1
    assert np.degrees(np.arctan2(x, -y)) == pytest.approx(roll, abs=2)


def test_a_turned_picture_turns_the_nose_about_the_ray():
    # Looks to the image's left; a quarter turn clockwise makes it look up.
    left = rotations.matrix_from_yaw_pitch_roll_deg([40, 0, 0])
    nose = rotations.nose_direction(turn_in_plane(left, 90.0))
    assert nose == pytest.approx([0, -np.sin(np.radians(40)), -np.cos(np.radians(40))])


def test_scale_is_the_crops_share_of_the_face_square():
    crop, _ = varied(marked(90, 60), np.eye(3), scale_min=0.8, scale_max=0.8)
    assert dot(crop)[0] == pytest.approx(0.25 / 0.8, abs=0.015)


def test_the_same_seed_gives_the_same_crop():
    picture = np.random.default_rng(0).integers(0, 256, (120, 120, 3), np.uint8)
    for seed in range(5):
        rngs = [np.random.default_rng(seed) for _ in range(2)]
        (a, label_a), (b, label_b) = (augment(picture, np.eye(3), Augmentation(), r) for r in rngs)
        assert (a == b).all() and (label_a == label_b).all()


def test_labels_stay_rotations_and_the_picture_is_left_alone():
    picture = np.random.default_rng(0).integers(0, 256, (120, 120, 3), np.uint8)
    before, rng = picture.copy(), np.random.default_rng(1)
    for _ in range(50):
        rotation = rotations.matrix_from_yaw_pitch_roll_deg(rng.uniform(-60, 60, 3))
        crop, label = augment(picture, rotation, Augmentation(), rng)
        assert crop.shape == (64, 64, 3) and crop.dtype == np.uint8
        assert np.allclose(label @ label.T, np.eye(3))
        assert np.linalg.det(label) == pytest.approx(1)
    assert (picture == before).all()


@pytest.mark.skipif(
    not (TEACHER.is_file() and FACES.is_dir()), reason=f'{TEACHER} or {FACES} is not there'
)
def test_the_teacher_agrees_with_the_augmented_labels():
    onnxruntime = pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    labels = np.load(FACES / 'labels.npz', allow_pickle=False)
    chosen = np.flatnonzero(labels['flip_disagreement_deg'] < 4)[::600]
    rng = np.random.default_rng(0)
    settings = Augmentation(**(STILL | {'mirror_share': 0.5, 'roll_share': 1.0}))
    # Sigmas of 0 would leave every picture upright.
    settings = Augmentation(**(vars(settings) | {'roll_sigma_deg': 20.0}))
    crops, expected = [], []
    with zipfile.ZipFile(FACES / 'faces_120.zip') as archive:
        for index in chosen:
            data = np.frombuffer(archive.read(str(labels['name'][index])), np.uint8)
            picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
            crop, label = augment(picture, labels['rotation_optical'][index], settings, rng)
            crops.append(cv2.resize(crop, (120, 120), interpolation=cv2.INTER_CUBIC))
            expected.append(label)
    session = onnxruntime.InferenceSession(str(TEACHER), providers=['CPUExecutionProvider'])
    blobs = np.stack(crops).astype(np.float32).transpose(0, 3, 1, 2)
    (found,) = session.run(['rotation_optical'], {session.get_inputs()[0].name: blobs})
    assert np.median(rotations.geodesic_deg(found, np.stack(expected))) < 4


# ---- the official augmentation, on crops

OFF = {'cut_share': 0.0, 'black_share': 0.0, 'white_share': 0.0, 'zoom_share': 0.0}


def official(crop, seed=0, **settings):
    rng = np.random.default_rng(seed)
    return augment_official(crop, OfficialAugmentation(**(OFF | settings)), rng)


def noise(seed=0):
    # Without 0 and 255, which the bars have.
    return np.random.default_rng(seed).integers(20, 230, (64, 64, 3), np.uint8)


def test_the_official_augmentation_can_be_switched_off():
    crop = noise()
    assert (official(crop) == crop).all()


@pytest.mark.parametrize(('share', 'colour'), [('black_share', 0), ('white_share', 255)])
def test_official_bars_are_1_to_15_pixels_and_leave_a_part_of_the_crop(share, colour):
    crop, widths, places = noise(), set(), set()
    for seed in range(300):
        varied = official(crop, seed, **{share: 1.0})
        inside = (varied != colour).any(axis=2)
        rows, columns = inside.any(axis=1), inside.any(axis=0)
        side = int(rows.sum())
        assert inside.sum() == side**2 == columns.sum() ** 2  # one square, the rest is bars
        widths.add(64 - side)
        places.add((int(rows.argmax()), int(columns.argmax())))
        part = varied[rows][:, columns]
        windows = np.lib.stride_tricks.sliding_window_view(crop, part.shape)
        assert (windows == part).all(axis=(3, 4, 5)).any()
    assert widths == set(range(1, 16))
    assert len(places) > 30


def test_official_cuts_are_stretched_to_the_whole_crop():
    x, y = np.meshgrid(np.arange(64), np.arange(64))
    crop = np.dstack([2 * x + 60, 2 * y + 60, x]).astype(np.uint8)
    smallest = 64
    for seed in range(100):
        varied = official(crop, seed, cut_share=1.0)
        assert varied.shape == (64, 64, 3)
        spread = (int(varied[30, -1, 0]) - int(varied[30, 0, 0])) / 2 + 1
        assert 64 - 16 <= spread < 64.5
        smallest = min(smallest, spread)
    assert smallest < 52


def test_the_official_zoom_is_a_fifth_at_most_and_free_in_each_direction():
    crop = np.zeros((64, 64, 3), np.uint8)
    crop[22:43, 22:43] = 200  # 21 pixels
    sizes = []
    for seed in range(200):
        inside = official(crop, seed, zoom_share=1.0)[:, :, 0] > 100
        sizes.append((int(inside.any(axis=0).sum()), int(inside.any(axis=1).sum())))
    sizes = np.array(sizes)
    assert 17 <= sizes.min() <= 18 and 25 <= sizes.max() <= 27
    assert abs(np.corrcoef(sizes.T)[0, 1]) < 0.3


def test_the_official_kinds_come_as_often_as_they_should():
    crop, kinds = noise(), []
    for seed in range(2000):
        varied = official(crop, seed, cut_share=0.25, black_share=0.25, white_share=0.25)
        extreme = {c for c in (0, 255) if (varied == c).all(axis=2).any()}
        kinds.append('none' if (varied == crop).all() else str(extreme or 'cut'))
    shares = {kind: kinds.count(kind) / len(kinds) for kind in set(kinds)}
    assert set(shares) >= {'none', '{0}', '{255}', 'cut'}
    # Cubic stretching may touch black or white somewhere; the rest is a quarter each.
    assert shares['none'] == pytest.approx(0.25, abs=0.04)
    assert shares['{0}'] == pytest.approx(0.25, abs=0.04)


def test_the_official_augmentation_is_the_same_for_a_seed_and_leaves_the_crop_alone():
    crop = noise()
    before = crop.copy()
    for seed in range(20):
        a, b = (
            augment_official(crop, OfficialAugmentation(), np.random.default_rng(seed))
            for _ in range(2)
        )
        assert (a == b).all() and a.shape == (64, 64, 3) and a.dtype == np.uint8
    assert (crop == before).all()
