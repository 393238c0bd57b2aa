"""
Head poses in a clip, through the real thing: a publisher and the node, two processes, ROS topics.

Writes poses.csv, annotated.mp4 and still.png.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from fsanet_ros.detection import DETECTOR_NAMES
from fsanet_ros.files.video import VideoError, open_frames
from fsanet_ros.ros.clients.processes import Process, node_process
from fsanet_ros.tools.command_line import command_parser, fail, note

if TYPE_CHECKING:
    from fsanet_ros.ros.clients.recorder import Recorder

CAMERA_FRAMES = 300
STARTUP_S = 30.0
FALLBACK_RATE_HZ = 30.0


def main(argv: list[str] | None = None) -> int:
    """Run the demo from the command line; return the exit code."""
    arguments = _parse(argv)
    # Away from any robot on the network, unless the user has chosen a domain.
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 101))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    try:
        rate_hz = _rate_hz(arguments)
        arguments.output.mkdir(parents=True, exist_ok=True)
        return _run(arguments, rate_hz)
    except (VideoError, OSError) as error:
        return fail('demo', error)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = command_parser('demo', __doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument('--video', default='', help="a video or a folder; default: the package's")
    source.add_argument('--camera', type=int, default=-1, metavar='N', help='a camera, by number')
    parser.add_argument(
        '--frames', type=int, default=0, metavar='N',
        help=f'stop after N frames; default: all, {CAMERA_FRAMES} of a camera',
    )  # fmt: skip
    parser.add_argument(
        '-o', '--output', type=Path, default=Path('demo_output'), metavar='DIR', help='folder'
    )
    parser.add_argument('--detector', choices=DETECTOR_NAMES, default=DETECTOR_NAMES[0])
    arguments = parser.parse_args(argv)
    if arguments.frames < 0:
        parser.error(f'--frames is {arguments.frames}, expected a positive number')
    if arguments.camera >= 0 and not arguments.frames:
        arguments.frames = CAMERA_FRAMES
    return arguments


def _rate_hz(arguments: argparse.Namespace) -> float:
    """Return the video's rate; raise VideoError early, before anything is started."""
    if arguments.camera >= 0 or not arguments.video:
        return FALLBACK_RATE_HZ
    with open_frames(arguments.video) as frames:
        return frames.rate_hz or FALLBACK_RATE_HZ


def _run(arguments: argparse.Namespace, rate_hz: float) -> int:
    import rclpy

    from fsanet_ros.ros.clients.recorder import Recorder

    rclpy.init()
    with tqdm(
        total=arguments.frames or None,
        unit='frame',
        desc='head poses',
        disable=arguments.quiet or None,
    ) as bar:
        recorder = Recorder(arguments.output, rate_hz, bar.update)
        try:
            with node_process('ros.node', {'detection.detector': arguments.detector}) as node:
                problem = _wait_for_node(recorder, node)
                if not problem:
                    parameters = _source_parameters(arguments)
                    remappings = {'head_poses': 'recorded_head_poses'}
                    with node_process('ros.video_source', parameters, remappings) as source:
                        problem = _record(recorder, node, source)
        finally:
            recorder.close()
            summary, frames = recorder.summary(), recorder.frames
            recorder.destroy_node()
            rclpy.try_shutdown()
    if not frames:
        problem = problem or 'no head poses came'
    if problem:
        return fail('demo', problem)
    note(arguments, f'{summary}\nwritten: {arguments.output}/poses.csv, annotated.mp4, still.png')
    return 0


def _wait_for_node(recorder: Recorder, node: Process) -> str:
    """Wait until the node publishes; return what went wrong."""
    from rclpy import spin_once

    end = time.monotonic() + STARTUP_S
    while not recorder.connected:
        spin_once(recorder, timeout_sec=0.05)
        if node.poll() is not None:
            return f'the node has ended with code {node.returncode}; its output is above'
        if time.monotonic() > end:
            return f'the node has not started in {STARTUP_S:g} s'
    return ''


def _record(recorder: Recorder, node: Process, source: Process) -> str:
    """Record until the source has ended and its last frame has come; return what went wrong."""
    from rclpy import spin_once

    quiet_since, seen = time.monotonic(), -1
    while True:
        spin_once(recorder, timeout_sec=0.05)
        done = recorder.frames + recorder.pictures
        if done != seen:
            quiet_since, seen = time.monotonic(), done
        quiet_s = time.monotonic() - quiet_since
        if node.poll() is not None:
            return f'the node has ended with code {node.returncode}; its output is above'
        if source.poll() is not None:
            if source.returncode:
                return f'the source has ended with code {source.returncode}; see above'
            if quiet_s > (0.5 if recorder.complete else 3.0):
                return ''
        elif quiet_s > STARTUP_S:
            return f'nothing has come for {STARTUP_S:g} s'


def _source_parameters(arguments: argparse.Namespace) -> dict[str, object]:
    parameters: dict[str, object] = {
        'wait_for_subscriber_s': STARTUP_S,
        'max_frames': arguments.frames,
        # A file's frames are all processed, however slow the machine; a camera's keep their pace.
        'lockstep': arguments.camera < 0,
    }
    if arguments.video:
        parameters['source'] = arguments.video
    if arguments.camera >= 0:
        parameters['source'] = str(arguments.camera)
    return parameters


if __name__ == '__main__':
    raise SystemExit(main())
