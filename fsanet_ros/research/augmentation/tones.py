"""
The tones of photographs: contrast, exposure and colour as cameras, lamps and edits set them.

Rendered heads have the even tones of a renderer. Photographs are too dark or burnt out, lit from
one side, tinted or nearly grey, and shadows fall across them.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.types import Image

Light = NDArray[np.float32]


def vary_tone(crop: Image, rng: np.random.Generator) -> Image:
    """
    Return a crop in the tones of another photograph.

    :param crop: uint8 [s, s, 3] BGR; it is not changed
    :returns: uint8 [s, s, 3]
    """
    light = crop.astype(np.float32) * np.float32(1 / 255)
    if rng.random() < 0.35:
        light = light * _shading(crop.shape[0], rng)[..., None]
    grey = light @ np.array([0.114, 0.587, 0.299], np.float32)
    saturation = np.float32(rng.uniform(0.0, 1.8))
    light = grey[..., None] + saturation * (light - grey[..., None])
    light = light * np.exp(rng.normal(0.0, 0.12, 3)).astype(np.float32)
    return (255 * _curve(light, rng)).astype(np.uint8)


def _shading(size: int, rng: np.random.Generator) -> Light:
    """Return how much light falls where, float32 [size, size]: brighter on one side, or striped."""
    angle = rng.uniform(0.0, 2.0 * np.pi)
    line = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    along = np.float32(np.cos(angle)) * line[None] + np.float32(np.sin(angle)) * line[:, None]
    if rng.random() < 0.8:
        strength, edge = rng.uniform(0.3, 1.5), rng.uniform(0.5, 6.0)
        return np.exp(np.float32(strength) * np.tanh(np.float32(edge) * along) - 0.3)
    wave = np.sin(np.float32(rng.uniform(2.0, 12.0)) * along + np.float32(rng.uniform(0.0, 6.0)))
    dark = np.float32(rng.uniform(0.3, 0.8))
    return 1.0 - dark * (cv2.GaussianBlur(wave, (0, 0), 1.0) > 0).astype(np.float32)


def _curve(light: Light, rng: np.random.Generator) -> Light:
    """Return light, from 0, on a film's curve: its middle steeper or flatter, its ends cut off."""
    gamma = np.float32(np.exp(rng.normal(0.0, 0.35)))
    slope, middle = np.float32(np.exp(rng.normal(0.25, 0.4))), np.float32(rng.uniform(0.3, 0.6))
    bent = np.clip(light, 0.0, None) ** gamma
    return np.clip((bent - middle) * slope + np.float32(rng.uniform(0.35, 0.65)), 0.0, 1.0)
