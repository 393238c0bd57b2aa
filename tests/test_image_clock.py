"""Time goes on whatever the stamps say, and is the stamps' own where they can be relied on."""

import itertools
import math
import random

import pytest

pytest.importorskip('rclpy')

from fsanet_ros.ros.input.image_clock import ImageClock, NodeClock

PERIOD_NS = 33_333_333
BEGIN_NS = 1_700_000_000 * 10**9


def times(stamps, clock=None, speed=1.0):
    """Return the time of images that arrive evenly."""
    clock = clock or ImageClock()
    return clock, [
        clock.time_ns(s, 100.0 + n * PERIOD_NS * speed / 1e9) for n, s in enumerate(stamps)
    ]


def evenly(count, begin_ns=BEGIN_NS):
    return [begin_ns + n * PERIOD_NS for n in range(count)]


@pytest.mark.parametrize('speed', [0.1, 1.0, 10.0])
def test_good_stamps_are_the_time_at_any_speed_of_a_recording(speed):
    chance = random.Random(0)
    stamps = [stamp + chance.randrange(8_000_000) for stamp in evenly(100)]
    clock, found = times(stamps, speed=speed)
    assert found == stamps and clock.problem == ''


SEQUENCES = {
    'all 0': ([0] * 100, 'are all 0'),
    'constant': ([BEGIN_NS] * 100, 'stand still or are too coarse'),
    'whole seconds': ([s // 10**9 * 10**9 for s in evenly(100)], 'stand still or are too coarse'),
    'tenths': ([s // 10**8 * 10**8 for s in evenly(100)], 'stand still or are too coarse'),
    'pairs swapped': (
        [s for a, b in zip(evenly(100)[::2], evenly(100)[1::2], strict=True) for s in (b, a)],
        'back and forth',
    ),
    'two clocks': (
        [s - 10 * 10**9 * (n % 2) for n, s in enumerate(evenly(100))],
        'back and forth',
    ),
    'backwards': (evenly(100)[::-1], 'back and forth'),
    'random': ([random.Random(n).randrange(2**62) for n in range(100)], 'back and forth'),
}


@pytest.mark.parametrize('name', SEQUENCES)
def test_where_stamps_tell_nothing_the_time_between_arrivals_counts(name):
    stamps, problem = SEQUENCES[name]
    clock, found = times(stamps)
    assert problem in clock.problem
    late = [time for time in found[20:] if time is not None]
    steps = [b - a for a, b in itertools.pairwise(late)]
    assert len(late) == 80 and all(step > 0 for step in steps)
    assert sum(steps) == pytest.approx(79 * PERIOD_NS, rel=0.1)


def test_an_image_that_was_overtaken_is_left_out_and_changes_nothing():
    stamps = evenly(60)
    stamps.insert(30, stamps[28])
    clock, found = times(stamps)
    assert found[30] is None and found[:30] + found[31:] == evenly(60)
    assert clock.problem == ''


def test_a_recording_that_starts_again_jumps_back():
    clock, found = times(evenly(60) * 5)
    assert found == evenly(60) * 5 and clock.problem == ''


def test_a_clock_that_is_set_is_followed():
    stamps = evenly(50) + evenly(50, BEGIN_NS + 3600 * 10**9) + evenly(50, BEGIN_NS - 3600 * 10**9)
    clock, found = times(stamps)
    assert found == stamps and clock.problem == ''


def test_stamps_that_get_better_are_relied_on_again():
    clock, _ = times(SEQUENCES['two clocks'][0])
    assert clock.problem
    found = [clock.time_ns(stamp, 200.0 + n) for n, stamp in enumerate(evenly(50, BEGIN_NS * 2))]
    assert clock.problem == ''
    assert [b - a for a, b in itertools.pairwise(found)][-20:] == [PERIOD_NS] * 20


def test_after_a_stall_it_goes_on_at_the_stamps_pace():
    _, found = times([*evenly(50), *[evenly(50)[-1]] * 50, *evenly(51, evenly(50)[-1])[1:]])
    steps = [b - a for a, b in itertools.pairwise(found)]
    assert all(0 < step <= 2 * PERIOD_NS for step in steps)
    assert steps[-10:] == [PERIOD_NS] * 10


@pytest.mark.parametrize('stamps', [[0] * 50, SEQUENCES['two clocks'][0]])
def test_a_recording_gives_the_same_however_fast_it_is_played(stamps):
    _, slow = times(stamps, ImageClock(1 / 30), speed=10.0)
    _, fast = times(stamps, ImageClock(1 / 30), speed=0.01)
    assert slow == fast


@pytest.mark.parametrize(
    ('stamp_ns', 'now_ns', 'said'),
    [
        (BEGIN_NS, BEGIN_NS + 5_000_000, ''),
        (0, BEGIN_NS, 'behind the clock'),
        (BEGIN_NS, 10**9, 'ahead of the clock'),
        (BEGIN_NS + 10**12, BEGIN_NS, 'ahead of the clock'),
        (BEGIN_NS, 0, ''),  # a simulated clock that has not begun
    ],
)
def test_a_latency_is_a_latency_or_unknown(stamp_ns, now_ns, said):
    clock = ImageClock()
    clock.time_ns(stamp_ns, 0.0)
    latency_s = clock.latency_s(stamp_ns, now_ns)
    assert latency_s == 0.005 if now_ns - stamp_ns == 5_000_000 else math.isnan(latency_s)
    assert said in clock.difference and bool(said) == bool(clock.difference)
    assert ('ahead of this clock' in clock.problem) == said.startswith('ahead')


def test_a_time_that_stands_still_is_said_after_a_while():
    clock = NodeClock()
    assert clock.problem(0, 10.0) == '' and 'has not begun' in clock.problem(0, 13.0)
    assert clock.problem(1, 13.1) == '' and 'stands still' in clock.problem(1, 16.0)
    assert clock.problem(2, 16.1) == ''
