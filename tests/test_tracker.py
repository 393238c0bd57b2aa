"""Identities: who is who from image to image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsanet_ros.tracking.tracker import HeadTracker
from fsanet_ros.types import Box, Face, Head, Square


def head(x, y, size=100.0):
    """Return a head whose box has its middle at (x, y)."""
    box = Box(x - size / 2, y - size / 2, size, size)
    return Head(Face(box, 0.9, Square(x, y, size)), np.eye(3))


def ids(tracked):
    return [t.id for t in tracked]


def test_one_head_that_jitters_keeps_its_id():
    tracker, rng = HeadTracker(), np.random.default_rng(0)
    for frame in range(200):
        x, y, grown = rng.normal(0, 1, 3)
        (found,) = tracker.update([head(300 + 8 * x, 200 + 8 * y, 100 + 5 * grown)], frame / 30)
        assert found.id == 'h1'
        assert found.age_s == pytest.approx(frame / 30)


def test_heads_stay_in_the_order_that_they_came_in():
    tracker = HeadTracker()
    assert ids(tracker.update([head(100, 100), head(500, 100)], 0.0)) == ['h1', 'h2']
    heads = [head(505, 100), head(104, 100)]
    tracked = tracker.update(heads, 0.1)
    assert ids(tracked) == ['h2', 'h1']
    assert [t.head for t in tracked] == heads


@pytest.mark.parametrize('rate_hz', [10, 30])
def test_two_heads_that_pass_each_other_keep_their_ids(rate_hz):
    tracker = HeadTracker()
    for frame in range(4 * rate_hz):
        way = 150 * frame / rate_hz
        tracked = tracker.update([head(100 + way, 200), head(700 - way, 240)], frame / rate_hz)
        assert ids(tracked) == ['h1', 'h2']


def test_a_walking_head_keeps_its_id_through_missed_frames():
    tracker = HeadTracker()
    for frame in range(60):
        if frame % 5 < 3:
            (found,) = tracker.update([head(100 + 10 * frame, 200)], frame / 30)
            assert found.id == 'h1'
        else:
            assert tracker.update([], frame / 30) == []


def test_a_short_absence_is_forgiven_and_a_long_one_is_not():
    tracker = HeadTracker(keep_s=1.0)
    tracker.update([head(300, 200)], 0.0)
    assert ids(tracker.update([head(305, 200)], 0.9)) == ['h1']
    assert ids(tracker.update([head(305, 200)], 2.0)) == ['h2']


def test_a_head_elsewhere_or_of_another_size_is_another():
    tracker = HeadTracker()
    tracker.update([head(300, 200)], 0.0)
    assert ids(tracker.update([head(600, 200)], 0.03)) == ['h2']
    assert ids(tracker.update([head(600, 200, 300)], 0.06)) == ['h3']


def test_a_clock_that_jumps_back_starts_anew_with_new_ids():
    tracker = HeadTracker()
    tracker.update([head(300, 200)], 100.0)
    (again,) = tracker.update([head(300, 200)], 5.0)
    assert (again.id, again.age_s) == ('h2', 0.0)


def test_reset_forgets_everybody_and_never_gives_an_id_again():
    tracker = HeadTracker()
    tracker.update([head(300, 200)], 10.0)
    tracker.reset()
    assert ids(tracker.update([head(300, 200)], 10.0)) == ['h2']
    assert ids(tracker.update([head(300, 200)], 10.0)) == ['h2']  # the same stamp twice


def test_trackers_count_on_their_own():
    first, second = HeadTracker(id_prefix='left'), HeadTracker(id_prefix='right')
    assert ids(first.update([head(1, 1)], 0.0)) == ['left1']
    assert ids(second.update([head(1, 1)], 0.0)) == ['right1']


@pytest.mark.parametrize('prefix', ['', '1a', 'a b', 'a/b', 'a_b', 'é', 'a-'])
def test_a_prefix_that_no_topic_can_have_is_refused(prefix):
    with pytest.raises(ValueError, match='id prefix'):
        HeadTracker(id_prefix=prefix)


lengths = st.floats(-1e4, 1e4)
any_box = st.builds(Box, lengths, lengths, st.floats(0, 1e4), st.floats(0, 1e4))
any_head = any_box.map(lambda box: Head(Face(box, 0.5, Square(*box.center, 1.0)), np.eye(3)))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(-30, 50), st.lists(any_head, max_size=4)), max_size=8))
def test_no_two_heads_ever_share_an_id(images):
    tracker, seen, now = HeadTracker(), set(), 0
    for step, heads in images:
        before = set(seen)
        gone = step < 0
        now += step
        found = ids(tracker.update(heads, now / 10))
        assert len(found) == len(heads) == len(set(found))
        assert not (gone and before & set(found))
        seen |= set(found)
