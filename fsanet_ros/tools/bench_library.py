"""
Where the time goes from an image message to messages (``./run bench library``).

In one thread of Python, with no topics; the detector may use more.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fsanet_ros.benchmarks.machine import describe_machine
from fsanet_ros.benchmarks.scenes import make_scene
from fsanet_ros.benchmarks.timing import Milliseconds, time_by_turns
from fsanet_ros.detection import DETECTOR_NAMES
from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.fsanet.face_crops import cut_faces
from fsanet_ros.fsanet.passes import mirrored_pass
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.tracking.tracker import HeadTracker

SCENES = ((640, 480, 1), (640, 480, 7), (1280, 720, 4), (1280, 720, 16), (1920, 1080, 16))
STAGES = ('convert', 'detect', 'crop', 'network', 'geometry', 'track', 'message')


def bench_library(argv: Sequence[str]) -> int:
    """Measure from the command line; return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        estimator = HeadPoseEstimator(
            arguments.detector, detector_model=arguments.detector_model, threads=arguments.threads
        )
        report: dict[str, Any] = {'machine': describe_machine(), 'cases': []}
        print(f'{"ms, medians":22}' + ''.join(f'{name:>10}' for name in (*STAGES, 'all')))
        for width, height, faces in SCENES:
            stages = time_stages(estimator, width, height, faces, arguments.repeat)
            name = f'{width}x{height}, {faces} faces'
            total = sum(stage.median for stage in stages.values())
            cells = [*(stages[stage].median for stage in STAGES), total]
            print(f'{name:22}' + ''.join(f'{cell:10.2f}' for cell in cells), flush=True)
            report['cases'].append(
                {'name': name, 'stages_ms': {k: asdict(v) for k, v in stages.items()}}
            )
        report['machine']['load_after'] = os.getloadavg()[0]
        if arguments.json:
            arguments.json.write_text(json.dumps(report, indent=2) + '\n')
        if arguments.report:
            from fsanet_ros.benchmarks.stage_plot import plot_stages

            arguments.report.mkdir(parents=True, exist_ok=True)
            plot_stages(report['cases'], arguments.report / 'stages.png')
            print(f'{arguments.report}/stages.png')
    except (ValueError, OSError, ImportError) as error:
        print(f'bench library: {error}', file=sys.stderr)
        return 1
    return 0


def time_stages(
    estimator: HeadPoseEstimator, width: int, height: int, faces: int, repeat: int
) -> dict[str, Milliseconds]:
    """Return how long each of STAGES takes for a scene with so many faces."""
    from rclpy.serialization import serialize_message
    from std_msgs.msg import Header

    from fsanet_ros.ros.images import bgr_from_image, image_from_bgr
    from fsanet_ros.ros.messages import head_pose_array, transforms

    image = make_scene(width, height, faces).frames[0]
    message = image_from_bgr(image, Header(frame_id='camera_optical_frame'))
    camera = CameraModel.pinhole(width, height, 0.9 * width)
    found = estimator.detector.detect(image)
    description = estimator.runtime.description
    crops = cut_faces(image, found, description)[1]
    heads = estimator.estimate_faces(image, found, camera)
    tracker, clock = HeadTracker(), itertools.count()
    for _ in range(10):
        tracked = tracker.update(heads, next(clock) / 30)

    def messages() -> None:
        serialize_message(head_pose_array(tracked, message.header, (width, height)))
        for frame in transforms(tracked, message.header):
            serialize_message(frame)

    works: dict[str, Callable[[], object]] = {
        'convert': lambda: bgr_from_image(message),
        'detect': lambda: estimator.detector.detect(image),
        'crop': lambda: cut_faces(image, found, description),
        'network': lambda: mirrored_pass(estimator.runtime, crops),
        'crop to heads': lambda: estimator.estimate_faces(image, found, camera),
        'track': lambda: tracker.update(heads, next(clock) / 30),
        'message': messages,
    }
    times = time_by_turns(works, repeat)
    whole = times.pop('crop to heads')
    rest = max(0.0, whole.median - times['crop'].median - times['network'].median)
    return {**times, 'geometry': Milliseconds(rest, rest, rest)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='bench library',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--repeat', type=int, default=40, help='how often each stage is timed')
    parser.add_argument('--detector', choices=DETECTOR_NAMES, default=DETECTOR_NAMES[0])
    parser.add_argument('--detector-model', default='', help="the detector's model file")
    parser.add_argument('--threads', type=int, default=1, help='of the network')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures to a file')
    parser.add_argument('--report', type=Path, metavar='DIR', help='draw the stages there')
    return parser
