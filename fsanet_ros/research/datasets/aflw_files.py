"""AFLW as published, packed as the face squares that our recipes train on."""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fsanet_ros.arrays import FloatArray
from fsanet_ros.files.pictures import PictureError, read_picture
from fsanet_ros.geometry.rotations import yaw_pitch_roll_deg_from_matrix
from fsanet_ros.inference.crops import cut_crop
from fsanet_ros.research.datasets.faces import SIDE_PX, ZIP
from fsanet_ros.research.datasets.labelled_images import BoxOf, square_around
from fsanet_ros.types import Image

DATABASE = 'aflw.sqlite'
POINTS = 21
# With fewer visible points the box around them says little of the face.
LEAST_POINTS = 6
# AFLW2000-3D, on which results are judged, is made of the pictures up to this one.
LAST_OF_AFLW2000 = 'image04375'
_QUERY = """
    SELECT Faces.face_id, FaceImages.filepath, FeatureCoords.feature_id,
           FeatureCoords.x, FeatureCoords.y
    FROM Faces
    JOIN FaceImages ON FaceImages.file_id = Faces.file_id
    JOIN FeatureCoords ON FeatureCoords.face_id = Faces.face_id
    ORDER BY FaceImages.filepath, Faces.face_id
"""

# Returns rotations, float64 [n, 3, 3], and how sure they are, degrees [n], of face squares.
Label = Callable[[NDArray[np.uint8]], tuple[FloatArray, FloatArray]]


@dataclass(frozen=True, eq=False)
class MarkedFace:
    """A face of AFLW: its picture's path, and the marks, float64 [2, 21], -1 where hidden."""

    face_id: int
    picture: Path
    marks: FloatArray

    @property
    def visible(self) -> FloatArray:
        """The marks that are not hidden, float64 [2, n]."""
        return self.marks[:, (self.marks > 0).all(axis=0)]


def pack_aflw(root: Path, pictures: Path, output: Path, label: Label) -> tuple[int, list[str]]:
    """
    Write faces_120.zip and labels.npz: what the recipes read as the set aflw.

    :param root: the folder that has aflw.sqlite
    :param pictures: the folder of the pictures, below which aflw.sqlite says where each is
    :param label: gives the poses of the faces; AFLW's own are too coarse to train on
    :returns: how many faces there are, and what cannot be read
    :raises FileNotFoundError: if there is no aflw.sqlite
    :raises ValueError: if it is no database of AFLW, or no picture can be read
    """
    output.mkdir(parents=True, exist_ok=True)
    unread: list[str] = []
    part = output / f'.{ZIP}.part'
    try:
        with zipfile.ZipFile(part, 'w', zipfile.ZIP_STORED) as archive:
            found = []
            for face, seen, box in _cut_faces(root, pictures, unread):
                name = f'{face.picture.stem}_{face.face_id}.jpg'
                ok, content = cv2.imencode('.jpg', seen, [cv2.IMWRITE_JPEG_QUALITY, 95])
                assert ok
                archive.writestr(name, content.tobytes())
                found.append((name, seen, face.marks, box))
        if not found:
            raise ValueError(f'no picture below {pictures} shows a face of {root / DATABASE}')
        names, squares, marks, boxes = zip(*found, strict=True)
        rotations, spread_deg = label(np.stack(squares))
        np.savez_compressed(
            output / 'labels.npz',
            name=np.array(names),
            yaw_pitch_roll_deg=yaw_pitch_roll_deg_from_matrix(rotations).astype(np.float32),
            rotation_optical=rotations.astype(np.float32),
            flip_disagreement_deg=spread_deg.astype(np.float32),
            landmarks21=np.array(marks, np.float32),
            crop_box=np.array(boxes, np.float32),
        )
        part.replace(output / ZIP)
    finally:
        part.unlink(missing_ok=True)
    return len(found), unread


def _cut_faces(
    root: Path, pictures: Path, unread: list[str]
) -> Iterator[tuple[MarkedFace, Image, BoxOf]]:
    """Yield each face with its face square's picture and place; name what cannot be read."""
    for face in tqdm(read_marks(root / DATABASE), unit='face', disable=None):
        if face.picture.stem <= LAST_OF_AFLW2000 or face.visible.shape[1] < LEAST_POINTS:
            continue
        try:
            picture = read_picture(str(pictures / face.picture))
        except (OSError, PictureError) as error:
            unread.append(f'{pictures / face.picture}: {error}')
            continue
        (left, top), (right, bottom) = face.visible.min(axis=1), face.visible.max(axis=1)
        square = square_around((float(left), float(top), float(right), float(bottom)))
        x, y, half = square.center_x, square.center_y, square.side / 2
        yield face, cut_crop(picture, square, SIDE_PX), (x - half, y - half, x + half, y + half)


def read_marks(database: Path) -> Iterator[MarkedFace]:
    """
    Yield the faces of AFLW's database.

    :raises FileNotFoundError: if it is missing
    :raises ValueError: if it is something else
    """
    if not database.is_file():
        raise FileNotFoundError(
            f'{database} is missing: expected the database that comes with AFLW '
            '(https://www.tugraz.at/institute/icg/research/team-bischof/lrs/downloads/aflw)'
        )
    try:
        with closing(sqlite3.connect(f'{database.resolve().as_uri()}?mode=ro', uri=True)) as found:
            face: MarkedFace | None = None
            for face_id, path, point, x, y in found.execute(_QUERY):
                if face is None or face.face_id != face_id:
                    if face is not None:
                        yield face
                    face = MarkedFace(int(face_id), Path(path), np.full((2, POINTS), -1.0))
                if 1 <= point <= POINTS:
                    face.marks[:, point - 1] = x, y
            if face is not None:
                yield face
    except sqlite3.Error as error:
        raise ValueError(f'{database} is not the database of AFLW ({error})') from error
