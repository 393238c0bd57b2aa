"""Conditions that make faces hard to read: each does what its name says, the same each time."""

import json

import cv2
import numpy as np
import pytest
from lp_samples import write_face

from fsanet_ros.research.augmentation.conditions import CONDITIONS, SIDE_PX, at_one_size
from fsanet_ros.tools import evaluate
from fsanet_ros.types import Box, Face, Square


def scene(side=90.0, x=120.0, y=100.0):
    rng = np.random.default_rng(1)
    coarse = rng.integers(60, 200, (20, 25, 3), np.uint8)
    picture = cv2.resize(coarse, (250, 200), interpolation=cv2.INTER_CUBIC)
    half = side / np.sqrt(8)
    return picture, Face(Box(x - half, y - half, 2 * half, 2 * half), 0.9, Square(x, y, side))


def changed(name, seed=0):
    clean = at_one_size(*scene())
    return clean, CONDITIONS[name](*clean, np.random.default_rng(seed))


@pytest.mark.parametrize(('side', 'x', 'y'), [(90, 120, 100), (30, 60, 50), (200, 5, 190)])
def test_faces_of_any_size_and_place_come_to_one_size(side, x, y):
    picture, face = at_one_size(*scene(side, x, y))
    assert face.square.side == SIDE_PX
    assert picture.shape[0] == pytest.approx(2.4 * SIDE_PX, abs=SIDE_PX / side + 2)
    assert face.square.center_x == pytest.approx(picture.shape[1] / 2, abs=SIDE_PX / side + 1)
    assert face.box.width == pytest.approx(SIDE_PX / np.sqrt(2))


def test_what_is_in_the_face_square_stays_in_it():
    picture, face = scene()
    x, y = 100, 90
    picture[y : y + 3, x : x + 3] = (255, 0, 255)
    resized, there = at_one_size(picture, face)
    scale = SIDE_PX / face.square.side
    column = (x + 1.5 - face.square.center_x) * scale + there.square.center_x
    row = (y + 1.5 - face.square.center_y) * scale + there.square.center_y
    blue, green, red = resized[int(row), int(column)].astype(int)
    assert blue > 200 and red > 200 and green < 60


@pytest.mark.parametrize('name', CONDITIONS)
def test_a_condition_is_the_same_for_the_same_seed_and_leaves_the_original_alone(name):
    before, _ = at_one_size(*scene())
    (picture, face), first = changed(name, 3)
    _, second = changed(name, 3)
    assert (first[0] == second[0]).all() and first[1].square == second[1].square
    assert (picture == before).all()
    same = (first[0] == picture).all() and first[1].square == face.square
    assert same == (name == 'clean')


def test_fewer_pixels_and_blur_leave_less_detail():
    def detail(name):
        return np.abs(np.diff(changed(name)[1][0].astype(float), axis=1)).mean()

    assert detail('clean') > detail('blur') > 0
    assert detail('clean') > detail('half_resolution') > detail('quarter_resolution')
    assert detail('noise') > 3 * detail('clean')


def test_dark_is_dark_and_covered_is_covered_from_the_nose_down():
    (clean, _), (dark, _) = changed('dark')
    assert dark.mean() == pytest.approx(0.15 * clean.mean(), rel=0.1)
    (clean, face), (covered, _) = changed('lower_face_covered')
    rows = np.flatnonzero((clean != covered).any(axis=(1, 2)))
    assert face.square.center_y < rows[0] < face.square.center_y + 8
    assert rows[-1] == pytest.approx(face.box.y + face.box.height, abs=2)


def test_boxes_are_off_by_what_the_names_say():
    (_, face), (_, shifted) = changed('box_shifted_10')
    apart = np.hypot(
        shifted.square.center_x - face.square.center_x,
        shifted.square.center_y - face.square.center_y,
    )
    assert apart == pytest.approx(0.1 * SIDE_PX)
    sides = {
        round(changed('box_scaled_20', seed)[1][1].square.side / SIDE_PX, 3) for seed in range(9)
    }
    assert sides == {1.2, round(1 / 1.2, 3)}


def test_evaluate_gives_a_table_of_all_conditions(tmp_path, capsys):
    for number in range(2):
        write_face(tmp_path / f'image{number:05d}', 10 * number, 0, 0)
    figures = tmp_path / 'figures.json'
    arguments = ['aflw2000', '--root', str(tmp_path), '--condition']
    assert evaluate.main([*arguments, 'all', '--json', str(figures)]) == 0
    found = json.loads(figures.read_text())
    assert list(found) == list(CONDITIONS)
    said = capsys.readouterr().out
    assert all(f'{found[n]["mae"]["mean"]:.2f}' in said and n in said for n in CONDITIONS)
    assert evaluate.main([*arguments, 'dark', '--json', str(figures)]) == 0
    assert json.loads(figures.read_text()) == found['dark']
