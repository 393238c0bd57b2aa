"""A node that publishes a video, a camera or pictures as images, with their camera_info."""

from __future__ import annotations

import argparse
import json
import sys

from fsanet_ros.ros.signals import end_quietly_at_signals
from fsanet_ros.tools.command_line import command_parser
from fsanet_ros.tools.start_node import quietly, refuse_rest, split_arguments


def main(argv: list[str] | None = None) -> int:
    """Publish until the frames end or the node is told to stop; return the exit code."""
    own, ros = split_arguments(list(sys.argv[1:] if argv is None else argv))
    parser = command_parser(
        'source',
        __doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage='source [SOURCE] [--quiet] [--ros-args [-r TOPIC:=NEW_TOPIC] [-p PARAMETER:=VALUE]]',
        epilog='examples:\n'
        '  source people.mp4 --ros-args -p loop:=true\n'
        '  source 0 --ros-args -r image:=/camera/image_raw\n\n'
        'All parameters: docs/reference/parameters.md.',
    )
    parser.add_argument(
        'source',
        nargs='?',
        metavar='SOURCE',
        help="a video, a folder of pictures, a stream's URL or the number of a camera; "
        "default: the demo's clip",
    )
    arguments = refuse_rest(parser, own)
    source = arguments.source
    if source is not None:
        # In quotes, as YAML would read the number of a camera as a number.
        ros = ['--ros-args', '-p', f'source:={json.dumps(source)}', '--', *ros]
    end_quietly_at_signals('video_source')
    from fsanet_ros.ros.video_source import main as run_source

    return run_source(['source', *quietly(arguments), *ros])


if __name__ == '__main__':
    raise SystemExit(main())
