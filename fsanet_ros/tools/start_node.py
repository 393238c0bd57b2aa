"""The head_pose node. Topics and parameters: docs/reference/parameters.md."""

from __future__ import annotations

import argparse
import sys

from fsanet_ros.ros.signals import end_quietly_at_signals
from fsanet_ros.tools.command_line import command_parser


def main(argv: list[str] | None = None) -> int:
    """Run the node until it is told to stop; return the exit code."""
    own, ros = split_arguments(list(sys.argv[1:] if argv is None else argv))
    parser = command_parser(
        'node',
        __doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage='node [--quiet] [--ros-args [-r TOPIC:=NEW_TOPIC] [-p PARAMETER:=VALUE] '
        '[--params-file FILE]]',
        epilog='examples:\n'
        '  node --ros-args -r image:=/camera/image_raw\n'
        '  node --ros-args --params-file config/head_pose.yaml\n'
        '  source 0        publishes the first camera as the topic image',
    )
    arguments = refuse_rest(parser, own)
    end_quietly_at_signals('head_pose')
    from fsanet_ros.ros.node import main as run_node

    return run_node(['node', *quietly(arguments), *ros])


def split_arguments(arguments: list[str]) -> tuple[list[str], list[str]]:
    """
    Split arguments into a program's own and those of ROS.

    Those of ROS are what stands between --ros-args and -- or the end, any number of times.
    """
    own: list[str] = []
    ros: list[str] = []
    in_ros = False
    for argument in arguments:
        if argument == '--ros-args':
            in_ros = True
        if in_ros:
            ros.append(argument)
        else:
            own.append(argument)
        if argument == '--':
            in_ros = False
    return own, ros


def refuse_rest(parser: argparse.ArgumentParser, own: list[str]) -> argparse.Namespace:
    """Parse a program's own arguments; end with what to type instead if any is not known."""
    arguments, unknown = parser.parse_known_args(own)
    if unknown:
        parser.error(
            f'unknown arguments: {" ".join(unknown)}. Parameters follow --ros-args: '
            '--ros-args -p NAME:=VALUE'
        )
    return arguments


def quietly(arguments: argparse.Namespace) -> list[str]:
    """Return arguments of ROS for --quiet: warnings and errors only."""
    return ['--ros-args', '--log-level', 'warn', '--'] if arguments.quiet else []


if __name__ == '__main__':
    raise SystemExit(main())
