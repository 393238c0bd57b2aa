"""
Write docs/reference/ from the messages, the commands' own --help and the library's docstrings.

    python -m fsanet_ros.tools.write_reference_docs [--check]
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fsanet_ros.benchmarks.many_hours import HOURS, RATE_HZ, cost_tables
from fsanet_ros.files.generated_files import write_or_check
from fsanet_ros.tools.command_line import EXIT_CODES
from fsanet_ros.tools.completion import parser_of

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = ('HeadPoseArray', 'HeadPose', 'AttentionArray', 'Attention')
# ./run NAME, module, words before the options
COMMANDS = (
    ('demo', 'demo', ()),
    ('view', 'start_view', ()),
    ('doctor', 'doctor', ()),
    ('estimate', 'estimate', ()),
    ('timeline', 'timeline', ()),
    ('compare', 'compare', ()),
    ('heatmaps', 'heatmaps', ()),
    ('models', 'models', ()),
    ('models import', 'models', ('import',)),
    ('models fuse', 'models', ('fuse',)),
    ('evaluate', 'evaluate', ()),
    ('train', 'train', ()),
    ('data', 'data', ()),
    ('data head-model', 'data', ('head-model',)),
    ('data aflw', 'data', ('aflw',)),
    ('data own', 'data', ('own',)),
    ('render', 'render_faces', ()),
    ('labels', 'label_faces', ()),
    ('export', 'export', ()),
    ('boxes', 'boxes', ()),
    ('bench', 'bench', ()),
    ('bench node', 'bench', ('node',)),
    ('bench library', 'bench', ('library',)),
    ('bench detectors', 'bench', ('detectors',)),
    ('bench models', 'bench', ('models',)),
    ('bench estimate', 'bench', ('estimate',)),
    ('bench range', 'bench', ('range',)),
    ('bench soak', 'bench', ('soak',)),
    ('bench lifecycle', 'bench', ('lifecycle',)),
    ('chaos', 'chaos', ()),
)
# title, module, names
LIBRARY = (
    ('Estimating', 'fsanet_ros.estimator', ('HeadPoseEstimator', 'View')),
    ('Results', 'fsanet_ros.types', ('Head', 'Face', 'Box', 'Square')),
    ('Cameras', 'fsanet_ros.geometry.camera', ('CameraModel',)),
    ('Calibration files', 'fsanet_ros.files.calibration_file', ('read_calibration',)),
    ('Tracking', 'fsanet_ros.tracking.tracker', ('HeadTracker', 'TrackedHead')),
    ('Attention', 'fsanet_ros.attention', ('AttentionEstimator', 'AttentionState')),
    ('Detectors', 'fsanet_ros.detection', ('make_detector',)),
    (
        'Rotations',
        'fsanet_ros.geometry.rotations',
        (
            'matrix_from_yaw_pitch_roll_deg',
            'yaw_pitch_roll_deg_from_matrix',
            'face_quaternion_xyzw',
            'gaze_quaternion_xyzw',
            'pan_tilt_deg',
        ),
    ),
)
_WRITTEN_BY = 'This page is written by `fsanet_ros/tools/write_reference_docs.py`.'


def main(argv: list[str] | None = None) -> int:
    """Write or check the pages; return 1 when --check finds one that differs."""
    parser = argparse.ArgumentParser(prog='write_reference_docs', description=__doc__)
    parser.add_argument('--check', action='store_true', help='write nothing, only compare')
    parser.add_argument('--root', type=Path, default=ROOT, help='where to write')
    arguments = parser.parse_args(argv)
    return write_or_check(documents(), arguments.root, arguments.check)


def documents() -> dict[str, str]:
    """Return what each page should contain, by its path in the repository."""
    return {
        'docs/reference/messages.md': message_page(),
        'docs/reference/commands.md': command_page(),
        'docs/reference/python.md': python_page(),
        'docs/how_to/many_hours.md': many_hours_page(),
    }


# ---- topics and messages


def message_page() -> str:
    """Return the page of topics, as the README has them, and of messages."""
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    topics = re.search(r'^\| topic \| type \|.*?(?=\n\n)', readme, re.M | re.S)
    if topics is None:
        raise ValueError('README.md has no table that begins with | topic | type |')
    lines = [
        '# Topics and messages',
        '',
        'Names without a leading slash are relative and can be remapped. What nobody subscribes',
        'to is not computed.',
        _WRITTEN_BY,
        '',
        _links_from_reference(topics[0]),
        '',
        'With `output.hri` the node also publishes',
        '[the topics of ROS4HRI](../tutorials/ros4hri.md).',
        'The service `~/enable` (std_srvs/SetBool) pauses and resumes the node.',
    ]
    for name in MESSAGES:
        lines += ['', *_message(name)]
    return '\n'.join(lines) + '\n'


def _links_from_reference(text: str) -> str:
    """Return Markdown of the README with links that work from docs/reference/."""
    return text.replace('](docs/', '](../')


def _message(name: str) -> Iterator[str]:
    blocks = (ROOT / 'msg' / f'{name}.msg').read_text(encoding='utf-8').strip().split('\n\n')
    comments: list[str] = []
    rows: list[str] = []
    for block in blocks:
        lines = block.splitlines()
        comment = [line.removeprefix('#').strip() for line in lines if line.startswith('#')]
        fields = [line for line in lines if line and not line.startswith('#')]
        if not fields:
            comments += [*([''] if comments else []), *comment]
        for field in fields:
            kind, _, rest = field.partition(' ')
            about = _escaped(_one_line(comment)) if field == fields[0] else ''
            rows.append(f'| `{rest}` | {_cell(kind)} | {_cell(about)} |')
    yield from (f'## {name}', '', *map(_escaped, comments), '')
    yield from ('| field | type | |', '|---|---|---|', *rows)


# ---- commands


def command_page() -> str:
    """Return the page of the commands' options."""
    lines = [
        '# Commands',
        '',
        'Start them with `./run`, or in a workspace with `ros2 run fsanet_ros` (`render` is called',
        '`render_faces` there). `./run node` and `./run source` take ROS arguments:',
        '[parameters](parameters.md). Every command has `--help` and `--quiet`.',
        '',
        f'{EXIT_CODES[0].upper()}{EXIT_CODES[1:]}.',
        '',
        _WRITTEN_BY,
    ]
    for name, module, words in COMMANDS:
        command = importlib.import_module(f'fsanet_ros.tools.{module}')
        lines += ['', *_command(name, parser_of(command.main, list(words)))]
    return '\n'.join(lines) + '\n'


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    actions = [a for a in parser._actions if a.dest not in ('help', 'quiet')]  # all have these
    positional = ' '.join(_value(action) for action in actions if not action.option_strings)
    yield from (f'## {name}', '', _escaped(_one_line(parser.description)), '')
    yield from ('```', f'./run {name} {positional}'.rstrip(), '```')
    if actions:
        yield from ('', '| argument | | default |', '|---|---|---|')
    for action in actions:
        value = '' if action.nargs == 0 else _value(action)
        shown = ' '.join(filter(None, (', '.join(action.option_strings), value)))
        choices = ', '.join(f'`{choice}`' for choice in action.choices or ())
        # The default has a column of its own.
        text = re.sub(r' *\([^()]*%\(default\)s[^()]*\)', '', action.help or '')
        about = '; '.join(filter(None, (_escaped(_anywhere(text)), choices)))
        yield f'| `{shown}` | {_cell(about)} | {_cell(_escaped(_default(action)))} |'


