"""Backgrounds: cheap pictures with many colours, lights and textures."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from fsanet_ros.arrays import FloatArray
from fsanet_ros.research.rendering.appearance import linear_from_srgb
from fsanet_ros.research.rendering.scene import blurred_room


def random_background(width: int, height: int, rng: np.random.Generator) -> FloatArray:
    """Draw one of the backgrounds below, float64 [height, width, 3], linear red, green, blue."""
    kinds = (tinted_room, plain_wall, color_gradient, textured_noise, scattered_shapes)
    kind = kinds[int(rng.choice(len(kinds), p=[0.3, 0.1, 0.15, 0.2, 0.25]))]
    return kind(width, height, rng)


def tinted_room(width: int, height: int, rng: np.random.Generator) -> FloatArray:
    """Return part of a blurred room, in light of a random colour and strength."""
    grown = float(rng.uniform(1.0, 3.0))
    room = blurred_room(round(width * grown), round(height * grown), int(rng.integers(2**31)))
    x = int(rng.integers(room.shape[1] - width + 1))
    y = int(rng.integers(room.shape[0] - height + 1))
    tint = np.exp(rng.normal(0.0, 0.25, 3) + rng.normal(-0.3, 0.6))
    window: FloatArray = room[y : y + height, x : x + width] * tint
    return window


def plain_wall(width: int, height: int, rng: np.random.Generator) -> FloatArray:
    """Return one colour, from black to white."""
    wall: FloatArray = np.broadcast_to(_color(rng), (height, width, 3)).copy()
    return wall


def color_gradient(width: int, height: int, rng: np.random.Generator) -> FloatArray:
    """Return a ramp between two colours in any direction."""
    angle = rng.uniform(0.0, 2.0 * np.pi)
    across = np.linspace(-0.5, 0.5, width)[None, :] * np.cos(angle)
    down = np.linspace(-0.5, 0.5, height)[:, None] * np.sin(angle)
    share = np.clip(0.5 + rng.uniform(0.5, 2.0) * (across + down), 0.0, 1.0)[..., None]
    ramp: FloatArray = share * _color(rng) + (1.0 - share) * _color(rng)
    return ramp


def textured_noise(width: int, height: int, rng: np.random.Generator) -> FloatArray:
    """Return foliage, plaster or cloth: noise of two colours with features of any size."""
    first = np.exp(rng.uniform(np.log(0.01), np.log(0.3))) * height
    total = np.zeros((height, width))
    for octave in range(4):
        cells = max(2, round(width / max(1.0, first / 2**octave)))
        coarse = rng.uniform(-1.0, 1.0, (min(cells, height), min(cells, width)))
        total += 0.6**octave * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    share = np.clip(0.5 + 0.5 * rng.uniform(0.5, 1.5) * total, 0.0, 1.0)[..., None]
    noise: FloatArray = share * _color(rng) + (1.0 - share) * _color(rng)
    return noise


def scattered_shapes(width: int, height: int, rng: np.random.Generator) -> FloatArray:
    """Return a crowd of rectangles, discs and bars, sharp or out of focus."""
    picture = np.broadcast_to(_color(rng), (height, width, 3)).copy()
    shapes: tuple[Callable[..., object], ...] = (_rectangle, _disc, _bar)
    for _ in range(int(rng.integers(4, 25))):
        color = tuple(float(value) for value in _color(rng))
        shapes[int(rng.integers(len(shapes)))](picture, color, rng)
    blur = float(rng.choice([0.0, rng.uniform(0.5, 8.0)])) * height / 160.0
    return cv2.GaussianBlur(picture, (0, 0), blur) if blur else picture


def _color(rng: np.random.Generator) -> FloatArray:
    """Return a random linear colour, more often greyish than pure."""
    grey, purity = rng.uniform(0.02, 0.98), rng.choice([0.03, 0.10, 0.30], p=[0.4, 0.4, 0.2])
    return linear_from_srgb(np.clip(grey + rng.normal(0.0, purity, 3), 0.0, 1.0))


def _point(picture: FloatArray, rng: np.random.Generator) -> tuple[int, int]:
    height, width = picture.shape[:2]
    return int(rng.integers(width)), int(rng.integers(height))


def _rectangle(picture: FloatArray, color: tuple[float, ...], rng: np.random.Generator) -> None:
    cv2.rectangle(picture, _point(picture, rng), _point(picture, rng), color, -1)


def _disc(picture: FloatArray, color: tuple[float, ...], rng: np.random.Generator) -> None:
    radius = int(rng.uniform(0.02, 0.25) * picture.shape[0])
    cv2.circle(picture, _point(picture, rng), radius, color, -1)


def _bar(picture: FloatArray, color: tuple[float, ...], rng: np.random.Generator) -> None:
    thickness = 1 + int(rng.uniform(0.0, 0.12) * picture.shape[0])
    cv2.line(picture, _point(picture, rng), _point(picture, rng), color, thickness)
