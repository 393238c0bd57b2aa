"""
Rendered face squares with exact poses, to train on what photographs lack.

They show random people (``rendered_people``) in front of cameras at several distances: steep tilts,
profiles and beyond, in every light and with every skin. Needs the head model
(``rendering.head_model``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fsanet_ros.geometry import rotations
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.inference.crops import cut_crop
from fsanet_ros.research.rendering import (
    Figure,
    HeadModel,
    RenderedHead,
    compose,
    face_square,
    render_head,
)
from fsanet_ros.research.rendering.backgrounds import random_background
from fsanet_ros.research.rendering.rendered_people import (
    NOTHING_WORN,
    draw_expression,
    draw_lighting,
    draw_person,
)
from fsanet_ros.types import FloatArray, Image, Square

PICTURE_PX = 120
POSES_PER_PERSON = 20
#: The paper's range of angles, degrees; those of every turn reach all round.
MAX_ANGLE_DEG = 99.0
#: Limit of the angle between nose and camera for faces in the paper's range.
MAX_AWAY_DEG = 100.0
EVERY_TURN_SHARE = 0.08

_MIN_SIDE_PX, _MAX_SIDE_PX = 100, 150
_MARGIN_PX = 8  # around the square, in the rendered picture
DISTANCES_M, BARE_DISTANCES_M = (0.35, 3.0), (1.0, 4.0)
_OFF_AXIS_SIGMA, _MAX_OFF_AXIS = 0.2, 0.7  # tangents
_MAX_NECK_DEG = np.array([60.0, 30.0, 25.0])  # how far the head turns on the body
_MIN_BRIGHTNESS = 0.035  # linear, of the head's mean


@dataclass(frozen=True, eq=False)
class RenderedFace:
    """
    One face square and its pose.

    ``picture``: uint8 [120, 120, 3] BGR. ``rotation``: float64 [3, 3], R_optical relative to the
    ray to the square's centre. ``angles_deg``: float64 [3], yaw, pitch, roll of ``rotation``, with
    yaw beyond 90 if the face turns that far. ``landmarks_px``: float64 [68, 2], in the picture.
    ``in_range``: whether the pose was drawn from the paper's range. ``covered``: what hides parts
    of the head.
    """

    picture: Image
    rotation: FloatArray
    angles_deg: FloatArray
    landmarks_px: FloatArray
    in_range: bool
    covered: str = NOTHING_WORN


def render_person(
    model: HeadModel, count: int, seed: int, *, bare: bool = False
) -> Iterator[RenderedFace]:
    """
    Yield ``count`` faces of one person, the same for the same seed; about five a second.

    :param bare: nothing is worn, nobody nearer than a metre or turned away: as in photographs
    """
    rng = np.random.default_rng(seed)
    figure, covered = draw_person(model, rng, bare=bare)
    for _ in range(count):
        yield render_face(figure, covered, rng, bare=bare)


def draw_angles_deg(
    rng: np.random.Generator, every_turn_share: float = EVERY_TURN_SHARE
) -> tuple[FloatArray, bool]:
    """
    Draw yaw, pitch, roll, float64 [3] degrees; return also whether they are in the paper's range.

    The distribution is broad, with far more profiles and steep tilts than any set of photographs.
    """
    in_range = rng.random() >= every_turn_share
    while True:
        yaw = rng.normal(0.0, 35.0) if rng.random() < 0.5 else rng.uniform(-99.0, 99.0)
        pitch = rng.normal(0.0, 15.0) if rng.random() < 0.5 else rng.uniform(-75.0, 75.0)
        roll = rng.normal(0.0, 15.0) if rng.random() < 0.85 else rng.uniform(-60.0, 60.0)
        if not in_range:
            yaw = rng.uniform(-180.0, 180.0)
        angles = np.array([yaw, pitch, roll])
        seen = not in_range or away_deg(angles) <= MAX_AWAY_DEG
        if (
            seen
            and (np.abs(angles[1:]) <= (80.0, 60.0)).all()
            and (abs(yaw) <= (MAX_ANGLE_DEG if in_range else 180.0))
        ):
            return angles, in_range


def away_deg(angles_deg: FloatArray) -> float:
    """Return the angle between the directions of the nose and to the camera, degrees."""
    toward = -rotations.nose_direction(rotations.matrix_from_yaw_pitch_roll_deg(angles_deg))[2]
    return float(np.degrees(np.arccos(np.clip(toward, -1.0, 1.0))))


def render_face(
    figure: Figure, covered: str, rng: np.random.Generator, *, bare: bool = False
) -> RenderedFace:
    """Render a person's face with a random pose and expression, in random light."""
    angles, in_range = draw_angles_deg(rng, 0.0 if bare else EVERY_TURN_SHARE)
    distances = BARE_DISTANCES_M if bare else DISTANCES_M
    expression = draw_expression(figure.model.expression_names, rng, covered)
    in_crop = rotations.matrix_from_yaw_pitch_roll_deg(angles)
    camera, rotation, position = _place(figure.landmarks(expression), in_crop, distances, rng)
    head = render_head(
        figure,
        rotation,
        position,
        camera,
        expression=expression,
        lighting=draw_lighting(rng),
        body_rotation=_body(angles, rotation @ in_crop.T, rng),
    )
    gain = _exposure(head)
    image = compose(
        [replace(head, light=gain * head.light)],
        gain * random_background(camera.width, camera.height, rng),
        noise=float(rng.uniform(0.0, 5.0)),
        seed=int(rng.integers(2**31)),
    )
    ray = camera.rays([(head.square.center_x, head.square.center_y)])[0]
    exact = rotations.rotation_to_ray(ray).T @ rotation
    return RenderedFace(
        picture=cut_crop(image, head.square, PICTURE_PX),
        rotation=exact,
        angles_deg=_angles_near(exact, angles),
        landmarks_px=_in_crop(head.landmarks_px, head.square),
        in_range=in_range,
        covered=covered,
    )


