"""SIGINT, SIGTERM and SIGHUP end the nodes cleanly whenever they come: code 0, a line at most."""

import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from head_pose_rig import Rig
from ros_helpers import PATIENCE_S, NodeProcess, until

from fsanet_ros.ros.signals import INTERRUPTED

pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif('COVERAGE_RUN' in os.environ, reason='coverage has handlers of its own'),
    pytest.mark.skipif(not Path('/proc/self/status').is_file(), reason='no /proc'),
]

# Seconds after Python itself has started: imports, construction, configuration, work.
MOMENTS_S = (0.0, 0.1, 0.3, 0.6, 0.9, 1.2, 1.6, 2.2, 3.0)
CHANCE = random.Random(0)
NODES = {
    'head_pose': ['-m', 'fsanet_ros.ros.node'],
    'command': ['-m', 'fsanet_ros', 'node'],
    'video_source': ['-m', 'fsanet_ros.ros.video_source'],
}


@pytest.fixture(autouse=True)
def heeded_hangup():
    """Let programs that are started heed SIGHUP where nohup has this one ignore it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def catches_signals(node):
    """Whether a process has a handler of its own for SIGTERM; without one, Python is starting."""
    status = Path(f'/proc/{node._process.pid}/status').read_text()
    caught = int(status.split('SigCgt:')[1].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def ends_cleanly(arguments, sig, delay_s):
    with NodeProcess(arguments) as node:
        assert until(lambda: catches_signals(node), step=lambda: time.sleep(0.001))
        time.sleep(delay_s)
        node.send(sig)
        code, said = node.wait(), node.output
    assert code == 0, (delay_s, said)
    assert 'Traceback' not in said and 'Error' not in said, said
    return said


@pytest.mark.parametrize('name', NODES)
@pytest.mark.parametrize('sig', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_any_moment_of_the_start_ends_it_cleanly(name, sig):
    for moment_s in MOMENTS_S[:: 1 if name == 'head_pose' else 4]:
        ends_cleanly(NODES[name], sig, moment_s + CHANCE.uniform(0.0, 0.1))


def test_a_signal_before_it_runs_is_one_line():
    said = ends_cleanly(NODES['head_pose'], signal.SIGTERM, 0.0)
    assert said == 'head_pose: stopped by SIGTERM\n'


def test_ctrl_c_from_the_terminal_and_from_launch_is_one_wish():
    with NodeProcess([*NODES['head_pose']]) as node:
        node.wait_for_output('active')
        for sig in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            node.send(sig)
            time.sleep(0.02)
        assert node.wait() == 0
        assert 'Traceback' not in node.output


def test_a_terminal_that_closes_ends_it_cleanly_unless_nohup_is_before_it():
    with NodeProcess([*NODES['head_pose']]) as node:
        node.wait_for_output('active')
        node.send(signal.SIGHUP)
        assert node.wait() == 0
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # children inherit it
    try:
        with NodeProcess([*NODES['head_pose']]) as node:
            node.wait_for_output('active')
            node.send(signal.SIGHUP)
            time.sleep(1.0)
            assert node.running
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize('name', ['head_pose', 'command'])
@pytest.mark.parametrize('first', [0, 1])
def test_without_stdout_and_stderr_it_runs_until_it_is_told_to_stop(name, first):
    # What is opened next gets their numbers, and the log goes into it.
    code = (
        f'import os, sys; os.closerange({first}, 3); '
        f'os.execv(sys.executable, [sys.executable, *{NODES[name]}])'
    )
    with NodeProcess(['-c', code]) as node, Rig('head_poses') as rig:
        assert rig.until(lambda: rig.node.count_subscribers('image') == 1)
        rig.spin(2.0)
        assert node.running
        assert node.stop() == 0


def test_a_second_signal_ends_what_hangs():
    code = (
        'import time\n'
        'from fsanet_ros.ros.signals import stop_at_signals\n'
        'with stop_at_signals():\n'
        '    print("hanging", flush=True)\n'
        '    while True:\n'
        '        time.sleep(1)\n'
    )
    with NodeProcess(['-c', code]) as process:
        process.wait_for_output('hanging')
        end_s = time.monotonic() + PATIENCE_S
        while process.running and time.monotonic() < end_s:
            process.send(signal.SIGINT)
            time.sleep(0.5)
        assert process.wait() == INTERRUPTED
        assert process.output == 'hanging\nended at once by a second SIGINT\n'


@pytest.mark.skipif(sys.platform != 'linux', reason='signals of POSIX')
def test_a_node_asked_to_stop_while_it_is_made_does_not_start(monkeypatch, capfd):
    from fsanet_ros.ros import node as head_pose

    made = head_pose.HeadPoseNode

    def make():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.2)
        return made()

    monkeypatch.setattr(head_pose, 'HeadPoseNode', make)
    assert head_pose.main(['--ros-args', '-r', '__node:=stopped']) == 0
    assert 'configured' not in ''.join(capfd.readouterr())
