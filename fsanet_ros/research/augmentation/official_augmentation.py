"""
Augment crops as FSA-Net's authors do: parts of the crop, bars at its sides, zoom.

This follows the description of their training code (TYY_generators.py). It works on the 64 x 64
crops and does not change the labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.arrays import Image


@dataclass(frozen=True)
class OfficialAugmentation:
    """
    How much to vary; shares are probabilities, widths are in pixels of the crop.

    A crop is cut and stretched, or cut and placed on black or white, or left alone; then it may be
    zoomed. ``width_max``: the most rows and columns to cut away.
    """

    cut_share: float = 0.25
    black_share: float = 0.25
    white_share: float = 0.25
    width_max: int = 15
    zoom_share: float = 0.7
    zoom_min: float = 0.8
    zoom_max: float = 1.2


def augment_official(
    crop: Image, settings: OfficialAugmentation, rng: np.random.Generator
) -> Image:
    """
    Return a varied copy of a crop.

    :param crop: uint8 [s, s, 3], s above ``width_max``
    :returns: uint8 [s, s, 3]
    """
    kind = rng.random()
    black = settings.cut_share + settings.black_share
    if kind < settings.cut_share:
        crop = _stretched(_part(crop, settings, rng), crop.shape[0])
    elif kind < black:
        crop = _on_colour(_part(crop, settings, rng), crop.shape[0], 0, rng)
    elif kind < black + settings.white_share:
        crop = _on_colour(_part(crop, settings, rng), crop.shape[0], 255, rng)
    if rng.random() < settings.zoom_share:
        crop = _zoomed(crop, rng.uniform(settings.zoom_min, settings.zoom_max, 2))
    return crop


def _part(crop: Image, settings: OfficialAugmentation, rng: np.random.Generator) -> Image:
    """Return the crop without 1 to ``width_max`` of its rows and as many of its columns."""
    width = int(rng.integers(1, settings.width_max + 1))
    x, y = rng.integers(width, size=2)
    side = crop.shape[0] - width
    return crop[y : y + side, x : x + side]


def _stretched(part: Image, size: int) -> Image:
    return np.asarray(cv2.resize(part, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)


def _on_colour(part: Image, size: int, colour: int, rng: np.random.Generator) -> Image:
    side = part.shape[0]
    x, y = rng.integers(size - side, size=2)
    result = np.full((size, size, 3), colour, np.uint8)
    result[y : y + side, x : x + side] = part
    return result


def _zoomed(crop: Image, factors: NDArray[np.float64]) -> Image:
    # As Keras' random_zoom of that time: width and height have their own factors, the centre is
    # half a pixel off, pixels are the nearest, and the border is repeated.
    size = crop.shape[0]
    middle = size / 2 + 0.5
    matrix = np.column_stack([np.diag(factors), (1 - factors) * middle])
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    zoomed = cv2.warpAffine(
        crop, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(zoomed, np.uint8)