def _exposure(head: RenderedHead) -> float:
    """Return the factor by which the camera brightens a picture that is too dark."""
    brightness = float(head.light.sum() / (3.0 * head.alpha.sum()))
    return max(1.0, _MIN_BRIGHTNESS / brightness)


def _place(
    landmarks_m: FloatArray,
    in_crop: FloatArray,
    distances_m: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[CameraModel, FloatArray, FloatArray]:
    """
    Return a camera, and the head's rotation and position in its optical frame.

    The camera's picture is a part of a wider one, with the face square in its middle.

    :param landmarks_m: float64 [68, 3], in the head frame
    :param in_crop: float64 [3, 3], R_optical relative to the ray
    """
    side = float(rng.integers(_MIN_SIDE_PX, _MAX_SIDE_PX + 1))
    distance = float(np.exp(rng.uniform(*np.log(distances_m))))
    slope = np.clip(rng.normal(0.0, _OFF_AXIS_SIGMA, 2), -_MAX_OFF_AXIS, _MAX_OFF_AXIS)
    ray = np.array([slope[0], slope[1], 1.0])
    size = round(side) + 2 * _MARGIN_PX
    rotation = rotations.rotation_to_ray(ray) @ in_crop
    position = distance * ray / np.linalg.norm(ray)
    turned = landmarks_m @ rotation.T
    focal = 600.0
    # The square's position depends on perspective, so its centre is moved to the ray in rounds.
    for _ in range(6):
        center = size / 2 - 0.5 - focal * slope
        camera = CameraModel.pinhole(size, size, focal, (float(center[0]), float(center[1])))
        square = face_square(camera.project(turned + position))
        off = np.array([square.center_x, square.center_y]) - size / 2
        position[:2] -= off * position[2] / focal
        focal *= side / square.side
    return camera, rotation, position


def _body(angles_deg: FloatArray, to_ray: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the body's rotation; the neck takes part of the head's turn, within its limits."""
    share = rng.uniform(0.2, 1.0, 3)
    neck = np.clip(share * angles_deg, -_MAX_NECK_DEG, _MAX_NECK_DEG)
    body: FloatArray = to_ray @ rotations.matrix_from_yaw_pitch_roll_deg(angles_deg - neck)
    return body


def _angles_near(rotation: FloatArray, angles_deg: FloatArray) -> FloatArray:
    """Return yaw, pitch, roll of a rotation: of the two solutions the one closer to another."""
    angles = rotations.yaw_pitch_roll_deg_from_matrix(rotation)
    other = np.array([180.0, 180.0, 180.0]) + angles * (-1.0, 1.0, 1.0)
    both = np.stack([angles, other])
    differences = (both - angles_deg + 180.0) % 360.0 - 180.0
    nearer: FloatArray = angles_deg + differences[np.abs(differences).sum(axis=1).argmin()]
    return nearer


def _in_crop(points_px: FloatArray, square: Square) -> FloatArray:
    """Convert points from the image to the pixels of ``cut_crop``'s picture."""
    side = round(square.side)
    corner = round(square.center_x - square.side / 2), round(square.center_y - square.side / 2)
    inside: FloatArray = (points_px - corner) * (PICTURE_PX / side)
    return inside
