"""fsanet COMMAND: lists what there is, says what is missing in one line, ends quietly."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fsanet_ros
from fsanet_ros.files.optional_packages import advice
from fsanet_ros.tools import commands, start_node, start_source

ROOT = Path(__file__).resolve().parents[1]
# Modules named before -- are hidden from the command that follows.
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1].split(','), None))
from fsanet_ros.tools.commands import main
sys.exit(main(sys.argv[2:]))
"""


def run_without(modules, *arguments):
    command = [sys.executable, '-c', WITHOUT, modules, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_every_command_is_listed(capsys):
    assert commands.main(['--help']) == 0
    listed = capsys.readouterr().out
    assert all(f'\n  {name} ' in listed for name in commands.COMMANDS)


@pytest.mark.parametrize('arguments', [[], ['estimat']])
def test_anything_else_is_refused(arguments, capsys):
    assert commands.main(arguments) == 2
    shown = capsys.readouterr()
    assert not shown.out
    assert 'usage: fsanet COMMAND' in shown.err
    assert all(repr(argument) in shown.err for argument in arguments)


def test_version_is_told(capsys):
    assert commands.main(['--version']) == 0
    assert capsys.readouterr().out.strip() == fsanet_ros.__version__


@pytest.mark.parametrize('name', commands.COMMANDS)
def test_every_command_is_a_file_with_a_main(name):
    module = commands.COMMANDS[name][0]
    text = (ROOT / 'fsanet_ros' / 'tools' / f'{module}.py').read_text(encoding='utf-8')
    assert '\ndef main(' in text


@pytest.mark.parametrize(
    ('missing', 'arguments', 'advice'),
    [
        ('cv2', ['estimate', 'x.jpg'], 'pip install opencv-python-headless'),
        ('rclpy', ['node'], 'source your workspace'),
    ],
)
def test_a_missing_package_is_one_line_that_says_how_to_install_it(missing, arguments, advice):
    result = run_without(missing, *arguments)
    assert result.returncode == 1
    assert advice in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ('module', 'extra'), [('torch', 'torch'), ('onnx', 'train'), ('matplotlib.figure', 'plots')]
)
def test_optional_packages_are_those_of_an_extra(module, extra):
    assert f"pip install 'fsanet_ros[{extra}]'" in (advice(ImportError(name=module)) or '')


def test_errors_about_something_else_are_not_explained_away():
    assert advice(ImportError('cannot import name x', name='fsanet_ros.types')) is None


def test_the_library_without_opencv_says_how_to_install_it():
    code = (
        'import sys; sys.modules["cv2"] = None\n'
        'try:\n    from fsanet_ros import HeadPoseEstimator\n'
        'except ImportError as error:\n    print(error)'
    )
    result = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert 'pip install opencv-python-headless' in result.stdout
    assert len(result.stdout.splitlines()) == 1


def test_output_that_nobody_reads_any_more_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, '-m', 'fsanet_ros', 'models'],
        cwd=ROOT,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert 'Traceback' not in result.stderr
    assert 'BrokenPipe' not in result.stderr


def test_an_interrupt_is_one_line(monkeypatch, capsys):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr('importlib.import_module', interrupted)
    assert commands.main(['estimate']) == 130
    assert capsys.readouterr().err == 'estimate: interrupted\n'


# ---- nodes


@pytest.mark.parametrize('main', [start_node.main, start_source.main])
def test_nodes_explain_themselves(main, capsys):
    with pytest.raises(SystemExit) as end:
        main(['--help'])
    assert end.value.code == 0
    assert '--ros-args' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('main', 'arguments'),
    [
        (start_node.main, ['--camera', '0']),
        (start_node.main, ['people.mp4']),
        (start_source.main, ['people.mp4', 'other.mp4']),
        (start_source.main, ['--loop', 'people.mp4']),
    ],
)
def test_arguments_that_no_node_reads_are_refused(main, arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main([*arguments, '--ros-args', '-p', 'a:=1'])
    assert end.value.code == 2
    assert '--ros-args -p NAME:=VALUE' in capsys.readouterr().err


def test_arguments_of_ros_are_told_from_the_others():
    arguments = ['a', '--ros-args', '-r', 'b:=c', '--', 'd', '--ros-args', '-p', 'e:=f']
    own, ros = start_node.split_arguments(arguments)
    assert own == ['a', 'd']
    assert ros == ['--ros-args', '-r', 'b:=c', '--', '--ros-args', '-p', 'e:=f']
