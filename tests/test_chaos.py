"""The node recovers by itself from what cameras, people and machines do, and says what it was."""

import subprocess
import sys

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')

from ros_helpers import ROOT

from fsanet_ros.benchmarks.chaos.faults import Outcome
from fsanet_ros.tools import chaos

pytestmark = pytest.mark.ros

QUICK = ('sizes', 'encodings', 'rubbish', 'no clock', 'parameters', 'frozen')
PATIENCE_S = 600.0


def run(*names):
    """Make faults in a process of its own: the command chooses its ROS domain."""
    return subprocess.run(
        [sys.executable, '-m', 'fsanet_ros', 'chaos', '--patience', '10', *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_it_recovers_from_what_is_quickly_made():
    done = run(*QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('recovered') == len(QUICK)


def test_two_machines_find_each_other_again_when_the_cable_is_back():
    done = run('cable')
    if 'not here' in done.stdout:
        pytest.skip(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'nothing comes on /image' in done.stdout


@pytest.mark.slow
def test_it_recovers_from_all_else():
    done = run(*(fault.name for fault in chaos.all_faults() if fault.name not in (*QUICK, 'cable')))
    assert done.returncode == 0, done.stdout + done.stderr


def test_faults_have_names_of_their_own_and_say_what_they_are():
    faults = chaos.all_faults()
    assert len({fault.name for fault in faults}) == len(faults)
    assert all(fault.what and fault.limit_s > 0 for fault in faults)
    assert {fault.name for fault in faults} > set(QUICK)


def test_a_fault_that_does_not_exist_is_answered_with_those_that_do(capsys):
    with pytest.raises(SystemExit, match='2'):
        chaos.main(['earthquake'])
    said = capsys.readouterr().err
    assert 'earthquake' in said and 'rubbish' in said


def test_a_row_says_what_came_of_a_fault():
    lost = Outcome('kills', 'it is killed', 10.0, failure='no heads within 10 s')
    assert chaos.row(lost)[-1] == 'FAILED: no heads within 10 s'
    assert chaos.row(Outcome('kills', 'it is killed', 10.0, 1.0, 7))[2:5] == (
        '1.0 (limit 10)',
        '7',
        'nothing wrong',
    )
    skipped = Outcome('cut', 'it is cut', 10.0, skipped='needs root')
    assert chaos.row(skipped)[-1] == 'not here: needs root'
