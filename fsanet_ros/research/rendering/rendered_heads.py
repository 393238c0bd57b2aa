"""
Rendered people anywhere in front of cameras of several fields of view, with exact poses.

They check independently what was fitted on labelled photographs: other heads, other light, no label
noise, and known positions. Needs the head model (``rendering.head_model``).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fsanet_ros.geometry import rotations
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.research.datasets.known_face import KnownFace
from fsanet_ros.research.rendering import (
    Appearance,
    Figure,
    HeadModel,
    Lighting,
    blurred_room,
    compose,
    render_head,
)
from fsanet_ros.types import FloatArray, Image

WIDTH, HEIGHT = 640, 480
FOCALS_PX = (320.0, 600.0, 950.0)  # horizontal fields of view of 90, 56 and 37 degrees
MIN_DISTANCE_M, MAX_DISTANCE_M = 0.4, 4.0
POSES_PER_PERSON = 8
# Standard deviations and limits of yaw, pitch, roll relative to the ray, degrees.
_SPREAD_DEG = np.array([35.0, 12.0, 10.0])
_LIMIT_DEG = np.array([80.0, 35.0, 35.0])
_IDENTITY_SIGMAS = 10  # the other coefficients hardly show


def render_heads(
    count: int, seed: int, model: HeadModel | None = None
) -> Iterator[tuple[Image, KnownFace]]:
    """Yield images of random people, always the same for a seed; about one per second."""
    model = HeadModel.load() if model is None else model
    rng = np.random.default_rng(seed)
    person = 0
    figure = _person(model, rng)
    for number in range(count):
        if number // POSES_PER_PERSON > person:
            person, figure = person + 1, _person(model, rng)
        yield _scene(figure, person, rng)


def _person(model: HeadModel, rng: np.random.Generator) -> Figure:
    appearance = Appearance.random(int(rng.integers(2**31)))
    return Figure(model, appearance, rng.standard_normal(_IDENTITY_SIGMAS))


def _scene(figure: Figure, person: int, rng: np.random.Generator) -> tuple[Image, KnownFace]:
    while True:
        focal = float(rng.choice(FOCALS_PX))
        camera = CameraModel.pinhole(WIDTH, HEIGHT, focal)
        rotation, position = _pose(camera, rng)
        # A head that does not fit into the image is drawn again.
        head = figure.landmarks() @ rotation.T + position
        seen = camera.project(head) / (WIDTH, HEIGHT)
        if (seen > 0.02).all() and (seen < 0.98).all() and (head[:, 2] > 0.1).all():
            break
    expressions = {'jawOpen': float(rng.uniform(0.0, 0.4))} if rng.random() < 0.3 else {}
    rendered = render_head(
        figure,
        rotation,
        position,
        camera,
        expression=expressions,
        lighting=Lighting.random(int(rng.integers(2**31))),
    )
    image = compose(
        [rendered],
        blurred_room(WIDTH, HEIGHT, int(rng.integers(2**31))),
        noise=float(rng.uniform(0.0, 5.0)),
        seed=int(rng.integers(2**31)),
    )
    return image, KnownFace(person, rendered.square, rotation, camera, position)


def _pose(camera: CameraModel, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return a rotation in the optical frame and a position for a head somewhere in view."""
    pixel = rng.uniform((0.0, 0.0), (WIDTH, HEIGHT))
    ray = camera.rays([pixel])[0]
    distance = float(np.exp(rng.uniform(np.log(MIN_DISTANCE_M), np.log(MAX_DISTANCE_M))))
    angles = np.clip(rng.normal(0.0, _SPREAD_DEG), -_LIMIT_DEG, _LIMIT_DEG)
    in_crop = rotations.matrix_from_yaw_pitch_roll_deg(angles)
    position: FloatArray = distance * ray / np.linalg.norm(ray)
    return rotations.rotation_to_ray(ray) @ in_crop, position
