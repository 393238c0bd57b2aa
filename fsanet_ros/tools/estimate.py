"""Head poses in pictures, videos and recordings: tables, and copies with the axes drawn in."""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from fsanet_ros.allocation import keep_freed_memory
from fsanet_ros.batch.copies import check_outputs, copy_targets
from fsanet_ros.batch.inputs import LIVE, Input, find_inputs
from fsanet_ros.batch.jobs import EstimationSettings
from fsanet_ros.batch.report import RunReport
from fsanet_ros.batch.run import Outputs, estimate_heads, make_plan, write_results
from fsanet_ros.batch.sightings import NODE_ANNOUNCE_S, NODE_SMOOTHING, TrackingSettings
from fsanet_ros.batch.tables import SUFFIXES
from fsanet_ros.batch.work_folder import WorkFolder
from fsanet_ros.batch.workers import make_workers
from fsanet_ros.detection import DEFAULT_DETECTION_SIZE, DETECTOR_NAMES, make_detector
from fsanet_ros.detection.mounting import MOUNTINGS_DEG
from fsanet_ros.files.video import VideoError
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS
from fsanet_ros.tools.command_line import command_parser, fail, interrupted, unread
from fsanet_ros.tracking.tracker import SMOOTHINGS

_EPILOG = """
examples:
  estimate people.jpg                              a table on standard output
  estimate people.mp4 -o heads.csv -o annotated/   a table and an annotated video
  estimate recordings/ '*.mov' -o heads.parquet    folders and patterns; all files in one table
  find . -name '*.jpg' | estimate - -o heads.jsonl a list of files

A run that was stopped goes on where it was when it is started again in the same way.

exit codes: 0 everything was read; 1 nothing was, or the output cannot be written; 2 wrong
arguments; 3 some inputs are damaged, unreadable or missing, the report says which;
130 interrupted
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = command_parser(
        'estimate',
        __doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'inputs',
        nargs='+',
        metavar='INPUT',
        help='pictures, videos, bags, folders of these, patterns, a camera (0), the address of a '
        'stream, or - for a list on standard input',
    )
    parser.add_argument(
        '-o',
        '--output',
        action='append',
        type=Path,
        default=[],
        metavar='PATH',
        help=f'a table ({", ".join(SUFFIXES)}), or a folder for annotated copies (of '
        'bags: new bags with head_poses, /tf and markers); may be repeated. '
        'Without it, CSV on standard output',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace outputs that exist (else: an error)'
    )
    parser.add_argument(
        '--topics', nargs='+', default=[], metavar='TOPIC', help='image topics of bags (all)'
    )
    parser.add_argument(
        '--copy-topics',
        nargs='*',
        metavar='TOPIC',
        help='topics of the input bags that the new bags have too; without a name: all',
    )
    parser.add_argument('--calibration', default='', help='YAML of camera_calibration: positions')
    parser.add_argument(
        '--mounting-deg',
        type=int,
        choices=MOUNTINGS_DEG,
        default=0,
        help='how far the camera is turned clockwise, seen from behind it; results are as the '
        'pictures show it (default %(default)s)',
    )
    parser.add_argument('--detector', choices=DETECTOR_NAMES, default=DETECTOR_NAMES[0])
    parser.add_argument('--detector-model', default='', help="the detector's file, if it needs one")
    parser.add_argument(
        '--detection-size',
        type=int,
        default=DEFAULT_DETECTION_SIZE,
        help='longer side in pixels at which faces are looked for; 0: full size (default '
        '%(default)s)',
    )
    parser.add_argument('--weights', default=DEFAULT_WEIGHTS, help='a name or a file')
    parser.add_argument('--smoothing', choices=SMOOTHINGS, default='none', help='of videos')
    parser.add_argument(
        '--as-node',
        action='store_true',
        help='what the node would publish with its defaults and input.deterministic: faces are '
        'followed, and searched for at full size; poses are smoothed. Videos and bags are not '
        'split, so a single one uses one core',
    )
    parser.add_argument(
        '--attention', action='store_true', help='who looks at the camera, and at whom (videos)'
    )
    parser.add_argument(
        '--processes',
        type=int,
        default=os.cpu_count() or 1,
        help='that work at the same time (default: one for each core, %(default)s)',
    )
    parser.add_argument(
        '--scheduler',
        default='',
        metavar='ADDRESS',
        help='of a Dask cluster to work on, such as tcp://10.0.0.1:8786',
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Estimate from the command line; return the exit code."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    keep_freed_memory()
    try:
        report = _estimate(arguments)
    except KeyboardInterrupt:
        return interrupted('estimate', '; the same command goes on from here')
    except BrokenPipeError:
        return unread()
    except (ValueError, OSError, ImportError, VideoError) as error:
        return fail('estimate', error)
    if not arguments.quiet or report.exit_code:
        print('\n'.join(['estimate: ' + report.lines()[0], *report.lines()[1:]]), file=sys.stderr)
    return report.exit_code


def _estimate(arguments: argparse.Namespace) -> RunReport:
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors='surrogateescape')  # names of files are bytes
    inputs, passed = find_inputs(arguments.inputs, sys.stdin)
    live = [one for one in inputs if one.kind in LIVE]
    if len(live) > 1:
        raise ValueError(
            f'{live[0].name} and {live[1].name}: expected one camera or stream; start a second '
            'command for the other'
        )
    check_outputs(arguments.output, inputs, overwrite=True, own={})
    folders = _folders(arguments.output)
    detector = make_detector(arguments.detector, model_path=arguments.detector_model)
    settings = EstimationSettings(
        detector=detector.name,  # chosen here, so that all workers take the same
        detector_model=arguments.detector_model,
        detection_size=arguments.detection_size,
        weights=arguments.weights,
        calibration=arguments.calibration,
        image_topics=tuple(arguments.topics),
        mounting_deg=arguments.mounting_deg,
        as_node=arguments.as_node,
    )
    tracking = TrackingSettings(smoothing=arguments.smoothing, attention=arguments.attention)
    if arguments.as_node:
        tracking = replace(tracking, announce_s=NODE_ANNOUNCE_S, smoothing=NODE_SMOOTHING)
    plan = make_plan(inputs, settings)
    with ExitStack() as stack:
        if arguments.output:
            first = arguments.output[0]
            folder = WorkFolder(first.with_name(f'.{first.name}.work'))
        else:
            folder = WorkFolder(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        stack.callback(folder.close)
        outputs = _outputs(arguments, folders, inputs, folder)
        bar = stack.enter_context(
            tqdm(total=plan.frames, unit='frame', disable=True if arguments.quiet else None)
        )
        processes = max(1, min(arguments.processes, len(plan.jobs)))
        workers = stack.enter_context(make_workers(processes, arguments.scheduler))
        estimate_heads(plan, settings, workers, folder, bar.update)
        report = write_results(
            plan, settings, tracking, folder, outputs, live[0] if live else None, bar.update
        )
        folder.remove()
    report.passed = passed
    return report


def _folders(paths: list[Path]) -> list[Path]:
    """
    Return the folder for annotated copies, if one is named.

    :raises ValueError: if there are several, or it is a file
    """
    folders = [path for path in paths if path.suffix.lower() not in SUFFIXES]
    if len(folders) > 1:
        raise ValueError(f'{folders[0]} and {folders[1]}: expected one folder for annotated copies')
    for folder in folders:
        if folder.exists() and not folder.is_dir():
            raise ValueError(
                f'{folder} is a file: expected a folder for annotated copies, or a table that '
                f'ends in {", ".join(SUFFIXES)}'
            )
    return folders


def _outputs(
    arguments: argparse.Namespace, folders: list[Path], inputs: list[Input], work: WorkFolder
) -> Outputs:
    """
    Return what is to be written.

    :raises ValueError: if an output is an input, or exists
    """
    tables = [path for path in arguments.output if path not in folders]
    recorded = [one for one in inputs if one.kind not in LIVE]
    copies = copy_targets(recorded, folders[0]) if folders else {}
    check_outputs([*tables, *copies.values()], inputs, arguments.overwrite, work.copies())
    topics = arguments.copy_topics
    return Outputs(
        tables=tables,
        stream=None if arguments.output else sys.stdout,
        copies=copies,
        bag_topics=() if topics is None else topics or None,
    )


if __name__ == '__main__':
    raise SystemExit(main())
