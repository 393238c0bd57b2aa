"""
Measure how a detector's boxes relate to the face square (``fsanet_ros.detection.face_square``).

Two kinds of pictures are needed, because the labelled ones end at the face square and detectors
draw smaller boxes when the forehead is cut off:

* labelled pictures of face squares, with a border put around them: where is the box in them?
* whole photographs, of which no labels are needed: each face is detected as it is, and again
  after the same cut and border. That is what the border does to the box, and it is taken off.

Several borders and sizes are used; that their results agree shows that the correction works.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fsanet_ros.detection import FaceDetector
from fsanet_ros.detection.face_square import FaceSquareMapping
from fsanet_ros.research.datasets.faces import LabelledFaces, load_aflw_faces
from fsanet_ros.research.detectors import COMPARED_NAMES, make_any_detector
from fsanet_ros.types import Box, Face, FloatArray, Image, Square

BORDERS = {
    'reflected': cv2.BORDER_REFLECT_101,
    'replicated': cv2.BORDER_REPLICATE,
    'grey': cv2.BORDER_CONSTANT,
}
SIDES = (60, 120, 180)
YAW_BANDS_DEG = ((0, 30), (30, 60), (60, 100))
# A start; the square cut from a photograph depends on the mapping, so it is found in rounds.
START = FaceSquareMapping(down=0.12, grow=1.12)
ROUNDS = 3
MIN_SCORE = 0.6


@dataclass(frozen=True)
class Relation:
    """
    A box relative to a face square, in units of the square's side.

    ``larger``: the box's larger side. ``down``: from the box's centre to the square's.
    """

    larger: float
    down: float

    @classmethod
    def of(cls, box: Box, square: Square) -> Relation:
        """Return the relation of ``box`` to ``square``."""
        down = square.center_y - box.center[1]
        return cls(max(box.width, box.height) / square.side, down / square.side)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 1 when a file is missing or wrong."""
    arguments = _parser().parse_args(argv)
    try:
        detector = make_any_detector(
            arguments.detector, score_threshold=0.3, detection_size=0, model_path=arguments.model
        )
        faces = load_aflw_faces(arguments.faces)
        photographs = _read_photographs(arguments.photographs, arguments.count)
    except (ValueError, OSError, ImportError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    chosen = np.random.default_rng(0).permutation(len(faces))[: arguments.count]
    results = measure(detector, faces.select(chosen), photographs)
    print(
        f'{detector.name}: down={np.median([result.down for result in results]):.3f}, '
        f'grow={np.median([result.grow for result in results]):.3f}'
    )
    return 0


def measure(
    detector: FaceDetector, faces: LabelledFaces, photographs: list[Image]
) -> list[FaceSquareMapping]:
    """Print a table and return the mapping for every size of face and kind of border."""
    results = []
    print(f'{"side":>5} {"border":11} {"found":>6} {"down":>7} {"grow":>7}   corrected, by |yaw|')
    for side in SIDES:
        for border in BORDERS:
            relations = [
                _relation_in_bordered(detector, _resized(picture, side), border)
                for picture in faces.pictures
            ]
            mapping, correction = START, Relation(1.0, 0.0)
            for _ in range(ROUNDS):
                correction = _effect_of_border(detector, photographs, side, border, mapping)
                mapping = _mapping(relations, correction)
            results.append(mapping)
            raw = _mapping(relations, Relation(1.0, 0.0))
            found = np.mean([relation is not None for relation in relations])
            bands = '  '.join(
                f'{band.down:.3f} {band.grow:.3f}'
                for band in _by_yaw(relations, faces.angles_deg[:, 0], correction)
            )
            print(
                f'{side:5} {border:11} {100 * found:5.1f}% {raw.down:7.3f} {raw.grow:7.3f}   '
                f'{mapping.down:.3f} {mapping.grow:.3f} | {bands}',
                flush=True,
            )
    return results


def _by_yaw(
    relations: list[Relation | None], yaw_deg: FloatArray, correction: Relation
) -> list[FaceSquareMapping]:
    size = np.abs(yaw_deg)
    return [
        _mapping([relations[i] for i in np.flatnonzero((size >= low) & (size < high))], correction)
        for low, high in YAW_BANDS_DEG
    ]


def _mapping(relations: list[Relation | None], correction: Relation) -> FaceSquareMapping:
    """Return the median mapping; ``correction``: factor of the larger side, summand of down."""
    known = [relation for relation in relations if relation is not None]
    if not known:
        return FaceSquareMapping(float('nan'), float('nan'))
    larger = np.array([relation.larger for relation in known]) * correction.larger
    down = np.array([relation.down for relation in known]) + correction.down
    return FaceSquareMapping(float(np.median(down / larger)), float(np.median(1 / larger)))


def _relation_in_bordered(detector: FaceDetector, picture: Image, border: str) -> Relation | None:
    """Return where the box lies in a picture of a face square with a border, if one is found."""
    side = picture.shape[0]
    margin = side // 2
    bordered = cv2.copyMakeBorder(
        picture, *(margin,) * 4, BORDERS[border], value=(128, 128, 128)
    ).astype(np.uint8, copy=False)
    square = Square(margin + side / 2, margin + side / 2, side)
    face = _face_in(detector.detect(bordered), square)
    return None if face is None else Relation.of(face.box, square)


def _effect_of_border(
    detector: FaceDetector,
    photographs: list[Image],
    side: int,
    border: str,
    mapping: FaceSquareMapping,
) -> Relation:
    """Return what takes a box in a bordered cut to that in the photograph (see ``_mapping``)."""
    # The labelled squares lie differently around each box; so do these.
    rng = np.random.default_rng(1)
    factors, shifts = [], []
    for photograph in photographs:
        for face in detector.detect(photograph):
            if face.score < MIN_SCORE:
                continue
            # The face is to have the same size in the photograph and in the cut.
            scale = min(1.0, side / mapping.square(face.box).side)
            smaller = _scaled(photograph, scale)
            wanted = mapping.square(face.box.scaled(scale, scale))
            whole = _face_in(detector.detect(smaller), wanted)
            if whole is None:
                continue
            larger = max(whole.box.width, whole.box.height)
            exact = mapping.square(whole.box)
            square = Square(
                exact.center_x + rng.normal(0, 0.05) * larger,
                exact.center_y + rng.normal(0, 0.03) * larger,
                exact.side * float(np.exp(rng.normal(0, 0.08))),
            )
            cut = _cut(photograph, square, scale, side)
            relation = _relation_in_bordered(detector, cut, border)
            if relation is not None:
                truth = Relation.of(whole.box, square)
                factors.append(truth.larger / relation.larger)
                shifts.append(truth.down - relation.down)
    return Relation(float(np.median(factors)), float(np.median(shifts)))


def _face_in(faces: list[Face], square: Square) -> Face | None:
    """Return the best face whose box fits ``square``, if there is one."""
    for face in faces:
        x, y = face.box.center
        if (
            abs(x - square.center_x) < 0.3 * square.side
            and abs(y - square.center_y) < 0.35 * square.side
            and max(face.box.width, face.box.height) > 0.35 * square.side
        ):
            return face
    return None


def _cut(photograph: Image, square: Square, scale: float, side: int) -> Image:
    """Cut ``square``, given in the photograph scaled by ``scale``, to ``side`` pixels."""
    factor = side / square.side
    matrix = np.array(
        [
            [factor * scale, 0, side / 2 - square.center_x * factor],
            [0, factor * scale, side / 2 - square.center_y * factor],
        ]
    )
    # Without the blur, shrinking by interpolation alone makes steps that photographs do not have.
    shrink = 1 / (factor * scale)
    if shrink > 1:
        photograph = cv2.GaussianBlur(photograph, (0, 0), 0.4 * shrink)
    cut = cv2.warpAffine(photograph, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(cut, np.uint8)


def _resized(picture: Image, side: int) -> Image:
    shrinks = side < picture.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (side, side), interpolation=method), np.uint8)


