"""Heads, where they look and the picture, live in a browser; no screen or RViz is needed here."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fsanet_ros.detection import DETECTOR_NAMES
from fsanet_ros.files.video import Frames, VideoError, open_frames
from fsanet_ros.tools.command_line import DONE, command_parser, fail, note
from fsanet_ros.tools.start_node import quietly, split_arguments

if TYPE_CHECKING:
    from fsanet_ros.view.local import LocalHeads
    from fsanet_ros.view.server import ViewServer

_EPILOG = """
examples:
  view                             what a running head_pose node sees on the topic image
  view /front/image_raw /rear/image_raw
  view --camera 0                  this machine's first camera, without ROS
  view --video people.mp4          a video, again and again, without ROS
  view --demo                      the clip that comes with the package

The view listens at this machine only, so that nobody else sees the pictures. To look from another
machine: ssh -L 8080:localhost:8080 ROBOT, or --host 0.0.0.0 in a network that you trust.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = command_parser(
        'view',
        __doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        'topics', nargs='*', default=[], metavar='TOPIC', help='image topics of the node (image)'
    )
    source.add_argument('--camera', type=int, metavar='N', help='a camera, by number')
    source.add_argument('--video', metavar='FILE', help='a video, a folder of pictures, a stream')
    source.add_argument('--demo', action='store_true', help="the package's clip")
    parser.add_argument('--calibration', metavar='FILE', help='YAML of camera_calibration')
    parser.add_argument('--node', default='head_pose', help='whose parameters to set (%(default)s)')
    parser.add_argument('--host', default='127.0.0.1', help='address to listen at (%(default)s)')
    parser.add_argument('--port', type=int, default=8080, help='first port to try (%(default)s)')
    parser.add_argument('--detector', choices=DETECTOR_NAMES, default=DETECTOR_NAMES[0])
    parser.add_argument('--frames', type=int, default=0, help=argparse.SUPPRESS)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Show until Ctrl-C; return the exit code."""
    own, ros = split_arguments(list(sys.argv[1:] if argv is None else argv))
    parser = make_parser()
    arguments = parser.parse_args(own)
    without_ros = arguments.camera is not None or arguments.video or arguments.demo
    if arguments.calibration and not without_ros:
        parser.error('--calibration goes with --camera and --video; topics have camera_info')
    # Here: --help works without the extra, and the view of a camera without ROS.
    from fsanet_ros.view.server import ViewError, open_server

    if not without_ros:
        from fsanet_ros.ros.clients.view_node import show_topics
    try:
        server = open_server(arguments.host, arguments.port)
    except ViewError as error:
        return fail('view', error)
    if not without_ros:
        topics = arguments.topics or ['image']
        return show_topics(server, topics, arguments.node, [*quietly(arguments), *ros])
    try:
        return _show(server, arguments)
    except (VideoError, ValueError, OSError, ImportError) as error:
        return fail('view', error)
    except KeyboardInterrupt:
        return DONE
    finally:
        server.stop()


def _show(server: ViewServer, arguments: argparse.Namespace) -> int:
    from fsanet_ros.view.live_view import LiveView
    from fsanet_ros.view.server import url_of

    with open_frames(_source(arguments)) as frames:
        heads = _heads(frames, arguments)
        view = LiveView(server, heads.controls(), on_error=partial(fail, 'view'))
        note(arguments, f'view: open {url_of(server)} in a browser; Ctrl-C ends')
        try:
            reason = heads.run(view, arguments.frames)
        finally:
            view.close()
    return fail('view', reason) if reason else DONE


def _source(arguments: argparse.Namespace) -> str | int | Path:
    if arguments.demo:
        from fsanet_ros.demo import CLIP

        return CLIP
    return arguments.video if arguments.camera is None else int(arguments.camera)


def _heads(frames: Frames, arguments: argparse.Namespace) -> LocalHeads:
    from fsanet_ros.demo import CLIP_CAMERA
    from fsanet_ros.estimator import HeadPoseEstimator
    from fsanet_ros.geometry.camera import CameraModel
    from fsanet_ros.view.local import LocalHeads

    path = CLIP_CAMERA if arguments.demo else arguments.calibration
    camera = CameraModel.from_file(path) if path else None
    return LocalHeads(frames, HeadPoseEstimator(arguments.detector), camera)


if __name__ == '__main__':
    raise SystemExit(main())
