"""Identities: who is who from image to image, and when a face becomes somebody."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from processor_time import least_processor_s
from scipy.optimize import linear_sum_assignment

from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.tracking.assignment import _assigned
from fsanet_ros.tracking.tracker import HeadTracker
from fsanet_ros.types import Box, Face, Head, Square

RATE_HZ = 30


def head(x, y, size=100.0, rotation=None):
    """Return a head whose box has its middle at (x, y)."""
    box = Box(x - size / 2, y - size / 2, size, size)
    return Head(Face(box, 0.9, Square(x, y, size)), np.eye(3) if rotation is None else rotation)


def ids(tracked):
    return [t.id for t in tracked]


def at_once(**options):
    """Return a tracker that announces at once and leaves poses as they are."""
    return HeadTracker(announce_s=0.0, smoothing='none', **options)


def test_one_head_that_jitters_keeps_its_id():
    tracker, rng = at_once(), np.random.default_rng(0)
    for frame in range(200):
        x, y, grown = rng.normal(0, 1, 3)
        (found,) = tracker.update([head(300 + 8 * x, 200 + 8 * y, 100 + 5 * grown)], frame / 30)
        assert found.id == 'h1'
        assert found.age_s == pytest.approx(frame / 30)


def test_heads_stay_in_the_order_that_they_came_in():
    tracker = at_once()
    assert ids(tracker.update([head(100, 100), head(500, 100)], 0.0)) == ['h1', 'h2']
    heads = [head(505, 100), head(104, 100)]
    tracked = tracker.update(heads, 0.1)
    assert ids(tracked) == ['h2', 'h1']
    assert [t.head for t in tracked] == heads


@pytest.mark.parametrize('announce_s, images', [(0.0, 1), (0.01, 2), (0.1, 4), (0.5, 16)])
def test_a_face_is_announced_when_it_has_been_seen_for_so_long(announce_s, images):
    tracker = HeadTracker(announce_s=announce_s)
    for frame in range(images - 1):
        assert tracker.update([head(300, 200)], frame / RATE_HZ) == []
        assert tracker.ids == []
    (found,) = tracker.update([head(300, 200)], (images - 1) / RATE_HZ)
    assert (found.id, found.age_s) == ('h1', pytest.approx((images - 1) / RATE_HZ))
    assert tracker.ids == ['h1']


def test_a_slow_camera_announces_in_the_second_image():
    tracker = HeadTracker(announce_s=0.1)
    assert tracker.update([head(300, 200)], 0.0) == []
    assert ids(tracker.update([head(300, 200)], 0.5)) == ['h1']


@pytest.mark.parametrize('period_s', [1.0, 2.0])
def test_with_a_slow_camera_that_is_late_now_and_then_heads_keep_their_ids(period_s):
    tracker = HeadTracker()
    for number in range(1, 10):
        time_s = period_s * number + (0.02 if number % 2 else 0.0)
        tracked = tracker.update([head(300 + 5 * number, 200)], time_s)
        assert ids(tracked) == (['h1'] if number > 1 else [])


def test_false_faces_of_one_image_get_no_id_and_leave_no_hole():
    tracker, rng = HeadTracker(), np.random.default_rng(1)
    for frame in range(100):
        false = head(*rng.uniform((700, 0), (1900, 1000)), size=rng.uniform(30, 200))
        tracker.update([head(300, 200), false] if frame % 3 else [head(300, 200)], frame / RATE_HZ)
    assert tracker.ids == ['h1']
    for frame in range(100, 110):
        tracked = tracker.update([head(300, 200), head(900, 200)], frame / RATE_HZ)
    assert ids(tracked) == ['h1', 'h2']


def test_a_new_face_may_be_missed_once_but_not_at_first():
    tracker = HeadTracker(announce_s=0.1)
    seen = [True, False, True, True, False, True, True]
    announced = [
        bool(tracker.update([head(300, 200)] if there else [], frame / RATE_HZ))
        for frame, there in enumerate(seen)
    ]
    # The first one is forgotten; the second is seen for 0.1 s, with a gap, in the sixth image.
    assert announced == [False] * 5 + [True, True]


@pytest.mark.parametrize('rate_hz', [10, 30])
def test_two_heads_that_pass_each_other_keep_their_ids(rate_hz):
    tracker = at_once()
    for frame in range(4 * rate_hz):
        way = 150 * frame / rate_hz
        tracked = tracker.update([head(100 + way, 200), head(700 - way, 240)], frame / rate_hz)
        assert ids(tracked) == ['h1', 'h2']


@pytest.mark.parametrize('rate_hz', [10, 30])
def test_who_is_hidden_behind_another_for_0_7_s_comes_out_with_the_same_id(rate_hz):
    tracker = at_once()
    for frame in range(3 * rate_hz):
        time_s = frame / rate_hz
        heads = [head(400 + 80 * time_s, 200)]
        if not 1.0 < time_s < 1.7:
            heads.append(head(628 - 80 * time_s, 205, 92))
        tracked = tracker.update(heads, time_s)
        assert ids(tracked) == ['h1', 'h2'][: len(heads)]
        assert tracker.ids == ['h1', 'h2']


def test_what_looks_the_same_but_is_turned_otherwise_is_told_apart():
    left, right = (matrix_from_yaw_pitch_roll_deg([yaw, 0, 0]) for yaw in (60, -60))
    tracker = at_once()
    for frame in range(10):
        tracker.update([head(300, 200, rotation=left), head(360, 200, rotation=right)], frame / 10)
    # Both are hidden; then both are in the middle between the two places.
    tracked = tracker.update([head(329, 200, rotation=right), head(331, 200, rotation=left)], 1.5)
    assert ids(tracked) == ['h2', 'h1']


def test_a_hidden_head_does_not_fly_off():
    tracker = at_once(keep_s=10.0)
    for frame in range(30):
        tracker.update([head(100 + 10 * frame, 200)], frame / RATE_HZ)  # three sizes a second
    tracker.update([], 5.0)
    # It is waited for within a second's way, not four seconds further.
    assert ids(tracker.update([head(600, 200)], 5.1)) == ['h1']


def test_a_walking_head_keeps_its_id_through_missed_frames():
    tracker = at_once()
    for frame in range(60):
        if frame % 5 < 3:
            (found,) = tracker.update([head(100 + 10 * frame, 200)], frame / 30)
            assert found.id == 'h1'
        else:
            assert tracker.update([], frame / 30) == []
            assert tracker.ids == ['h1']


def test_a_camera_that_turns_by_more_than_the_distance_of_two_people_mixes_nobody_up():
    tracker = at_once()
    for frame in range(20):
        turned = 0 if frame < 10 else 170
        places = [(200 + 150 * person + turned, 200 + 20 * person) for person in range(4)]
        tracked = tracker.update([head(*place) for place in places], frame / 10)
        assert ids(tracked) == ['h1', 'h2', 'h3', 'h4']


def test_a_second_box_of_a_face_is_nobody():
    tracker = at_once()
    for frame in range(30):
        tracked = tracker.update([head(300, 200), head(310, 215, 60)], frame / RATE_HZ)
        assert ids(tracked) == ['h1']


def test_a_short_absence_is_forgiven_and_a_long_one_is_not():
    tracker = at_once(keep_s=1.0)
    tracker.update([head(300, 200)], 0.0)
    assert ids(tracker.update([head(305, 200)], 0.9)) == ['h1']
    tracker.update([], 1.5)
    assert ids(tracker.update([head(305, 200)], 2.0)) == ['h2']
    tracker.keep_s = 5.0
    tracker.update([], 2.1)
    assert ids(tracker.update([head(305, 200)], 6.0)) == ['h2']


def test_keep_s_of_zero_ends_who_is_missed_and_nobody_else():
    tracker = at_once(keep_s=0.0)
    for frame in range(10):
        assert ids(tracker.update([head(300, 200)], frame / 5)) == ['h1']
    tracker.update([], 2.0)
    assert tracker.ids == []
    assert ids(tracker.update([head(300, 200)], 2.2)) == ['h2']


def test_a_head_elsewhere_or_of_another_size_is_another():
    tracker = at_once()
    tracker.update([head(300, 200)], 0.0)
    assert ids(tracker.update([head(600, 200)], 0.03)) == ['h2']
    assert ids(tracker.update([head(600, 200, 300)], 0.06)) == ['h3']


def test_a_clock_that_jumps_back_starts_anew_with_new_ids():
    tracker = at_once()
    tracker.update([head(300, 200)], 100.0)
    (again,) = tracker.update([head(300, 200)], 99.99)
    assert (again.id, again.age_s) == ('h2', 0.0)


def test_reset_forgets_everybody_and_never_gives_an_id_again():
    tracker = at_once()
    tracker.update([head(300, 200)], 10.0)
    tracker.reset()
    assert tracker.ids == []
    assert ids(tracker.update([head(300, 200)], 10.0)) == ['h2']
    assert ids(tracker.update([head(300, 200)], 10.0)) == ['h2']  # the same stamp twice


def test_trackers_count_on_their_own():
    first, second = at_once(id_prefix='left'), at_once(id_prefix='right')
    assert ids(first.update([head(1, 1)], 0.0)) == ['left1']
    assert ids(second.update([head(1, 1)], 0.0)) == ['right1']


@pytest.mark.parametrize('prefix', ['', '1a', 'a b', 'a/b', 'a_b', 'é', 'a-'])
def test_a_prefix_that_no_topic_can_have_is_refused(prefix):
    with pytest.raises(ValueError, match='id prefix'):
        HeadTracker(id_prefix=prefix)


def test_a_smoothing_that_does_not_exist_is_refused_and_changes_nothing():
    with pytest.raises(ValueError, match='none, light, strong'):
        HeadTracker(smoothing='much')
    tracker = HeadTracker(smoothing='strong')
    with pytest.raises(ValueError, match='much'):
        tracker.smoothing = 'much'
    assert tracker.smoothing == 'strong'


def test_smoothing_may_change_at_any_time_and_ids_do_not_depend_on_it():
    tracker, rng = at_once(), np.random.default_rng(2)
    for frame in range(40):
        tracker.smoothing = ('none', 'light', 'strong')[frame // 10 % 3]
        given_head = head(300, 200, rotation=matrix_from_yaw_pitch_roll_deg(rng.normal(0, 5, 3)))
        (found,) = tracker.update([given_head], frame / RATE_HZ)
        assert found.id == 'h1'
        assert found.head.face is given_head.face
        smoothed = not np.array_equal(found.head.rotation_optical, given_head.rotation_optical)
        assert smoothed == (frame % 10 > 0 and tracker.smoothing != 'none')


def test_what_heads_cost_grows_with_their_number_and_not_with_its_square():
    def follow(count):
        tracker, rng, images = HeadTracker(), np.random.default_rng(3), itertools.count()
        places = [(100 + 150 * (k % 8), 200 + 200 * (k // 8)) for k in range(count)]

        def next_image():
            heads = [head(*(place + rng.normal(0, 3, 2))) for place in places]
            assert len(tracker.update(heads, next(images) / RATE_HZ)) in (0, count)

        return next_image

    least = least_processor_s({'sixteen': follow(16), 'one': follow(1)}, repeat=60)
    # About 15.
    assert least['sixteen'] < 30 * least['one']


lengths = st.floats(-1e4, 1e4)
any_box = st.builds(Box, lengths, lengths, st.floats(0, 1e4), st.floats(0, 1e4))
any_head = any_box.map(lambda box: Head(Face(box, 0.5, Square(*box.center, 1.0)), np.eye(3)))
any_images = st.lists(
    st.tuples(st.integers(-30, 50), st.lists(any_head, max_size=4), st.booleans()), max_size=8
)


@settings(deadline=None, max_examples=100)
@given(any_images, st.sampled_from([0.0, 0.1, 1.0]), st.sampled_from([0.0, 1.0]))
def test_no_two_heads_ever_share_an_id(images, announce_s, keep_s):
    tracker, seen, now = HeadTracker(announce_s=announce_s, keep_s=keep_s), set(), 0
    last = []
    for step, heads, again in images:
        before = set(seen)
        now += step
        heads = [*heads, *last] if again else heads
        tracked = tracker.update(heads, now / 10)
        found = ids(tracked)
        assert len(found) == len(set(found)) <= len(heads)
        assert set(found) <= set(tracker.ids)
        # In the order of the heads, each with its own face.
        faces = [id(h.face) for h in heads]
        order = [faces.index(id(t.head.face)) for t in tracked]
        assert order == sorted(order)
        assert not (step < 0 and before & set(found))
        seen |= set(found)
        last = heads[:2]
    # No number is left out.
    assert seen == {f'h{number + 1}' for number in range(len(seen))}


def test_a_head_without_a_sensible_pose_harms_nobody():
    tracker = at_once()
    nowhere = head(300, 200, rotation=np.full((3, 3), np.nan))
    for frame in range(5):
        tracked = tracker.update([head(900, 200), nowhere], frame / RATE_HZ)
        assert tracked[0].id == 'h1'


@given(st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.0, -1.0, -2.5, -7.0]))
))  # fmt: skip
def test_no_assignment_has_a_lower_cost(gains):
    rows, columns = _assigned(gains)
    assert len(set(rows.tolist())) == len(rows) and len(set(columns.tolist())) == len(columns)
    assert gains[rows, columns].sum() == gains[linear_sum_assignment(gains)].sum()
