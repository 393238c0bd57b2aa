"""Tones of photographs on rendered heads."""

from __future__ import annotations

import numpy as np

from fsanet_ros.research.augmentation.tones import vary_tone
from fsanet_ros.research.augmentation.varied_crops import Augmentation, augment


def crop():
    rng = np.random.default_rng(1)
    steps = np.linspace(30, 220, 64).astype(np.uint8)
    picture = np.stack([np.tile(steps, (64, 1))] * 3, axis=2)
    return picture + rng.integers(0, 8, picture.shape, np.uint8)


def test_the_crop_is_left_and_another_of_its_kind_comes():
    before = crop()
    kept = before.copy()
    varied = [vary_tone(before, np.random.default_rng(seed)) for seed in range(40)]
    assert np.array_equal(before, kept)
    assert all(v.shape == before.shape and v.dtype == np.uint8 for v in varied)
    assert len({v.tobytes() for v in varied}) == 40


def test_tones_reach_from_dark_to_burnt_out_and_from_grey_to_coloured():
    coloured = crop()
    coloured[..., 2] //= 2
    varied = [vary_tone(coloured, np.random.default_rng(seed)) for seed in range(200)]
    means = [float(v.mean()) for v in varied]
    assert min(means) < 60 and max(means) > 180
    spread = [float((v.max(axis=2).astype(int) - v.min(axis=2)).mean()) for v in varied]
    assert min(spread) < 15 and max(spread) > 100
    assert any((v == 255).mean() > 0.3 for v in varied)
    assert any((v == 0).mean() > 0.3 for v in varied)


def test_what_is_in_the_crop_stays_in_its_place():
    # A face that the light moved would have another pose.
    rows = np.corrcoef(
        [vary_tone(crop(), np.random.default_rng(s)).mean(axis=(0, 2)) for s in range(60)]
    )
    plain = np.corrcoef([crop().mean(axis=(0, 2)), np.linspace(0, 1, 64)])[0, 1]
    assert plain > 0.99
    assert np.nanmedian(rows) > 0.5


def test_without_a_share_nothing_is_drawn_from_the_generator():
    picture = np.repeat(np.repeat(crop(), 2, axis=0), 2, axis=1)
    plain = augment(picture, np.eye(3), Augmentation(), np.random.default_rng(3))
    same = augment(picture, np.eye(3), Augmentation(tone_share=0.0), np.random.default_rng(3))
    other = augment(picture, np.eye(3), Augmentation(tone_share=1.0), np.random.default_rng(3))
    assert np.array_equal(plain[0], same[0])
    assert not np.array_equal(plain[0], other[0])
    assert np.array_equal(plain[1], other[1])
