"""
Where heads point over time, as a plot: in a video, in a recording (bag), or on a live topic.

The direction of the nose and how far the head leans over; --table has yaw, pitch and roll. A video
goes through detector, network and tracker here. Of a bag and a topic the messages
fsanet_ros/HeadPoseArray are drawn; a topic until Ctrl-C or for --seconds.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from tqdm import tqdm

from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.files.bags import BagError, head_poses_of_bag, is_bag
from fsanet_ros.files.output_checks import check_file
from fsanet_ros.files.video import VideoError, open_frames
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS
from fsanet_ros.research.arguments import add_detector, detector_of
from fsanet_ros.research.evaluation.timelines import Timelines, check_plot, plot, write_table
from fsanet_ros.tools.command_line import command_parser, fail, note
from fsanet_ros.tracking.tracker import SMOOTHINGS, HeadTracker

FALLBACK_RATE_HZ = 30.0


def main(argv: list[str] | None = None) -> int:
    """Plot from the command line; return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        # Before hours of listening, not after them.
        check_plot(arguments.output)
        for path in filter(None, (arguments.output, arguments.table)):
            check_file(path)
        timelines = Timelines()
        code = _gather(arguments, timelines)
        if code:
            return code
        if not len(timelines):
            return fail('timeline', f'{arguments.source}: no head was seen; no plot')
        plot(timelines, arguments.output, title=Path(arguments.source).name)
        if arguments.table:
            write_table(timelines, arguments.table)
    except (BagError, VideoError, ValueError, OSError, ImportError) as error:
        return fail('timeline', error)
    note(arguments, f'{len(timelines)} heads, {timelines.count} poses: {arguments.output}')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser('timeline', __doc__)
    parser.add_argument(
        'source', help='a video, a folder of pictures, a bag, or a topic such as /head_poses'
    )
    parser.add_argument('-o', '--output', type=Path, required=True, metavar='FILE.png')
    parser.add_argument('--table', type=Path, metavar='FILE.csv', help='the numbers as well')
    parser.add_argument(
        '--seconds', type=_positive, default=math.inf, help='listen so long to a topic'
    )
    parser.add_argument('--topic', default='', help='of a bag that has several of the kind')
    video = parser.add_argument_group('of videos')
    video.add_argument('--weights', default=DEFAULT_WEIGHTS, help='a name or a file')
    add_detector(video)
    video.add_argument('--smoothing', choices=SMOOTHINGS, default='none')
    return parser


def _positive(text: str) -> float:
    seconds = float(text)
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f'{text} is not above 0')
    return seconds


def _gather(arguments: argparse.Namespace, timelines: Timelines) -> int:
    """Fill ``timelines`` from the source; return an exit code."""
    source = Path(arguments.source).expanduser()
    if is_bag(source):
        for stamp_s, head_id, angles_deg in head_poses_of_bag(source, arguments.topic):
            timelines.add(head_id, stamp_s, angles_deg)
        return 0
    if source.exists() or '://' in arguments.source:
        _from_video(arguments, timelines)
        return 0
    # A topic's name has no dot: that would be a file.
    if not arguments.source.startswith('/') or source.suffix:
        raise VideoError(
            f'{source} does not exist; give a video, a folder of pictures, a bag, or a topic such '
            'as /head_poses.'
        )
    # Here: only this needs ROS.
    from fsanet_ros.ros.clients.pose_listener import listen

    return listen(arguments.source, arguments.seconds, timelines.add)


def _from_video(arguments: argparse.Namespace, timelines: Timelines) -> None:
    detector = detector_of(arguments)
    estimator = HeadPoseEstimator(detector, arguments.weights)
    tracker = HeadTracker(smoothing=arguments.smoothing)
    with open_frames(arguments.source) as frames:
        period_s = 1 / (frames.rate_hz or FALLBACK_RATE_HZ)
        for number, image in enumerate(tqdm(frames, unit='frame', disable=arguments.quiet or None)):
            for tracked in tracker.update(estimator.estimate(image), number * period_s):
                timelines.add(tracked.id, number * period_s, tracked.head.yaw_pitch_roll_deg)


if __name__ == '__main__':
    raise SystemExit(main())
