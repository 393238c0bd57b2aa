"""Which head is which: by place, size, shape and turn, and by how long it was hidden."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.tracking.assignment import _expected, _measured, _overlap, assign
from fsanet_ros.tracking.camera_motion import common_shift_px
from fsanet_ros.tracking.motion import BoxMotion, Steps
from fsanet_ros.tracking.tracker import HeadTracker
from fsanet_ros.types import Box, Face, Head, Square

RATE_HZ = 30
SIDE = 100.0


def head(x, y, width=SIDE, height=None, yaw_deg=0.0):
    """Return a head whose box has its middle at (x, y)."""
    height = height or width
    box = Box(x - width / 2, y - height / 2, width, height)
    square = Square(x, y, max(width, height))
    return Head(Face(box, 0.9, square), matrix_from_yaw_pitch_roll_deg([yaw_deg, 0, 0]))


def ids(tracked):
    return [t.id for t in tracked]


def at_once(**options):
    return HeadTracker(announce_s=0.0, smoothing='none', **options)


def is_the_same_after(gap_s, changed):
    """Return whether a head that rested for a second at (300, 300) is the same after a change."""
    tracker = at_once(keep_s=10.0)
    for image in range(RATE_HZ):
        tracker.update([head(300, 300)], image / RATE_HZ)
    return ids(tracker.update([changed], 1.0 - 1 / RATE_HZ + gap_s)) == ['h1']


# The longer nobody has seen a head, the further it may have gone: in sizes, from a place where it
# rested. A walker crosses the view at 8 sizes per second.
@pytest.mark.parametrize(
    ('gap_s', 'same', 'other'),
    [(1 / RATE_HZ, 0.42, 0.51), (0.1, 0.68, 0.83), (0.5, 3.0, 3.6), (1.0, 5.5, 6.7)],
)
def test_the_longer_a_head_is_hidden_the_further_it_may_have_gone(gap_s, same, other):
    for direction in (1.0, -1.0, 1.0j, -1.0j):
        for far, expected in ((same, True), (other, False)):
            way = far * SIDE * direction
            moved = head(300 + way.real, 300 + way.imag)
            assert is_the_same_after(gap_s, moved) is expected


def test_a_new_head_may_move_faster_than_one_that_was_seen_to_rest():
    for far, expected in ((0.56, 'h1'), (0.69, 'h2')):
        tracker = at_once()
        tracker.update([head(300, 300)], 0.0)
        assert ids(tracker.update([head(300 + far * SIDE, 300)], 1 / RATE_HZ)) == [expected]


@pytest.mark.parametrize('gap_s', [1 / RATE_HZ, 0.5])
def test_a_head_of_nearly_twice_or_half_the_size_is_another(gap_s):
    for factor, expected in ((1.75, True), (1 / 1.75, True), (2.1, False), (1 / 2.1, False)):
        assert is_the_same_after(gap_s, head(300, 300, SIDE * factor)) is expected


def test_from_one_image_to_the_next_nobody_turns_by_80_degrees_but_hidden_they_may():
    assert is_the_same_after(1 / RATE_HZ, head(300, 300, yaw_deg=68.0))
    assert not is_the_same_after(1 / RATE_HZ, head(300, 300, yaw_deg=85.0))
    assert is_the_same_after(0.5, head(300, 300, yaw_deg=85.0))


@pytest.mark.parametrize(('far', 'age_s'), [(0.41, 1.0), (0.44, 0.0)])
def test_less_is_forgiven_to_a_head_that_is_not_announced(far, age_s):
    moved = head(300 + far * SIDE, 300)
    assert is_the_same_after(1 / RATE_HZ, moved)
    tracker = HeadTracker(announce_s=10.0, smoothing='none')
    for image in range(RATE_HZ):
        tracker.update([head(300, 300)], image / RATE_HZ)
    tracker.announce_s = 0.0
    assert [t.age_s for t in tracker.update([moved], 1.0)] == [age_s]


@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
@pytest.mark.parametrize('wide', [True, False])
def test_at_the_same_distance_the_box_of_the_same_shape_is_taken(order, wide):
    def placed(along, sides):
        return head(along, 300, *sides) if wide else head(300, along, *sides[::-1])

    tracker = at_once()
    before = [placed(300, (140.0, 70.0)), placed(400, (70.0, 140.0))]
    tracked = tracker.update([before[i] for i in order], 0.0)
    # In the middle between the two: only the overlap with their boxes tells them apart.
    again = tracker.update([placed(350, (140.0, 70.0))], 0.1)
    assert ids(again) == [tracked[order[0]].id]


def test_a_smaller_box_within_another_is_the_same_face_from_six_tenths_on():
    for share, count in ((0.65, 1), (0.55, 2)):
        # So much of the smaller box lies to the left of the larger one's right edge.
        small = head(350 + (0.5 - share) * 50, 300, 50.0)
        assert len(at_once().update([head(300, 300), small], 0.0)) == count


class Track:
    """What is known of a head that rests."""

    announced = True
    unseen_s = 0.1

    def __init__(self, seen):
        self.motion = BoxMotion(seen.face.box)
        self.rotation = seen.rotation_optical


def row(shift=0.0):
    return [head(200 + 150 * person + shift, 200 + 20 * person) for person in range(4)]


def test_when_the_camera_turns_all_tracks_are_moved_along_also_the_hidden():
    tracks = [Track(seen) for seen in row()]
    found = [row(170.0)[i] for i in (3, 1, 0)]
    assert assign(found, tracks) == {0: 3, 1: 1, 2: 0}
    moved = [(track.motion.x, track.motion.y) for track in tracks]
    assert np.allclose(moved, [seen.face.box.center for seen in row(170.0)])


def test_people_who_start_to_walk_together_are_not_taken_for_a_turn_of_the_camera():
    tracks = [Track(seen) for seen in row()]
    for track in tracks:
        track.motion.advance(Steps.over(0.1))
    before = [(track.motion.x, track.motion.y) for track in tracks]
    assert assign(row(35.0), tracks) == {0: 0, 1: 1, 2: 2, 3: 3}
    assert [(track.motion.x, track.motion.y) for track in tracks] == before


def test_who_is_hidden_while_the_camera_turns_comes_out_with_the_same_id():
    tracker = at_once()
    for image in range(20):
        people = row(0.0 if image < 10 else 170.0)
        hidden = (2,) if image in (10, 11) else ()
        tracked = tracker.update([p for i, p in enumerate(people) if i not in hidden], image / 10)
        assert ids(tracked) == [f'h{i + 1}' for i in range(4) if i not in hidden]
    assert tracker.ids == ['h1', 'h2', 'h3', 'h4']


def test_two_people_are_enough_to_notice_that_the_camera_turns():
    tracker = at_once()
    for image in range(20):
        turned = 0.0 if image < 10 else 170.0
        people = [head(200 + 150 * person + turned, 200 + 20 * person) for person in range(2)]
        assert ids(tracker.update(people, image / 10)) == ['h1', 'h2']


places = st.floats(-300, 300)
any_box = st.builds(Box, places, places, st.floats(1, 500), st.floats(1, 500))
some_boxes = st.lists(any_box, min_size=1, max_size=4)


@given(some_boxes, some_boxes)
def test_all_pairs_overlap_as_their_boxes_do(found, known):
    heads, tracks = (
        [Head(Face(box, 0.9, Square(*box.center, 1.0)), np.eye(3)) for box in boxes]
        for boxes in (found, known)
    )
    overlap = _overlap(_measured(heads), _expected([Track(seen) for seen in tracks]))
    expected = [[box.iou(other) for other in known] for box in found]
    assert overlap == pytest.approx(np.array(expected), abs=1e-6)


@given(st.lists(st.tuples(places, places, st.floats(20, 200)), min_size=2, max_size=8))
def test_boxes_move_alike_along_both_axes(seen):
    upright, lying = (BoxMotion(box) for box in _both_ways(*seen[0]))
    for place in seen[1:]:
        for motion, box in zip((upright, lying), _both_ways(*place), strict=True):
            motion.advance(Steps.over(0.1))
            motion.correct(box)
            motion.advance(Steps.over(0.7))
        assert (upright.x, upright.y) == pytest.approx((lying.y, lying.x))
        assert upright.log_size == pytest.approx(lying.log_size)
        assert upright.log_aspect == pytest.approx(-lying.log_aspect)
        assert upright.center_variance == lying.center_variance > 0.0
        assert upright.log_size_variance == lying.log_size_variance > 0.0


def _both_ways(x, y, side):
    return Box(x, y, side, 1.5 * side), Box(y, x, 1.5 * side, side)


def shift_px(*moves, sizes=(SIDE, SIDE)):
    """Return the camera's shift that is seen when people in a row move by these, in pixels."""
    places = np.array([[1000.0 * person, 300.0] for person in range(len(moves))])
    before, after = (np.full(len(moves), np.log(size)) for size in sizes)
    return common_shift_px(places + np.array(moves), after, places, before)


def test_two_who_move_alike_show_a_turn_of_the_camera():
    assert shift_px((170.0, 40.0), (150.0, 60.0)) == pytest.approx([160.0, 50.0])
    assert shift_px((170.0, 40.0), (170.0, 40.0), (0.0, -200.0)) == pytest.approx([170.0, 40.0])
    assert shift_px((390.0, 0.0), (390.0, 0.0)) == pytest.approx([390.0, 0.0])


@pytest.mark.parametrize(
    'moves',
    [
        [(170.0, 40.0)],
        [(170.0, 0.0), (-170.0, 0.0)],
        [(170.0, 0.0), (135.0, 0.0)],  # three tenths of a face apart
        [(25.0, 0.0), (25.0, 0.0)],  # hardly anything
        [(410.0, 0.0), (410.0, 0.0)],  # faster than cameras turn
    ],
)
def test_who_moves_alone_hardly_or_too_far_shows_no_turn(moves):
    assert shift_px(*moves) is None


def test_only_faces_of_about_one_size_are_compared():
    moves = [(170.0, 0.0)] * 3
    assert shift_px(*moves, sizes=(SIDE, 1.6 * SIDE)) is not None
    assert shift_px(*moves, sizes=(SIDE, 1.7 * SIDE)) is None
