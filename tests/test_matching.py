"""A face that a detector finds twice, at two places or two scales, counts once."""

from fsanet_ros.detection.matching import best_first
from fsanet_ros.types import Box, Face, Square


def face(x, y, width, height, score):
    box = Box(x, y, width, height)
    return Face(box, score, Square(*box.center, max(width, height)))


def test_a_box_around_a_face_that_is_found_already_is_that_face():
    sure, around = face(258, 104, 130, 157, 0.92), face(246, 81, 216, 264, 0.31)
    assert best_first([around, sure]) == [sure]


def test_the_surer_one_stays_also_where_it_is_the_larger():
    large, part = face(100, 100, 80, 100, 0.9), face(110, 110, 30, 40, 0.6)
    assert best_first([part, large]) == [large]


def test_a_face_that_is_partly_behind_another_stays():
    front, behind = face(100, 100, 80, 100, 0.9), face(160, 110, 40, 50, 0.8)
    assert best_first([front, behind]) == [front, behind]