def _value(action: argparse.Action) -> str:
    metavar = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    name = metavar if isinstance(metavar, str) else ' '.join(metavar)
    many = {'*': f'[{name} ...]', '+': f'{name} [...]', '?': f'[{name}]'}
    return many.get(str(action.nargs), name)


def _default(action: argparse.Action) -> str:
    if action.default in (None, '', False):
        return ''
    if action.dest == 'processes' and 'each core' in (action.help or ''):
        return 'one for each core'
    if isinstance(action.default, (list, tuple)):
        return ' '.join(map(str, action.default))
    return _anywhere(str(action.default))


def _anywhere(text: str) -> str:
    """Return text that is the same on each machine: folders in the user's home begin with ~."""
    return text.replace(str(Path.home()), '~')


def many_hours_page() -> str:
    """Return the page of what many hours of video cost, from figures of bench estimate."""
    figures = json.loads((ROOT / 'docs/how_to/many_hours.json').read_text(encoding='utf-8'))
    rates, hours = cost_tables(figures)
    return f"""# Many hours of video

What `./run estimate` takes on {figures['machine']['processor']}, with the face detector
{figures['detector']}, decoding and its start included (one head at 640x480, four at other sizes):

{rates}
So {HOURS:,} hours at {RATE_HZ} frames a second take

{hours}
Parts of ten seconds are worked on independently, so the time goes down with the number of cores, of
one machine or of a Dask cluster whose machines see the files under the same names:

```sh
# needs a cluster
dask scheduler                                                # on one machine
dask worker tcp://10.0.0.1:8786 --nworkers auto --nthreads 1  # on each, with fsanet_ros installed
./run estimate recordings/ --output heads.parquet --scheduler tcp://10.0.0.1:8786
```

Annotated videos are not in these figures. {_WRITTEN_BY} The figures are those of
`./run bench estimate --json docs/how_to/many_hours.json`.
"""


