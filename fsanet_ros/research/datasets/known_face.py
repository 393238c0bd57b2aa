"""The truth about one face in an image whose poses are known."""

from __future__ import annotations

from dataclasses import dataclass

from fsanet_ros.arrays import FloatArray
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.regions import Square


@dataclass(frozen=True, eq=False)
class KnownFace:
    """
    The truth about one face in an image.

    ``person``: a number that all faces of one person share. ``square``: the face square.
    ``rotation``: float64 [3, 3], R_optical relative to the camera's axis, or to the ray to the face
    if ``camera`` is None. ``position_m``: float64 [3], the sellion, None if unknown.
    """

    person: int
    square: Square
    rotation: FloatArray
    camera: CameraModel | None = None
    position_m: FloatArray | None = None
