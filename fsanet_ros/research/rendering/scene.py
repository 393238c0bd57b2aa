"""Render heads of known pose in front of a background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

from fsanet_ros.arrays import FloatArray, Image
from fsanet_ros.geometry import rotations
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.research.rendering.appearance import Lighting, linear_from_srgb, srgb_from_linear
from fsanet_ros.research.rendering.figure import Figure
from fsanet_ros.research.rendering.rasterizer import rasterize
from fsanet_ros.research.rendering.shading import shade
from fsanet_ros.types import Square


@dataclass(frozen=True, eq=False)
class RenderedHead:
    """
    A head as the camera sees it, without background.

    ``alpha``: float64 [height, width], the share of each pixel that the head covers. ``light``:
    float64 [height, width, 3], linear red, green, blue, premultiplied with alpha.
    ``landmarks_px``: float64 [68, 2] in pixels, with (0, 0) at the outer corner of the first pixel
    as everywhere outside ``rendering``. ``square``: the face square around them. ``distance_m``:
    along the optical axis.
    """

    light: FloatArray
    alpha: FloatArray
    landmarks_px: FloatArray
    square: Square
    distance_m: float


def face_square(landmarks_px: FloatArray) -> Square:
    """Return the face square of landmarks, float64 [68, 2], in pixels."""
    low, high = landmarks_px.min(axis=0), landmarks_px.max(axis=0)
    center_x, center_y = (low + high) / 2
    return Square(float(center_x), float(center_y), float(np.sqrt(2.0) * (high - low).max()))


def render_head(
    figure: Figure,
    rotation_optical: ArrayLike,
    position_m: ArrayLike,
    camera: CameraModel,
    *,
    expression: Mapping[str, float] | None = None,
    lighting: Lighting | None = None,
    body_rotation: ArrayLike | None = None,
    supersampling: int = 2,
) -> RenderedHead:
    """
    Render one head.

    :param rotation_optical: [3, 3], in the camera's optical frame (not relative to the ray)
    :param position_m: [3], the sellion in the camera's optical frame
    :param expression: see ``HeadModel.shape``
    :param body_rotation: [3, 3]; by default the body follows the head a little
    :param supersampling: each pixel is the mean of this number squared of samples
    """
    rotation = np.asarray(rotation_optical, np.float64)
    position = np.asarray(position_m, np.float64)
    body = following_body(rotation) if body_rotation is None else np.asarray(body_rotation)
    vertices = figure.vertices(rotation, position, body, expression)
    # For boxes (0, 0) is the corner of the first pixel, for the rasterizer its centre.
    points_px = camera.project(vertices) * supersampling - 0.5
    depth = vertices[:, 2]
    nearness = np.where(depth > 0.01, 1.0 / np.maximum(depth, 0.01), np.nan)
    height, width = camera.height * supersampling, camera.width * supersampling
    drawn = rasterize(points_px, nearness, figure.triangles, width, height)
    layers = np.zeros((height * width, 4))
    layers[drawn.pixel, :3] = shade(figure, vertices, drawn, lighting or Lighting())
    layers[drawn.pixel, 3] = 1.0
    shape = (camera.height, supersampling, camera.width, supersampling, 4)
    layers = layers.reshape(shape).mean(axis=(1, 3))
    landmarks_px = camera.project(figure.landmarks(expression) @ rotation.T + position)
    return RenderedHead(
        light=layers[..., :3],
        alpha=layers[..., 3],
        landmarks_px=landmarks_px,
        square=face_square(landmarks_px),
        distance_m=float(position[2]),
    )


def following_body(rotation_optical: FloatArray) -> FloatArray:
    """Return the body's rotation under a head: part of the head's turn, little of its tilt."""
    yaw, pitch, roll = rotations.yaw_pitch_roll_deg_from_matrix(rotation_optical)
    return rotations.matrix_from_yaw_pitch_roll_deg([0.35 * yaw, 0.10 * pitch, 0.10 * roll])


def compose(
    heads: Sequence[RenderedHead], background: FloatArray, *, noise: float = 0.0, seed: int = 0
) -> Image:
    """
    Put heads in front of a background and take a picture.

    :param background: float64 [height, width, 3], linear red, green, blue
    :param noise: standard deviation of the sensor's noise, in values of 0 to 255
    :returns: uint8 [height, width, 3], BGR
    """
    light = background
    for head in sorted(heads, key=lambda head: -head.distance_m):
        light = head.light + (1.0 - head.alpha)[..., None] * light
    # Compress highlights instead of clipping them.
    light = np.where(light > 0.7, 0.7 + 0.3 * np.tanh((light - 0.7) / 0.3), light)
    picture = 255.0 * srgb_from_linear(light)[..., ::-1]
    picture = picture + np.random.default_rng(seed).normal(0.0, noise, picture.shape)
    image: Image = np.clip(np.round(picture), 0, 255).astype(np.uint8)
    return image


def blurred_room(width: int, height: int, seed: int = 0) -> FloatArray:
    """
    Return a plausible room out of focus, float64 [height, width, 3], linear.

    It has a wall that is lighter on one side, upright furniture, and spots of light.
    """
    rng = np.random.default_rng(seed)
    scale = height / 480.0
    across = np.linspace(1.0, 0.65, width)[None, :, None]
    down = np.linspace(1.05, 0.8, height)[:, None, None]
    room = np.ones((height, width, 3)) * linear_from_srgb((0.62, 0.63, 0.62)) * across * down
    for _ in range(7):
        x, w = int(rng.uniform(0, width)), int(rng.uniform(0.05, 0.2) * width)
        top = int(rng.uniform(0.05, 0.75) * height)
        color = linear_from_srgb(rng.uniform(0.25, 0.7) * rng.uniform(0.85, 1.0, 3))
        room[top:, max(0, x - w // 2) : x + w // 2] = color
    soft: FloatArray = cv2.GaussianBlur(room, (0, 0), 17.0 * scale)
    for _ in range(6):
        center = int(rng.uniform(0, width)), int(rng.uniform(0, 0.5 * height))
        spot = np.zeros((height, width))
        cv2.circle(spot, center, int(rng.uniform(6, 18) * scale), 1.0, -1)
        spot = cv2.GaussianBlur(spot, (0, 0), 2.5 * scale)
        soft = soft + 0.22 * spot[..., None] * linear_from_srgb((1.0, 0.9, 0.75))
    return soft
