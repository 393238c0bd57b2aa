"""
The clip that ships with the package, and the truth about it.

``fsanet_ros.tools.make_clip`` made it: two rendered heads whose poses are known exactly, then a
photograph of the astronaut Eileen Collins (NASA, public domain) that turns in its plane.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fsanet_ros.arrays import FloatArray
from fsanet_ros.files.untrusted import read_rows
from fsanet_ros.geometry import rotations
from fsanet_ros.types import Square

_FOLDER = Path(__file__).parent
#: 640 x 480, MPEG-4 part 2, which every build of OpenCV reads.
CLIP: Path = _FOLDER / 'clip.mp4'
#: One row per face and frame; see ``FaceTruth``.
CLIP_POSES: Path = _FOLDER / 'clip_poses.csv'
#: The camera of the clip, as camera_calibration writes it.
CLIP_CAMERA: Path = _FOLDER / 'clip_camera.yaml'

COLUMNS = (
    'frame',
    'stamp_s',
    'face',
    'name',
    'yaw_deg',
    'pitch_deg',
    'roll_deg',
    'face_qx',
    'face_qy',
    'face_qz',
    'face_qw',
    'x_m',
    'y_m',
    'z_m',
    'relative_roll_deg',
    'square_x_px',
    'square_y_px',
    'square_side_px',
    'inside',
)


@dataclass(frozen=True, eq=False)
class FaceTruth:
    """
    What is known of one face in one frame of the clip.

    ``stamp_s``: seconds since the first frame. ``face``: number of the person, ``name`` the
    person's name. ``inside``: the share of the landmarks that lie in the picture.

    Of a rendered head: ``rotation_optical``, float64 [3, 3], in the camera's optical frame (not
    relative to the ray); ``position_m``, float64 [3], its sellion there; ``square``, the exact
    face square. Of a photograph all three are None: only ``relative_roll_deg`` is known, how far
    it is turned in its plane, clockwise.
    """

    frame: int
    stamp_s: float
    face: int
    name: str
    inside: float = 1.0
    rotation_optical: FloatArray | None = None
    position_m: FloatArray | None = None
    square: Square | None = None
    relative_roll_deg: float | None = None


def read_poses(path: Path | str = CLIP_POSES) -> list[FaceTruth]:
    """
    Read the truth about a clip, in the order of its frames.

    :raises ValueError: if it is no table of poses, naming the line
    :raises OSError: if it cannot be read
    """
    faces = []
    for where, row in read_rows(Path(path), COLUMNS, f'expected {", ".join(COLUMNS)}'):
        try:
            faces.append(_face(row))
        except ValueError as error:
            raise ValueError(f'{where}: {error}') from error
    return faces


def write_poses(path: Path | str, faces: Iterable[FaceTruth]) -> None:
    """Write the truth about a clip: angles in degrees, pixels, metres; empty where unknown."""
    with open(path, 'w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator='\n', restval='')
        writer.writeheader()
        writer.writerows(_row(face) for face in faces)


def _face(row: dict[str, str]) -> FaceTruth:
    def numbers(*names: str) -> FloatArray:
        return np.array([float(row[name]) for name in names])

    known = row['yaw_deg'] != ''
    quaternion = ('face_qx', 'face_qy', 'face_qz', 'face_qw')
    return FaceTruth(
        frame=int(row['frame']),
        stamp_s=float(row['stamp_s']),
        face=int(row['face']),
        name=row['name'],
        inside=float(row['inside']),
        rotation_optical=rotations.rotation_optical_from_face_quaternion(numbers(*quaternion))
        if known
        else None,
        position_m=numbers('x_m', 'y_m', 'z_m') if known else None,
        square=Square(*map(float, numbers('square_x_px', 'square_y_px', 'square_side_px')))
        if known
        else None,
        relative_roll_deg=float(row['relative_roll_deg']) if row['relative_roll_deg'] else None,
    )


def _row(face: FaceTruth) -> dict[str, str]:
    row = {
        'frame': str(face.frame),
        'stamp_s': f'{face.stamp_s:.6f}',
        'face': str(face.face),
        'name': face.name,
        'inside': f'{face.inside:.3f}',
    }

    def put(names: str, values: Iterable[float], digits: int) -> None:
        # Adding 0.0 turns -0.0 into 0.0.
        texts = (f'{round(float(value), digits) + 0.0:.{digits}f}' for value in values)
        row.update(zip(names.split(), texts, strict=True))

    if face.rotation_optical is not None:
        angles = rotations.yaw_pitch_roll_deg_from_matrix(face.rotation_optical)
        quaternion = rotations.face_quaternion_xyzw(face.rotation_optical)
        put('yaw_deg pitch_deg roll_deg', angles, 4)
        # q and -q are the same rotation; one of them, so that a rotation has one row.
        put('face_qx face_qy face_qz face_qw', quaternion * (1 if quaternion[3] >= 0 else -1), 7)
    if face.position_m is not None:
        put('x_m y_m z_m', face.position_m, 5)
    if face.square is not None:
        square = face.square
        put(
            'square_x_px square_y_px square_side_px',
            (square.center_x, square.center_y, square.side),
            2,
        )
    if face.relative_roll_deg is not None:
        put('relative_roll_deg', [face.relative_roll_deg], 4)
    return row
