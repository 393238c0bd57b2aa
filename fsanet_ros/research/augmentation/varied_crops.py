"""
Augment labelled faces: geometry with its effect on the rotation, then light and sensor.

The label turns with the picture as a matrix; Euler angles are read off at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.arrays import FloatArray, Image
from fsanet_ros.geometry import rotations
from fsanet_ros.inference.crops import NETWORK_SIZE, cut_crop
from fsanet_ros.research.augmentation.drawn_things import draw_thing
from fsanet_ros.research.augmentation.tones import vary_tone
from fsanet_ros.types import Square

_BORDERS = (cv2.BORDER_CONSTANT, cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101)


@dataclass(frozen=True)
class Augmentation:
    """
    How far to vary; shares are probabilities, lengths are in units of the face square.

    ``circle_share``: of faces that are turned in the plane by any angle up to ``circle_max_deg``,
    clockwise or not. ``dark_share``: of
    pictures in a tenth to half of the light, with the noise of it. ``infrared_share``: of pictures
    as a camera with a lamp of its own takes them in the dark. ``thing_share``: of faces onto which
    a mask, glasses, a hat or a hand is drawn (drawn_things). ``tone_share``: of pictures in the
    tones of another photograph (tones).
    ``cover_share``: of faces of which the lower half (a mask, a scarf) or a part anywhere (a hand,
    a cup, glasses) is covered. ``blur_sigma_max`` is in pixels of the crop.
    """

    mirror_share: float = 0.5
    roll_share: float = 0.6
    roll_sigma_deg: float = 12.0
    scale_min: float = 0.78
    scale_max: float = 1.06
    shift_sigma: float = 0.03
    gain_sigma: float = 0.2
    offset_sigma: float = 15.0
    colour_sigma: float = 0.05
    grey_share: float = 0.15
    low_resolution_share: float = 0.25
    low_resolution_min: int = 20
    noise_share: float = 0.3
    noise_sigma_max: float = 10.0
    bar_share: float = 0.1
    bar_max: float = 0.25
    blur_share: float = 0.0
    blur_sigma_max: float = 1.5
    jpeg_share: float = 0.0
    jpeg_quality_min: int = 15
    dark_share: float = 0.0
    cover_share: float = 0.0
    circle_share: float = 0.0
    circle_max_deg: float = 180.0
    infrared_share: float = 0.0
    thing_share: float = 0.0
    tone_share: float = 0.0


def augment(
    picture: Image, rotation: FloatArray, settings: Augmentation, rng: np.random.Generator
) -> tuple[Image, FloatArray]:
    """
    Return a varied network crop of a face square, and its rotation.

    :param picture: uint8 [s, s, 3], the face square
    :param rotation: float64 [3, 3], R_optical
    :returns: uint8 [64, 64, 3], float64 [3, 3]
    """
    # A share of 0 draws nothing, so that older recipes give what they gave.
    if settings.thing_share and rng.random() < settings.thing_share:
        picture = draw_thing(picture, rotation, rng)
    mirror = rng.random() < settings.mirror_share
    if mirror:
        rotation = rotations.mirrored(rotation)
    turn_deg = 0.0
    if rng.random() < settings.roll_share:
        turn_deg = float(np.clip(rng.normal(0, settings.roll_sigma_deg), -60, 60))
    border = cv2.BORDER_CONSTANT
    if settings.circle_share and rng.random() < settings.circle_share:
        turn_deg = rng.uniform(-settings.circle_max_deg, settings.circle_max_deg)
        # Black corners of a turned picture would give away the angle.
        border = _BORDERS[int(rng.integers(len(_BORDERS)))]
    scale = rng.uniform(settings.scale_min, settings.scale_max)
    shift = rng.normal(0, settings.shift_sigma, 2)
    antialias = bool(rng.random() < 0.5)
    crop = _warp(picture, bool(mirror), turn_deg, scale, shift, antialias, border)
    return _vary_pixels(crop, settings, rng), turn_in_plane(rotation, turn_deg)


def turn_in_plane(rotation: FloatArray, turn_deg: float) -> FloatArray:
    """Return R_optical after the picture was turned clockwise by an angle."""
    turned: FloatArray = rotations.matrix_from_yaw_pitch_roll_deg([0.0, 0.0, turn_deg]) @ rotation
    return turned


def central_crops(pictures: Image, scale: float, size: int = NETWORK_SIZE) -> Image:
    """
    Return what the network sees of face squares in use: the central part, unvaried.

    :param pictures: uint8 [n, s, s, 3]
    :param scale: the crop's side in units of the face square
    :returns: uint8 [n, 64, 64, 3]
    """
    side = pictures.shape[1]
    square = Square(side / 2, side / 2, side * scale)
    return np.stack([cut_crop(picture, square, size) for picture in pictures])


def _warp(
    picture: Image,
    mirror: bool,
    turn_deg: float,
    scale: float,
    shift: FloatArray,
    antialias: bool,
    border: int,
) -> Image:
    # Crops in use shrink by area averaging; half of the samples do too, the other half alias, so
    # that the network knows pictures that somebody else has resized.
    size = NETWORK_SIZE * (2 if antialias else 1)
    crop = seen_from(picture, size, mirror, turn_deg, scale, shift, border)
    if antialias:
        crop = cv2.resize(crop, (NETWORK_SIZE, NETWORK_SIZE), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)


def seen_from(
    picture: Image,
    size: int,
    mirror: bool,
    turn_deg: float,
    scale: float,
    shift: FloatArray,
    border: int = cv2.BORDER_CONSTANT,
) -> Image:
    """
    Return a part of a square picture: shifted, scaled, turned clockwise and mirrored.

    :param picture: uint8 [s, s, 3]
    :param size: pixels of the result's sides
    :param scale: the part's side in units of the picture's
    :param shift: float64 [2], of the part's middle to the right and down, in the same units
    :param border: OpenCV's, what is beyond the picture; black by default
    :returns: uint8 [size, size, 3], by linear interpolation
    """
    side = picture.shape[0]
    angle = np.radians(turn_deg)
    # From the result's pixels, centred, back to the picture's.
    step = scale * side / size
    back = step * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    if mirror:
        back = np.diag([-1.0, 1.0]) @ back
    center = (size - 1) / 2
    origin = (side - 1) / 2 + shift * side - back @ (center, center)
    matrix = np.column_stack([back, origin])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(picture, matrix, (size, size), flags=flags, borderMode=border)
    return np.asarray(seen, np.uint8)


def _vary_pixels(crop: Image, settings: Augmentation, rng: np.random.Generator) -> Image:
    size = crop.shape[0]
    if settings.cover_share and rng.random() < settings.cover_share:
        _cover(crop, rng)
    if settings.tone_share and rng.random() < settings.tone_share:
        crop = vary_tone(crop, rng)
    if settings.blur_share and rng.random() < settings.blur_share:
        crop = _blurred(crop, rng.uniform(0.3, settings.blur_sigma_max), rng)
    if rng.random() < settings.low_resolution_share:
        small = int(rng.integers(settings.low_resolution_min, size))
        shrunk = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
        crop = np.asarray(cv2.resize(shrunk, (size, size), interpolation=cv2.INTER_LINEAR))
    if rng.random() < settings.grey_share:
        crop = np.asarray(cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))
    gain = np.exp(rng.normal(0, settings.gain_sigma) + rng.normal(0, settings.colour_sigma, 3))
    varied = crop * gain.astype(np.float32) + np.float32(rng.normal(0, settings.offset_sigma))
    if settings.infrared_share and rng.random() < settings.infrared_share:
        varied = _infrared(varied, rng)
    if rng.random() < settings.noise_share:
        sigma = rng.uniform(0, settings.noise_sigma_max)
        varied += rng.standard_normal(crop.shape, np.float32) * np.float32(sigma)
    if settings.dark_share and rng.random() < settings.dark_share:
        varied *= np.float32(rng.uniform(0.1, 0.5))
        varied += rng.standard_normal(crop.shape, np.float32) * np.float32(rng.uniform(1, 6))
    result = np.clip(varied, 0, 255).astype(np.uint8)
    if settings.jpeg_share and rng.random() < settings.jpeg_share:
        result = compressed(result, int(rng.integers(settings.jpeg_quality_min, 90)))
    if rng.random() < settings.bar_share:
        _blacken_side(result, int(rng.uniform(0, settings.bar_max) * size), int(rng.integers(4)))
    return result


def _infrared(light: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a picture as by a lamp at the camera: grey, bright skin, dark behind and around."""
    size = light.shape[0]
    grey = (light * np.float32(1 / 255)).clip(0, 1) @ np.array([0.1, 0.3, 0.6], np.float32)
    line = np.linspace(-1, 1, size, dtype=np.float32) ** 2
    lamp = np.exp(-np.float32(rng.uniform(0.2, 1.5)) * (line[None] + line[:, None]))
    seen = np.float32(rng.uniform(0.8, 1.5)) * grey ** np.float32(rng.uniform(0.5, 1.3)) * lamp
    noisy = 255 * seen + rng.standard_normal(seen.shape, np.float32) * np.float32(rng.uniform(1, 8))
    return np.repeat(noisy[..., None], 3, axis=2)


