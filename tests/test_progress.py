"""Progress is for people at a terminal: logs and pipes get none of it."""

import ast
from pathlib import Path

from test_array_files import png, write_faces

import fsanet_ros
from fsanet_ros.research.datasets.faces import load_aflw_faces

SOURCES = sorted(Path(fsanet_ros.__file__).parent.rglob('*.py'))
# It runs for hours: a line a minute tells how far it is.
IN_LOGS = 'training_loop.py'


def bars(path):
    """Yield the calls of tqdm in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'tqdm':
            yield node


def test_each_bar_asks_whether_there_is_a_terminal():
    calls = [(path, call) for path in SOURCES if path.name != IN_LOGS for call in bars(path)]
    assert len(calls) > 10
    for path, call in calls:
        assert 'disable' in {k.arg for k in call.keywords}, f'{path}, line {call.lineno}'


def test_reading_faces_prints_nothing_into_a_pipe(tmp_path, capfd):
    write_faces(tmp_path, {'x.png': png(120)})
    assert len(load_aflw_faces(tmp_path)) == 1
    assert capfd.readouterr() == ('', '')
