"""All commands by name: ``fsanet NAME``, ``python -m fsanet_ros NAME``, ``./run NAME``."""

from __future__ import annotations

import importlib
import os
import sys

from fsanet_ros import __version__
from fsanet_ros.files.optional_packages import advice

INTERRUPTED = 130  # by Ctrl-C, or because nobody reads the output any more

# name: (module with main(), what it does)
COMMANDS = {
    'demo': ('demo', 'head poses in a short clip, through the real node (needs ROS 2)'),
    'node': ('start_node', 'the head_pose node (needs ROS 2)'),
    'source': ('start_source', 'a video, a camera or pictures as an image topic (needs ROS 2)'),
    'estimate': ('estimate', 'head poses in pictures, videos and bags, without ROS'),
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
}


def usage(program: str) -> str:
    """Return the help text: one line for each command."""
    lines = [f'  {name:<10}  {summary}' for name, (_, summary) in COMMANDS.items()]
    return '\n'.join(
        [
            f'usage: {program} COMMAND [ARGUMENT...]',
            '',
            'Head poses from camera images, with FSA-Net.',
            '',
            *lines,
            '',
            f'{program} COMMAND --help explains one of them. fsanet_ros {__version__}',
        ]
    )


def main(argv: list[str] | None = None, program: str = 'fsanet') -> int:
    """Run the command named first in the arguments; return the exit code."""
    name, *rest = (sys.argv[1:] if argv is None else argv) or ['']
    if name in ('-h', '--help', 'help'):
        print(usage(program))
        return 0
    if name == '--version':
        print(__version__)
        return 0
    if name not in COMMANDS:
        problem = [f'{program}: unknown command {name!r}'] if name else []
        print(*problem, usage(program), sep='\n', file=sys.stderr)
        return 2
    return _run(name, rest)


def _run(name: str, arguments: list[str]) -> int:
    """Run a command; say in one line what the user can mend."""
    try:
        module = importlib.import_module(f'fsanet_ros.tools.{COMMANDS[name][0]}')
        code: int = module.main(arguments)
        sys.stdout.flush()  # here, where a closed pipe is expected
        return code
    except ImportError as error:
        reason = advice(error)
        if reason is None:
            raise
        print(f'{name}: {reason}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'{name}: interrupted', file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # fsanet models | head
        # Python would flush once more at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
