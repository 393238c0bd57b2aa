"""All commands by name: ``fsanet NAME``, ``python -m fsanet_ros NAME``, ``./run NAME``."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import textwrap
from functools import partial
from types import ModuleType

from fsanet_ros import __version__
from fsanet_ros.tools.command_line import DONE, EXIT_CODES, WRONG_ARGUMENTS, run_command

# name: (module with main(), what it does)
COMMANDS = {
    'demo': ('demo', 'head poses in a short clip, through the real node (needs ROS 2)'),
    'node': ('start_node', 'the head_pose node (needs ROS 2)'),
    'source': ('start_source', 'a video, a camera or pictures as an image topic (needs ROS 2)'),
    'estimate': ('estimate', 'head poses in pictures, videos and bags, without ROS'),
    'view': ('start_view', 'heads and where they look, live in a browser'),
    'doctor': ('doctor', 'what is fine on this machine and what is not, with the remedy'),
    'evaluate': ('evaluate', 'accuracy on the published benchmarks'),
    'compare': ('compare', 'ground truth and models side by side, as a video'),
    'timeline': ('timeline', 'where heads point over time, in a video, bag or topic, as a plot'),
    'heatmaps': ('heatmaps', 'where in a face the network looks, as a picture'),
    'models': ('models', 'list, download, convert and fuse networks; download detectors'),
    'train': ('train', 'train the network'),
    'render': ('render_faces', 'faces of exactly known pose, to train on'),
    'labels': ('label_faces', 'poses of faces by several teachers, to train on'),
    'export': ('export', 'weights or a checkpoint to ONNX'),
    'boxes': ('boxes', 'the table of face boxes that BIWI lacks'),
    'bench': ('bench', 'speed on this machine'),
    'chaos': ('chaos', 'faults around a running node: does it recover? (needs ROS 2)'),
}
# What is no program of ROS as well.
OF_THE_SHELL = {
    'data': ('data', 'packs public sources and your own videos, to train on'),
    'completion': ('completion', 'what makes your shell complete commands with TAB'),
}
ALL = COMMANDS | OF_THE_SHELL


def usage(program: str) -> str:
    """Return the help text: one line for each command."""
    lines = [f'  {name:<10}  {summary}' for name, (_, summary) in ALL.items()]
    return '\n'.join(
        [
            f'usage: {program} COMMAND [ARGUMENT...]',
            '',
            'Head poses from camera images, with FSA-Net.',
            '',
            *lines,
            '',
            f'{program} COMMAND --help explains one of them. fsanet_ros {__version__}',
            *textwrap.wrap(EXIT_CODES, 79),
        ]
    )


def main(argv: list[str] | None = None, program: str = 'fsanet') -> int:
    """Run the command named first in the arguments; return the exit code."""
    if '_ARGCOMPLETE' in os.environ:
        return _complete()
    name, *rest = (sys.argv[1:] if argv is None else argv) or ['']
    return run_command(name if name in ALL else program, partial(_run, program, name, rest))


def _run(program: str, name: str, arguments: list[str]) -> int:
    if name in ('-h', '--help', 'help'):
        print(usage(program))
        return DONE
    if name == '--version':
        print(__version__)
        return DONE
    if name not in ALL:
        problem = [f'{program}: unknown command {name!r}{_meant(program, name)}'] if name else []
        print(*problem, usage(program), sep='\n', file=sys.stderr)
        return WRONG_ARGUMENTS
    if '--quiet' in arguments:
        os.environ['TQDM_DISABLE'] = '1'  # read when tqdm is imported, also by worker processes
    code: int = _load(name).main(arguments)
    return code


def _load(name: str) -> ModuleType:
    return importlib.import_module(f'fsanet_ros.tools.{ALL[name][0]}')


def _complete() -> int:
    from fsanet_ros.tools.completion import complete

    summaries = {name: summary for name, (_, summary) in ALL.items()}
    return complete(summaries, lambda name: _load(name).main)


def _meant(program: str, name: str) -> str:
    """Return what somebody may have meant who typed no command, as a question; or nothing."""
    if os.path.exists(name) or '://' in name:
        return f': did you mean {f"{program} estimate {name}"!r}?'
    for near in difflib.get_close_matches(name, ALL, n=1):
        return f': did you mean {f"{program} {near}"!r}?'
    return ''