def _scaled(picture: Image, scale: float) -> Image:
    if scale == 1:
        return picture
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _read_photographs(folder: Path, count: int) -> list[Image]:
    paths = sorted(path for path in folder.rglob('*') if path.suffix in ('.jpg', '.png'))
    if not paths:
        raise FileNotFoundError(f'{folder} holds no photograph: expected .jpg or .png files in it')
    chosen = np.random.default_rng(0).permutation(len(paths))[:count]
    pictures = [cv2.imread(str(paths[index]), cv2.IMREAD_COLOR) for index in chosen]
    return [np.asarray(picture, np.uint8) for picture in pictures if picture is not None]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='measure_face_squares',
        description='Measure how the boxes of a face detector relate to the face square.',
    )
    parser.add_argument('detector', choices=COMPARED_NAMES)
    parser.add_argument('--model', default='', help='its model file, if it needs one')
    parser.add_argument(
        '--faces',
        type=Path,
        required=True,
        metavar='DIR',
        help='labelled pictures of face squares: faces_120.zip and labels.npz',
    )
    parser.add_argument(
        '--photographs',
        type=Path,
        required=True,
        metavar='DIR',
        help='folder with whole photographs of people, searched with its subfolders',
    )
    parser.add_argument(
        '--count', type=int, default=1000, metavar='N', help='use so many of each (default 1000)'
    )
    return parser


if __name__ == '__main__':
    sys.exit(main())
