"""Make the table of face boxes that a data set lacks."""

from __future__ import annotations

from pathlib import Path

from fsanet_ros.research.datasets.biwi_boxes import write_boxes
from fsanet_ros.research.detectors import ALL_DETECTOR_NAMES, make_any_detector
from fsanet_ros.tools.command_line import command_parser, fail, note


def main(argv: list[str] | None = None) -> int:
    """Make the table from the command line; return the exit code."""
    parser = command_parser('boxes', __doc__)
    parser.add_argument('data', choices=('biwi',))
    parser.add_argument('--root', type=Path, required=True, help='the folder of the data set')
    parser.add_argument(
        '--detector', choices=ALL_DETECTOR_NAMES, default='mtcnn', help='the authors took mtcnn'
    )
    arguments = parser.parse_args(argv)
    try:
        path, count, frames = write_boxes(arguments.root, make_any_detector(arguments.detector))
    except (ValueError, OSError, ImportError) as error:
        return fail('boxes', error)
    note(arguments, f'{path}: {count} faces in {frames} frames')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
