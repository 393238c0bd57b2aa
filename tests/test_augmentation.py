"""Augmentation: the label turns with the picture."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from fsanet_ros.geometry import rotations
from fsanet_ros.learning.augmentation import Augmentation, augment, turn_in_plane

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
