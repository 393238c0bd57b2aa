"""Things drawn onto faces lie where the pose says, and in the turned picture too."""

import numpy as np
import pytest

from fsanet_ros.geometry import rotations
from fsanet_ros.research.augmentation.drawn_things import KINDS, draw_thing
from fsanet_ros.research.augmentation.varied_crops import Augmentation, augment


def drawn_on(kind, angles, seed=0):
    """Return where something has changed on a grey square, bool [120, 120]."""
    grey = np.full((120, 120, 3), 118, np.uint8)
    rotation = rotations.matrix_from_yaw_pitch_roll_deg(angles)
    return (draw_thing(grey, rotation, np.random.default_rng(seed), kind) != grey).any(axis=2)


def middle(changed):
    """Return the middle of what has changed, in shares of the side, right and down."""
    return np.argwhere(changed).mean(axis=0)[::-1] / 119 - 0.5


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('angles', [(0, 0, 0), (80, 10, -20), (-50, -40, 30), (10, 60, 5)])
def test_something_is_drawn_and_the_picture_is_left(kind, angles):
    grey = np.full((120, 120, 3), 118, np.uint8)
    rotation = rotations.matrix_from_yaw_pitch_roll_deg(angles)
    for seed in range(5):
        drawn = draw_thing(grey, rotation, np.random.default_rng(seed), kind)
        assert (grey == 118).all() and drawn.shape == grey.shape
    assert any(drawn_on(kind, angles, seed).sum() > 40 for seed in range(5))


def test_masks_are_below_and_glasses_and_hats_above():
    assert middle(drawn_on('mask', (0, 0, 0)))[1] > 0.1
    assert middle(drawn_on('glasses', (0, 0, 0)))[1] < -0.1
    assert middle(drawn_on('hat', (0, 0, 0)))[1] < -0.3


def test_a_mask_turns_with_the_head():
    right, down = middle(drawn_on('mask', (0, 0, 90)))
    # The chin of a head turned clockwise by a quarter is on the image's left.
    assert right < -0.08 and abs(down) < 0.08


def test_the_same_seed_draws_the_same():
    assert (drawn_on('hand', (20, 0, 0), 7) == drawn_on('hand', (20, 0, 0), 7)).all()


def test_turns_reach_all_round():
    settings = Augmentation(circle_share=1.0, thing_share=1.0, infrared_share=0.5)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (120, 120, 3), np.uint8)
    turns = []
    for _ in range(60):
        crop, rotation = augment(picture, np.eye(3), settings, rng)
        assert crop.shape == (64, 64, 3) and crop.dtype == np.uint8
        turns.append(rotations.yaw_pitch_roll_deg_from_matrix(rotation)[2])
    assert np.min(turns) < -120 and np.max(turns) > 120
