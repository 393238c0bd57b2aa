"""The truth about one face in an image: what pictures of known poses come with."""

from __future__ import annotations

from dataclasses import dataclass

from fsanet_ros.arrays import FloatArray
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.regions import Square


@dataclass(frozen=True, eq=False)
class KnownFace:
    """
    The truth about one face in an image.

    ``person``: a number; the faces of a person have the same. ``square``: its face square.
    ``rotation``: float64 [3, 3], R_optical against the axis of the camera, or where ``camera`` is
    None, against the ray to the face. ``position_m``: float64 [3], the sellion, None if unknown.
    """

    person: int
    square: Square
    rotation: FloatArray
    camera: CameraModel | None = None
    position_m: FloatArray | None = None