def _blacken_side(crop: Image, width: int, side: int) -> None:
    # What a crop looks like that reaches beyond the image's border.
    strips = [np.s_[:width], np.s_[crop.shape[0] - width :]]
    if side < 2:
        crop[strips[side]] = 0
    else:
        crop[:, strips[side - 2]] = 0


def _cover(crop: Image, rng: np.random.Generator) -> None:
    """Paint over the lower half, as a mask does, or over a part anywhere."""
    size = crop.shape[0]
    colour = rng.integers(0, 256, 3).astype(np.float32)
    if rng.random() < 0.5:
        top = size * rng.uniform(0.5, 0.65)
        slope, sag = rng.uniform(-0.25, 0.25), size * rng.uniform(-0.05, 0.12)
        x = np.linspace(-0.5, 0.5, 9)
        edge = top + size * slope * x + sag * (1 - 4 * x**2)
        points = np.column_stack([(x + 0.5) * size, edge])
        points = np.vstack([points, [(size, size), (0, size)]])
    else:
        center, angle = rng.uniform(0.1, 0.9, 2) * size, rng.uniform(0, np.pi)
        half = rng.uniform(0.05, 0.22, 2) * size
        turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        ellipse = np.column_stack([np.cos(turn), np.sin(turn)]) * half
        c, s = np.cos(angle), np.sin(angle)
        points = center + ellipse @ np.array([[c, s], [-s, c]])
    shape = np.zeros((size, size), np.uint8)
    cv2.fillPoly(shape, [np.round(points).astype(np.int32)], 255)
    # Cloth and skin are not of one colour: a gradient and a grain.
    shade = np.linspace(rng.uniform(0.6, 1.2), rng.uniform(0.6, 1.2), size, dtype=np.float32)
    paint = colour * shade[:, None, None] + rng.normal(0, 4, crop.shape)
    inside = shape > 0
    crop[inside] = np.clip(paint, 0, 255).astype(np.uint8)[inside]


def _blurred(crop: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Return a crop out of focus or, as often, smeared by motion."""
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma), np.uint8)
    length = 2 * sigma * np.array([np.cos(a := rng.uniform(0, np.pi)), np.sin(a)])
    kernel = np.zeros((9, 9), np.float32)
    for t in np.linspace(-1, 1, 17):
        kernel[tuple(np.round(4 + t * length[::-1]).astype(int).clip(0, 8))] += 1
    return np.asarray(cv2.filter2D(crop, -1, kernel / kernel.sum()), np.uint8)


def compressed(picture: Image, quality: int) -> Image:
    """Return a picture, uint8 [h, w, 3], as JPEG of a quality of 0 to 100 leaves it."""
    _, data = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