# ---- the library


def python_page() -> str:
    """Return the page of what programs import."""
    lines = [
        '# Python reference',
        '',
        'What you need to use the library without ROS. The sources document the rest.',
        _WRITTEN_BY,
    ]
    for title, module, names in LIBRARY:
        line = f'from {module} import {", ".join(names)}'
        if len(line) > 100:
            line = f'from {module} import (\n' + ''.join(f'    {name},\n' for name in names) + ')'
        lines += ['', f'## {title}', '', '```python', line, '```']
        for name in names:
            lines += ['', *_documented(name, getattr(importlib.import_module(module), name))]
    return '\n'.join(lines) + '\n'


def _documented(name: str, thing: Any) -> Iterator[str]:
    yield from (f'### {name}', '', *_signature(name, thing), *_prose(thing))
    if not inspect.isclass(thing):
        return
    if '__init__' in vars(thing) and '__dataclass_fields__' not in vars(thing):
        yield from _prose(thing.__init__)
    for member, value in vars(thing).items():
        if member.startswith('_'):
            continue
        if isinstance(value, (classmethod, staticmethod)):
            value = value.__func__
        if inspect.isfunction(value):
            yield from (f'#### {name}.{member}', '', *_signature(member, value), *_prose(value))
        elif about := _one_line(_property_doc(value)):
            yield from (f'- `{member}`: {_escaped(about)}', '')


def _property_doc(value: Any) -> str:
    getter = getattr(value, 'fget', None) or getattr(value, 'func', None)
    return inspect.getdoc(getter) or '' if getter else ''


def _signature(name: str, thing: Any) -> Iterator[str]:
    signature = inspect.signature(thing)
    parameters: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.name in ('self', 'cls'):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and '*' not in parameters:
            parameters.append('*')
        # What is annotated in the sources is text here: shown without its quotes.
        parameters.append(re.sub(r": '([^']*)'", r': \1', str(parameter)))
    answer = signature.return_annotation
    returns = '' if inspect.isclass(thing) or answer is signature.empty else f' -> {answer}'
    text = f'{name}({", ".join(parameters)}){returns}'
    if len(text) > 90:
        text = f'{name}(\n' + ''.join(f'    {p},\n' for p in parameters) + f'){returns}'
    yield from ('```py', text, '```', '')


def _prose(thing: Any) -> Iterator[str]:
    """Give a docstring as Markdown: its text, then a list of what it says of parameters."""
    text, *fields = re.split(r'^:(?=\w+)', inspect.getdoc(thing) or '', flags=re.M)
    if text.strip():
        yield from (_escaped(text.strip()).replace('``', '`'), '')
    for field in fields:
        name, _, about = field.partition(':')
        kind, _, subject = name.partition(' ')
        label = f'`{subject}`' if kind == 'param' else f'raises `{subject}`'
        yield f'- {label}: {_escaped(_one_line(about))}'
    if fields:
        yield ''


# ---- text


def _one_line(text: str | list[str] | None) -> str:
    return ' '.join((' '.join(text) if isinstance(text, list) else text or '').split())


def _escaped(text: str) -> str:
    """Return text in which <id> is no HTML tag and R * R no emphasis."""
    return text.replace('<', '&lt;').replace('*', '\\*')


def _cell(text: str) -> str:
    return text.replace('|', '\\|')


if __name__ == '__main__':
    sys.exit(main())
