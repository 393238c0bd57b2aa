"""
Write config/head_pose.yaml and docs/reference/parameters.md from the settings of the nodes.

    python -m fsanet_ros.tools.write_parameter_docs [--check]
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

from fsanet_ros.files.generated_files import write_or_check
from fsanet_ros.ros.parameters import Limits, defaults_of, limits_of
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.ros.video_source_settings import VideoSourceSettings

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 100

_TYPES = {bool: 'bool', int: 'int', float: 'double', str: 'string'}


def main(argv: list[str] | None = None) -> int:
    """Write or check the files; return 1 when --check finds one that differs."""
    parser = argparse.ArgumentParser(prog='write_parameter_docs', description=__doc__)
    parser.add_argument('--check', action='store_true', help='write nothing, only compare')
    parser.add_argument('--root', type=Path, default=ROOT, help='the repository')
    arguments = parser.parse_args(argv)
    return write_or_check(documents(), arguments.root, arguments.check)


def documents() -> dict[str, str]:
    """Return what each file should contain, by its path in the repository."""
    return {
        'config/head_pose.yaml': config_file(HeadPoseSettings),
        'docs/reference/parameters.md': parameter_page(),
    }


def config_file(settings: type) -> str:
    """Return a parameters file with every default, explained."""
    return '\n'.join(
        [
            '# The parameters of head_pose with their defaults. Copy this file, keep what you',
            '# change, and give the copy to head_pose.launch.py (params_file:=...) or to the node',
            '# (--ros-args --params-file ...). "live": can be changed while the node is active;',
            '# the others take effect when it is configured.',
            '# Written by fsanet_ros/tools/write_parameter_docs.py.',
            '',
            '/**:',
            '  ros__parameters:',
            *_entries(settings, ' ' * 4),
        ]
    )


def _entries(settings: type, indent: str) -> list[str]:
    """Return the lines of the parameters of a node, or of a group of them."""
    lines = []
    limits, defaults = limits_of(settings), defaults_of(settings)
    groups = dict.fromkeys(name.partition('.')[0] for name in limits if '.' in name)
    for name in limits:
        if '.' in name:
            continue
        facts = [text for text in (_allowed(limits[name]), limits[name].live and 'live') if text]
        comment = limits[name].description + (f' [{"; ".join(facts)}]' if facts else '')
        start = f'{indent}# '
        lines += textwrap.wrap(comment, WIDTH, initial_indent=start, subsequent_indent=start)
        lines += [f'{indent}{name}: {_yaml(defaults[name])}', '']
    for group in groups:
        kind = type(getattr(settings(), group))
        lines += [f'{indent}{group}:', *_entries(kind, indent + ' ' * 2)]
    return lines


def parameter_page() -> str:
    """Return the page that lists the parameters of all nodes."""
    return '\n'.join(
        [
            '# Parameters',
            '',
            'A wrong value is refused with the reason, at start and at run time. A name that the',
            'node does not have is ignored with a warning that suggests the nearest one.',
            '',
            'On the command line: `-p tracking.keep_s:=2.0`. In a file, dots are levels:',
            '`config/head_pose.yaml` has all parameters of head_pose',
            'with their defaults.',
            '',
            'This page is written by `fsanet_ros/tools/write_parameter_docs.py`.',
            '',
            '## head_pose',
            '',
            'Live parameters can be changed at any time and take effect with the next image. The',
            'others take effect when the node is configured: `ros2 lifecycle set /head_pose',
            'deactivate`, then `cleanup`, set the parameter, then `configure` and `activate`.',
            '',
            *_table(HeadPoseSettings),
            '',
            '## video_source',
            '',
            'Parameters that are not live are read once: give them at start.',
            '',
            *_table(VideoSourceSettings),
            '',
        ]
    )


def _table(settings: type) -> list[str]:
    lines = ['| name | type | default | allowed | live | |', '|---|---|---|---|---|---|']
    limits = limits_of(settings)
    for name, default in defaults_of(settings).items():
        cells = (
            f'`{name}`',
            _type(default),
            f'`{_yaml(default)}`',
            _allowed(limits[name]),
            'yes' if limits[name].live else 'no',
            limits[name].description.replace('|', '\\|').replace('<', '&lt;'),
        )
        lines.append('| ' + ' | '.join(cells) + ' |')
    return lines


def _type(default: Any) -> str:
    if isinstance(default, list):
        return f'{_type(default[0] if default else "")}[]'
    return _TYPES[type(default)]


def _allowed(limits: Limits) -> str:
    if limits.choices:
        return ', '.join(limits.choices)
    if limits.low is None or limits.high is None:
        return ''
    return f'{_number(limits.low)} to {_number(limits.high)}'


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f'{value:g}'


def _yaml(value: Any) -> str:
    # The scalars of JSON are those of YAML; in single quotes as the rest of the project.
    if isinstance(value, list):
        return f'[{", ".join(map(_yaml, value))}]'
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)


if __name__ == '__main__':
    sys.exit(main())
