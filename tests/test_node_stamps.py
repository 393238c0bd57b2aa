"""Whatever is wrong with the stamps, heads come, with a warning that names topic and cause."""

import itertools
import math
import random
import time

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from diagnostic_msgs.msg import DiagnosticStatus
from head_pose_rig import Rig, face_picture, start

pytestmark = pytest.mark.ros

FACE = face_picture()
HOUR_NS = 3600 * 10**9


def zeros():
    return itertools.repeat(0)


def whole_seconds():
    while True:
        yield time.time_ns() // 10**9 * 10**9


def swapped():
    chance = random.Random(0)
    while True:  # by chance, or of a slow node's images all may be of one kind
        yield time.time_ns() - chance.choice([0, 150_000_000])


def two_clocks():
    chance = random.Random(0)
    while True:
        yield time.time_ns() - chance.choice([0, HOUR_NS])


def future():
    while True:
        yield time.time_ns() + HOUR_NS


def before_1970():
    return itertools.count(-HOUR_NS, 100_000_000)


STAMPS = {
    zeros: 'its stamps are all 0',
    whole_seconds: 'its stamps stand still or are too coarse',
    swapped: 'its stamps go back and forth',
    two_clocks: 'its stamps go back and forth',
    future: 's ahead of this clock',
    before_1970: 'its stamps are before 1970',
}


@pytest.mark.parametrize('stamps', STAMPS, ids=lambda stamps: stamps.__name__)
def test_heads_keep_coming_and_the_cause_is_named(stamps):
    # As shipped: a head is announced when it has been seen for a while.
    with start(tracking__announce_s=0.05) as node, Rig('head_poses', '/diagnostics') as rig:
        assert rig.until(lambda: rig.node.count_subscribers('/image') == 1)
        source = stamps()

        def send():
            rig.send(FACE, next(source))

        camera = rig.node.create_timer(0.05, send)
        assert rig.until(lambda: any(STAMPS[stamps] in line for line in node.output.splitlines()))
        rig.forget()
        assert rig.until(lambda: sum(bool(m.heads) for m in rig.received['head_poses']) > 20)
        answers = rig.received['head_poses'][-15:]
        assert all(len(answer.heads) == 1 for answer in answers)
        assert len({answer.heads[0].id for answer in answers}) == 1
        (said,) = {line for line in node.output.splitlines() if STAMPS[stamps] in line} or {''}
        assert '/image' in said
        rig.forget()
        status, values = rig.diagnostics(lambda status, _: STAMPS[stamps] in status.message)
        assert status.level == DiagnosticStatus.WARN and '/image' in status.message
        latency_ms = float(values['latency median (ms)'])
        assert math.isnan(latency_ms) or 0 <= latency_ms < 60_000
        rig.node.destroy_timer(camera)
        assert node.stop() == 0


def test_a_simulated_clock_that_never_runs_is_named_and_heads_come():
    with start(use_sim_time=True) as node, Rig('head_poses', '/diagnostics') as rig:
        assert len(rig.ask(FACE).heads) == 1
        camera = rig.node.create_timer(0.05, lambda: rig.send(FACE))
        said = 'use_sim_time is true, but the time on /clock has not begun'
        assert rig.until(lambda: said in node.output)
        _, values = rig.diagnostics(lambda status, _: 'use_sim_time' in status.message)
        assert math.isnan(float(values['latency median (ms)']))
        rig.node.destroy_timer(camera)
        assert node.stop() == 0


def test_a_rate_limit_holds_where_stamps_stand_still():
    with start(input__max_rate_hz=5.0) as node, Rig('head_poses') as rig:
        rig.ask_repeatedly(FACE, 'head_poses')
        rig.forget()
        camera = rig.node.create_timer(0.02, lambda: rig.send(FACE, 0))
        begin_s = time.monotonic()
        assert rig.until(lambda: len(rig.received['head_poses']) > 10)
        assert time.monotonic() - begin_s > 1.5
        rig.node.destroy_timer(camera)
        assert node.stop() == 0
