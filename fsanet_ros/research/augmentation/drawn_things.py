"""
Things drawn onto photographs of faces whose pose is known: masks, glasses, hats and hands.

The mean head's landmarks, turned like the face and laid into its face square, say where eyes, nose
and jaw are; good to a few per cent of the square. Nothing is copied from other pictures.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.geometry.face_model import LANDMARKS_68_M

FloatArray = NDArray[np.float64]
Picture = NDArray[np.uint8]

KINDS = ('mask', 'glasses', 'hat', 'hand')
_SHARES = (0.4, 0.25, 0.15, 0.2)
_CLOTHS = ((215, 190, 150), (235, 235, 235), (30, 28, 28))  # BGR: medical blue, white, black
_SHIFT_BITS = 3  # of OpenCV's coordinates, for edges between pixels
_JAW, _EARS = np.arange(2, 15), (0, 16)
_BRIDGE, _TIP = (28, 29), 30
_LOUPE = np.linspace(0.0, 2 * np.pi, 14, endpoint=False)


def draw_thing(
    picture: Picture, rotation: FloatArray, rng: np.random.Generator, kind: str | None = None
) -> Picture:
    """
    Return a face square with something drawn on the face.

    :param picture: uint8 [s, s, 3] BGR, a face square; it is not changed
    :param rotation: float64 [3, 3], R_optical
    :param kind: of KINDS; None: one of them at random
    """
    if kind is None:
        kind = str(rng.choice(KINDS, p=_SHARES))
    drawn = picture.copy()
    place = _Placed(rotation, picture.shape[0])
    {'mask': _mask, 'glasses': _glasses, 'hat': _hat, 'hand': _hand}[kind](drawn, place, rng)
    return drawn


class _Placed:
    """Where points of the mean head are in the picture."""

    def __init__(self, rotation: FloatArray, side_px: int) -> None:
        turned = LANDMARKS_68_M @ rotation.T
        low, high = turned[:, :2].min(axis=0), turned[:, :2].max(axis=0)
        self._rotation = rotation
        self._middle = (low + high) / 2
        self.px_per_m = side_px / (np.sqrt(2.0) * float((high - low).max()))
        self._side = side_px

    def __call__(self, points_m: FloatArray) -> FloatArray:
        """Return the pixels, float64 [n, 2], of points of the head, [n, 3] metres."""
        flat = (np.atleast_2d(points_m) @ self._rotation.T)[:, :2]
        pixels: FloatArray = (flat - self._middle) * self.px_per_m + self._side / 2
        return pixels

    def faces_camera(self, outward: FloatArray) -> bool:
        """Tell whether a direction of the head points to the camera."""
        return bool((self._rotation @ outward)[2] < 0.1)


def _mask(picture: Picture, place: _Placed, rng: np.random.Generator) -> None:
    """Draw a mask from the bridge of the nose to below the chin, with its straps."""
    top = LANDMARKS_68_M[_BRIDGE[int(rng.integers(2))]] + (0.0, rng.uniform(-0.006, 0.012), 0.0)
    jaw = LANDMARKS_68_M[_JAW] * (1.03, 1.0, 1.0) + (0.0, 0.004, -0.004)
    tip = LANDMARKS_68_M[_TIP] + (0.0, 0.0, -0.006)
    outline = place(np.vstack([top, tip, jaw]))
    colour = _cloth(rng)
    for ear, end in zip(_EARS, (jaw[0], jaw[-1]), strict=True):
        if place.faces_camera(np.array([np.sign(LANDMARKS_68_M[ear, 0]), 0.0, -0.4])):
            strap = place(np.stack([LANDMARKS_68_M[ear], end]))
            _line(picture, strap, colour, max(1, round(0.004 * place.px_per_m)))
    _paint(picture, cv2.convexHull(outline.astype(np.float32))[:, 0], colour, rng)


def _glasses(picture: Picture, place: _Placed, rng: np.random.Generator) -> None:
    dark = rng.random() < 0.5
    frame = tuple(float(c) for c in rng.uniform(10, 90, 3))
    half = rng.uniform((0.023, 0.014), (0.031, 0.024))
    power = rng.uniform(0.5, 1.0)
    circle = np.stack([np.cos(_LOUPE), np.sin(_LOUPE)], axis=1)
    lens = np.sign(circle) * np.abs(circle) ** power * half
    thick = max(1, round(rng.uniform(0.0015, 0.004) * place.px_per_m))
    centers = [LANDMARKS_68_M[i : i + 6].mean(axis=0) for i in (36, 42)]
    for center, ear in zip(centers, _EARS, strict=True):
        rim = np.column_stack([lens + center[:2], np.full(len(lens), center[2] - 0.012)])
        # Glasses follow the face round.
        rim[:, 2] += 0.25 * (np.abs(rim[:, 0]) - abs(center[0]))
        outline = place(rim)
        if dark:
            _paint(picture, outline, tuple(c * 0.5 for c in frame), rng, rng.uniform(0.6, 1.0))
        _line(picture, np.vstack([outline, outline[:1]]), frame, thick)
        if place.faces_camera(np.array([np.sign(center[0]), 0.0, -0.3])):
            corner = np.array([1.9 * center[0], center[1] - 0.004, center[2]])
            _line(
                picture,
                place(np.stack([corner, LANDMARKS_68_M[ear] - (0, 0.01, -0.02)])),
                frame,
                thick,
            )
    bridge = np.array([[-0.011, 0.0, -0.004], [0.011, 0.0, -0.004]])
    _line(picture, place(bridge), frame, thick)


def _hat(picture: Picture, place: _Placed, rng: np.random.Generator) -> None:
    """Draw what covers the forehead and all above it."""
    edge = rng.uniform(-0.055, -0.022)
    ring = np.stack([0.082 * np.cos(_LOUPE), 0 * _LOUPE, 0.085 + 0.098 * np.sin(_LOUPE)], axis=1)
    low = ring + np.array([0.0, edge, 0.0])
    high = 0.9 * ring + np.array([0.0, -0.16, 0.0])
    outline = cv2.convexHull(place(np.vstack([low, high])).astype(np.float32))[:, 0]
    _paint(picture, outline, _cloth(rng), rng)
    if rng.random() < 0.4:
        out = rng.uniform(0.03, 0.07)
        peak = low[8:14] + np.array([0.0, 0.004, 0.0])
        brim = place(np.vstack([peak, peak + np.array([0.0, 0.01, -out])]))
        _paint(picture, cv2.convexHull(brim.astype(np.float32))[:, 0], _cloth(rng), rng)


def _hand(picture: Picture, place: _Placed, rng: np.random.Generator) -> None:
    """Draw fingers of about the face's colour over a part of the face, from its edge."""
    onto = LANDMARKS_68_M[int(rng.choice([8, 4, 12, 30, 51, 57, 37, 44, 19, 24]))]
    target = place(onto)[0]
    skin = np.median(picture[40:80, 40:80].reshape(-1, 3), axis=0) * rng.uniform(0.7, 1.2)
    colour = tuple(float(c) for c in np.clip(skin + rng.normal(0, 6, 3), 0, 255))
    angle = rng.uniform(0, 2 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    width = rng.uniform(0.013, 0.020) * place.px_per_m
    for finger in range(int(rng.integers(2, 5))):
        tip = target + across * width * (finger - 1.5) + along * rng.uniform(-0.3, 0.3) * width
        ends = np.stack([tip, tip + along * 0.09 * place.px_per_m])
        shade = tuple(c * rng.uniform(0.85, 1.05) for c in colour)
        _line(picture, ends, tuple(0.6 * c for c in shade), max(1, round(width + 1)))
        _line(picture, ends, shade, max(1, round(0.85 * width)))


def _cloth(rng: np.random.Generator) -> tuple[float, ...]:
    chosen = int(rng.integers(len(_CLOTHS) + 1))
    if chosen == len(_CLOTHS):
        return tuple(float(c) for c in rng.uniform(20, 235, 3))
    return tuple(float(c) for c in np.array(_CLOTHS[chosen]) * rng.uniform(0.75, 1.05))


def _paint(
    picture: Picture,
    outline: FloatArray,
    colour: tuple[float, ...],
    rng: np.random.Generator,
    opaque: float = 1.0,
) -> None:
    """Fill an outline with cloth: a colour, lit from a side, in the light of the picture."""
    shape = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(shape, [_fixed(outline)], 255, cv2.LINE_AA, _SHIFT_BITS)
    side = picture.shape[0]
    towards = rng.normal(0.0, 0.35, 2)
    line = np.linspace(-1.0, 1.0, side, dtype=np.float32)
    light = 1.0 + np.float32(towards[0]) * line[None] + np.float32(towards[1]) * line[:, None]
    # As bright as the picture is: a white mask in a dark room is dark.
    exposure = np.clip(float(picture.mean()) / 110.0, 0.25, 1.3)
    paint = np.clip(light * np.float32(exposure), 0.1, 2.0)[..., None] * np.array(
        colour, np.float32
    )
    share = (np.float32(opaque / 255.0) * shape)[..., None]
    mixed = picture * (1.0 - share) + np.clip(paint, 0, 255) * share
    picture[:] = mixed.astype(np.uint8)


def _line(picture: Picture, points: FloatArray, colour: tuple[float, ...], thick: int) -> None:
    cv2.polylines(picture, [_fixed(points)], False, colour, thick, cv2.LINE_AA, _SHIFT_BITS)


def _fixed(points: FloatArray) -> NDArray[np.int32]:
    return np.round(np.asarray(points) * 2**_SHIFT_BITS).astype(np.int32)
