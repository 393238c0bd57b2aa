"""Nothing that reads what others wrote crashes, hangs or invents: a minute of `./run fuzz`."""

import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import strategies as st

pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')

from fuzzing import __main__ as command
from fuzzing.campaign import SLOW_S, Campaign, Target
from fuzzing.kept import KEPT

SECONDS = 60.0 / len(command.TARGETS)
NEEDED = {
    'bags': 'rosbags',
    'depth images': 'sensor_msgs.msg',
    'mat files': 'scipy',
    'safetensors weights': 'torch',
}


def skip_where_missing(name):
    if name in NEEDED:
        pytest.importorskip(NEEDED[name])


@pytest.mark.parametrize('name', command.TARGETS)
def test_damaged_input_is_read_or_refused_with_a_reason(name):
    skip_where_missing(name)
    result = command.in_a_process(name, 10**9, SECONDS, seed=0)
    assert not result.findings, '\n'.join(f'{f.text}\ninput: {f.example}' for f in result.findings)
    assert result.inputs > 0


@pytest.mark.parametrize('name', KEPT)
def test_what_failed_once_does_not_fail_again(name):
    skip_where_missing(name)
    for value in KEPT[name]:
        begin_s = time.process_time()
        command.TARGETS[name].check(value)
        assert time.process_time() - begin_s < SLOW_S


def fragile(content):
    if b'\xff' in content:
        raise IndexError('pixels')
    if len(content) > 20:
        raise KeyError('too long')


def test_a_campaign_goes_on_after_what_it_finds_and_shows_the_smallest_input(tmp_path):
    target = Target('fragile', st.binary(), fragile, round=100)
    result = Campaign(target, tmp_path / 'kept', None).run(2000, 600.0, seed=1)
    assert {f.key.split()[0] for f in result.findings} == {'IndexError', 'KeyError'}
    assert {f.example for f in result.findings} == {repr(b'\xff'), repr(b'\0' * 21)}
    assert result.inputs >= 2000
    # What failed is tried first the next time.
    again = Campaign(target, tmp_path / 'kept', None).run(1, 600.0, seed=2)
    assert again.findings


def test_a_slow_input_is_found(monkeypatch):
    monkeypatch.setattr('fuzzing.campaign.SLOW_S', 0.0)
    target = Target('slow', st.just(b''), lambda _: sum(range(100_000)))
    (finding,) = Campaign(target, None, None).run(5, 600.0, seed=1).findings
    assert finding.key.startswith('TimeoutError')


def test_an_input_that_ends_or_stops_the_process_is_found(tmp_path, monkeypatch):
    died = subprocess.Popen([sys.executable, '-c', 'import os; os.kill(os.getpid(), 11)'])
    assert command.watched(died, tmp_path / 'none') == f'the process ended with {-signal.SIGSEGV}'
    monkeypatch.setattr(command, 'STUCK_S', 0.1)
    monkeypatch.setattr(command, 'LOOK_S', 0.1)
    (tmp_path / 'last').touch()
    os.utime(tmp_path / 'last', (time.time() - 60.0,) * 2)
    stuck = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
    assert command.watched(stuck, tmp_path / 'last').startswith('hung for more than')
    assert stuck.poll() is not None


def test_a_wrong_target_is_refused_by_name(capsys):
    with pytest.raises(SystemExit):
        command.main(['pictres'])
    assert "no target 'pictres', expected some of: images," in capsys.readouterr().err
