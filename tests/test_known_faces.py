"""When the best turn of a face that is followed is asked for again."""

from __future__ import annotations

from dataclasses import replace

from fsanet_ros.detection.known import Known
from fsanet_ros.types import Box, Face, Square

FACE = Face(Box(100.0, 100.0, 40.0, 50.0), 0.9, Square(120.0, 125.0, 60.0))


def asked_at(known, times_s):
    """Return when the turn is asked for; the answer is always the turn that it has."""
    asked = []
    for time_s in times_s:
        known = known.seen_again(FACE, time_s, is_sure=True)
        if known.turn_is_due(time_s):
            asked.append(time_s)
            known = known.asked_to_turn(time_s).turned(FACE, FACE)
    return asked, known


def test_a_turn_that_holds_is_asked_for_ever_more_rarely_up_to_20_s():
    asked, _ = asked_at(Known(FACE, 0.0, 0.0), range(100))
    assert asked == [0, 1, 6, 16, 36, 56, 76, 96]


def test_a_face_that_stays_for_a_day_is_still_asked():
    known = Known(FACE, 0.0, 0.0, agreed=5000)
    assert not known.asked_to_turn(10.0).turn_is_due(29.9)
    assert known.asked_to_turn(10.0).turn_is_due(30.1)


def test_a_score_that_falls_asks_after_a_second():
    _, known = asked_at(Known(FACE, 0.0, 0.0), range(40))
    fallen = replace(FACE, score=0.75)
    assert not known.seen_again(fallen, 36.5, is_sure=True).turn_is_due(36.5)
    assert known.seen_again(fallen, 37.5, is_sure=True).turn_is_due(37.5)


def test_another_turn_starts_from_a_second_again():
    _, known = asked_at(Known(FACE, 0.0, 0.0), range(40))
    turned = known.asked_to_turn(40.0).turned(FACE, replace(FACE, turn_deg=90.0))
    assert turned.face.turn_deg == 90.0
    assert turned.turn_is_due(41.5)
