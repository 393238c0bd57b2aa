"""Make the face boxes that BIWI lacks, with a face detector as the authors of FSA-Net did."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from fsanet_ros.detection import FaceDetector
from fsanet_ros.research.datasets.biwi import (
    BOX_COLUMNS,
    BOXES,
    picture_of,
    poses_of,
    projected_face,
)
from fsanet_ros.research.datasets.labelled_images import LabelledImage, read_picture
from fsanet_ros.types import Face, Square

MIN_SCORE = 0.9


def write_boxes(root: str | Path, detector: FaceDetector) -> tuple[Path, int, int]:
    """
    Find the face in every frame of BIWI and write boxes.csv beside the sequences.

    Of the faces with a score above 0.9 that cover the head's position in the picture, the closest
    counts; a frame without one gets no row. (The authors take the face closest to the picture's
    lower right third, and drop frames in which it jumps by 80 pixels.)

    :param root: see read_biwi
    :param detector: MTCNN to do as the authors did
    :returns: the file, the number of faces in it, the number of frames
    :raises FileExistsError: if there is a boxes.csv already
    :raises FileNotFoundError: if the folder is not BIWI, or a file is missing
    :raises ValueError: naming the file that cannot be read
    """
    poses = poses_of(root)
    folder = poses[0].parents[1]
    path, unfinished = folder / BOXES, folder / f'{BOXES}.new'
    if path.exists():
        raise FileExistsError(f'{path} exists already: remove it to make a new one')
    count = 0
    with (
        unfinished.open('w', newline='', encoding='utf-8') as file,
        tqdm(poses, desc='finding faces', unit='frame', leave=False, disable=None) as bar,
    ):
        rows = csv.writer(file, lineterminator='\n')
        rows.writerow(BOX_COLUMNS)
        for pose in bar:
            picture = picture_of(pose)
            image = read_picture(LabelledImage(picture, None, (0.0, 0.0, 0.0), ''))
            face = nearest_face(detector.detect(image), projected_face(pose))
            if face is not None:
                box = face.box
                edges = box.x, box.y, box.x + box.width, box.y + box.height
                name = picture.relative_to(folder).as_posix()
                rows.writerow([name, *(f'{edge:.2f}' for edge in edges)])
                count += 1
    os.replace(unfinished, path)
    return path, count, len(poses)


def nearest_face(faces: Iterable[Face], where: Square) -> Face | None:
    """Return the face closest to a square's centre, inside it and with a score above 0.9."""

    def distance(face: Face) -> float:
        x, y = face.square.center_x, face.square.center_y
        return max(abs(x - where.center_x), abs(y - where.center_y))

    near = [f for f in faces if f.score > MIN_SCORE and distance(f) < where.side / 2]
    return min(near, key=distance, default=None)
