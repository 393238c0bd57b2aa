"""The examples in the pages work: Python is run, commands are run or at least understood."""

import ast
import importlib
import os
import re
import shlex
import subprocess
import sys

import pytest
from pages import PAGES, ROOT, blocks_of, commands_in, name_of, needs_of

from fsanet_ros.tools.completion import parser_of
from fsanet_ros.tools.write_reference_docs import COMMANDS

WITH_PYTHON = [page for page in PAGES if blocks_of(page, 'python')]
RUNNABLE = [
    pytest.param(block, id=f'{name_of(page)}:{block.line}')
    for page in PAGES
    for block in blocks_of(page, 'sh')
    if not needs_of(block)
]
MODULES = {name: (module, words) for name, module, words in COMMANDS}
OF_ROS = {'node', 'source'}  # what they take is checked with the parameters
OF_THIS_FOLDER = {'test', 'lint', 'fuzz', 'lock', 'shell', 'docs'}


def imports_in(tree):
    """Give (module, name or None) of every import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.fixture
def folder(tmp_path):
    """A folder with the files that the examples read, made from the package's clip."""
    cv2 = pytest.importorskip('cv2')
    video = cv2.VideoCapture(str(ROOT / 'fsanet_ros' / 'demo' / 'clip.mp4'))
    found, image = video.read()
    assert found
    cv2.imwrite(str(tmp_path / 'people.jpg'), image)
    size = image.shape[1], image.shape[0]
    writer = cv2.VideoWriter(
        str(tmp_path / 'people.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 25, size
    )
    for _ in range(10):
        writer.write(image)
        _, image = video.read()
    writer.release()
    calibration = (ROOT / 'fsanet_ros' / 'demo' / 'clip_camera.yaml').read_text()
    (tmp_path / 'camera.yaml').write_text(calibration)
    return tmp_path


@pytest.mark.parametrize('page', WITH_PYTHON, ids=name_of)
def test_what_the_examples_import_exists(page):
    for block in blocks_of(page, 'python'):
        for module, name in imports_in(ast.parse(block.text)):
            if module.partition('.')[0] != 'fsanet_ros':
                continue
            if module == 'fsanet_ros.msg':
                assert (ROOT / 'msg' / f'{name}.msg').is_file()
                continue
            if 'network' in module:
                pytest.importorskip('torch')
            assert name is None or hasattr(importlib.import_module(module), name), (module, name)


@pytest.mark.parametrize('page', WITH_PYTHON, ids=name_of)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, folder):
    code = '\n'.join(block.text for block in blocks_of(page, 'python'))
    for module, _ in imports_in(ast.parse(code)):
        pytest.importorskip(module)
    ran = subprocess.run(
        [sys.executable, '-c', code],
        cwd=folder,
        env=os.environ | {'PYTHONPATH': f'{ROOT}{os.pathsep}{os.environ.get("PYTHONPATH", "")}'},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr


def ours_in(page):
    """Give the words of each command of this package in the blocks of a page."""
    for block in blocks_of(page, '', 'sh'):
        for line in commands_in(block.text):
            words = shlex.split(line)
            if words[0] == './run' and len(words) > 1:
                yield words[1:]
            elif words[:3] == ['ros2', 'run', 'fsanet_ros']:
                yield words[3:]


WITH_COMMANDS = [page for page in PAGES if any(ours_in(page))]


def test_the_pages_that_live_by_commands_show_some():
    assert {name_of(page) for page in WITH_COMMANDS} >= {
        'README.md',
        'docs/how_to/estimate.md',
        'docs/how_to/measure_speed.md',
        'docs/networks.md',
        'docs/results.md',
        'docs/training.md',
        'docs/tutorials/evaluate.md',
        'docs/tutorials/train_your_own.md',
        'docs/tutorials/webcam.md',
    }
    assert {name_of(page) for page in WITH_PYTHON} >= {'README.md', 'docs/tutorials/python.md'}
    shown = [words[0] for page in WITH_COMMANDS for words in ours_in(page)]
    assert shown.count('evaluate') >= 5
    assert set(shown) >= {name.partition(' ')[0] for name in MODULES}
    assert len(RUNNABLE) >= 3


def understood(words):
    """Read the arguments of a command as the command does; SystemExit if it does not know them."""
    name = ' '.join(words[:2]) if ' '.join(words[:2]) in MODULES else words[0]
    module, before = MODULES[name]
    command = importlib.import_module(f'fsanet_ros.tools.{module}')
    parser = parser_of(command.main, list(before))
    parser.parse_args(words[len(name.split()) :])


@pytest.mark.parametrize('page', WITH_COMMANDS, ids=name_of)
def test_commands_take_the_arguments_they_are_shown_with(page):
    for words in ours_in(page):
        if '[...]' in ' '.join(words) or page.name == 'commands.md':
            continue  # a synopsis
        if words[0] in {'train', 'export', 'models', 'heatmaps'}:
            pytest.importorskip('torch')
        if words[0] not in OF_ROS | OF_THIS_FOLDER | {'head_pose', 'video_source'}:
            understood(words)


def test_an_argument_that_does_not_exist_is_noticed(capsys):
    with pytest.raises(SystemExit):
        understood(['estimate', 'people.jpg', '--no-such-option'])
    assert '--no-such-option' in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.ros
@pytest.mark.timeout(600)
@pytest.mark.parametrize('block', RUNNABLE)
def test_commands_that_need_nothing_run(block, tmp_path):
    pytest.importorskip('rclpy', reason='./run would install an environment first')
    (tmp_path / 'run').symlink_to(ROOT / 'run')
    for line in commands_in(block.text):
        ran = subprocess.run(
            ['bash', '-euo', 'pipefail', '-c', line], cwd=tmp_path, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stderr[-2000:]


@pytest.mark.parametrize('page', PAGES[1:], ids=name_of)  # all but the README
def test_commands_are_run_or_say_what_they_need(page):
    if page.name != 'commands.md':  # it has synopses
        for block in blocks_of(page, ''):
            assert not re.search(r'^(\./run|ros2|sudo|pip) ', block.text, re.M), block.line


@pytest.mark.parametrize('page', PAGES, ids=name_of)
def test_commands_for_hardware_say_so(page):
    for block in blocks_of(page, 'sh'):
        if re.search(r'^\s*(ros2|sudo) |--camera|\.bag\b', block.text, re.M):
            assert needs_of(block), f'line {block.line}'
