"""The package can be built and installed by colcon and by pip, with ROS and without."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import fsanet_ros
from fsanet_ros.tools.commands import ALL, COMMANDS

ROOT = Path(__file__).resolve().parents[1]
# Started with python -m by those who develop the package; no commands.
DEVELOPER_TOOLS = {
    'draw_axes',
    'draw_view',
    'fit_uncertainty',
    'held_out',
    'make_clip',
    'measure_face_squares',
    'write_head_mesh',
    'write_parameter_docs',
    'write_reference_docs',
}


def executables():
    """Return {name: command} as CMakeLists.txt lists them."""
    block = re.search(r'set\(executables\n(.*?)\)', (ROOT / 'CMakeLists.txt').read_text(), re.S)
    return dict(re.findall(r'(\w+) +(\w+)', block[1]))


@pytest.fixture(scope='module')
def package():
    catkin_package = pytest.importorskip('catkin_pkg.package')
    warnings = []
    parsed = catkin_package.parse_package(str(ROOT / 'package.xml'), warnings=warnings)
    parsed.validate(warnings=warnings)
    assert not warnings
    return parsed


def test_versions_agree(package):
    shown = subprocess.run(
        [sys.executable, 'setup.py', '--version'], cwd=ROOT, capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    assert fsanet_ros.__version__ == package.version == shown.stdout.split()[-1]


def test_every_tool_is_a_command():
    tools = {
        path.stem
        for path in (ROOT / 'fsanet_ros' / 'tools').glob('*.py')
        if re.search(r'^def main\(', path.read_text(encoding='utf-8'), re.M)
    }
    assert tools - DEVELOPER_TOOLS - {'commands'} == {module for module, _ in ALL.values()}


def test_every_command_is_an_executable():
    assert sorted(executables().values()) == sorted(COMMANDS)


def test_sources_have_no_msg_folder():
    # It would hide the generated fsanet_ros.msg.
    assert not (ROOT / 'fsanet_ros' / 'msg').exists()


# ---- colcon and pip


def copy_sources(target):
    shutil.copytree(
        ROOT,
        target,
        ignore=shutil.ignore_patterns('.*', 'build', 'install', 'log', 'runs', '__pycache__'),
    )
    return target


def file_names(folder):
    return sorted(path.name for path in folder.rglob('*') if path.suffix not in {'', '.pyc'})


def clean_environment():
    """Return the environment without the source tree that ./run puts first."""
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE='1')
    paths = environment.pop('PYTHONPATH', '').split(os.pathsep)
    foreign = [path for path in paths if path and not Path(path).is_relative_to(ROOT)]
    return {**environment, 'PYTHONPATH': os.pathsep.join(foreign)}


CHECK_INSTALLED = """
import sys, fsanet_ros
from fsanet_ros.msg import HeadPose, HeadPoseArray
assert fsanet_ros.__file__.startswith(sys.argv[1]), fsanet_ros.__file__
import fsanet_ros.msg
assert fsanet_ros.msg.__file__.startswith(sys.argv[1]), fsanet_ros.msg.__file__
HeadPoseArray.__class__.__import_type_support__()
assert HeadPoseArray(heads=[HeadPose(id='a')])
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not shutil.which('colcon'), reason='colcon is not installed')
@pytest.mark.skipif(' ' in sys.executable, reason="colcon's setup files do not quote Python's path")
@pytest.mark.parametrize('options', [[], ['--symlink-install']], ids=['copied', 'linked'])
def test_colcon_builds_the_package(tmp_path, options):
    workspace = tmp_path / 'workspace'
    copy_sources(workspace / 'src' / 'fsanet_ros')
    command = ['colcon', 'build', *options, '--cmake-args', '-DBUILD_TESTING=OFF']
    built = subprocess.run(
        command, cwd=workspace, env=clean_environment(), capture_output=True, text=True
    )
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]

    prefix = workspace / 'install' / 'fsanet_ros'
    programs = prefix / 'lib' / 'fsanet_ros'
    assert sorted(path.name for path in programs.iterdir()) == sorted(executables())
    assert all(os.access(path, os.X_OK) for path in programs.iterdir())
    # "ros2 run" starts the Python that the workspace was built with, a virtual one included.
    first_line = (programs / 'head_pose').read_text().splitlines()[0]
    assert Path(first_line.removeprefix('#!')).parent == Path(sys.executable).parent
    for folder in ('config', 'launch', 'meshes', 'rviz', 'sros2'):
        assert file_names(prefix / 'share' / 'fsanet_ros' / folder) == file_names(ROOT / folder)

    script = f"""
        . '{workspace}/install/setup.bash'
        set -e
        cd /
        python3 -c "$CHECK" '{workspace}'
        '{programs}/models' --help
    """
    used = subprocess.run(
        ['bash', '-c', script],
        env={**clean_environment(), 'CHECK': CHECK_INSTALLED},
        capture_output=True,
        text=True,
    )
    assert used.returncode == 0, used.stderr
    assert 'usage: models' in used.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not importlib.util.find_spec('wheel'), reason='wheel is not installed')
def test_pip_installs_the_package(tmp_path):
    sources = copy_sources(tmp_path / 'sources')
    prefix = tmp_path / 'prefix'
    options = ['--no-build-isolation', '--no-deps', '--ignore-installed', '--prefix', prefix]
    installed = subprocess.run(
        [sys.executable, '-m', 'pip', 'install', *options, sources],
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert installed.returncode == 0, installed.stdout[-3000:] + installed.stderr[-3000:]
    program = prefix / 'lib' / 'fsanet_ros' / 'head_pose'
    assert os.access(program, os.X_OK)
    # The wheel may be installed beside another Python than the one that built it.
    assert program.read_text().startswith('#!/usr/bin/env python3\n')
    assert (prefix / 'share' / 'ament_index/resource_index/packages/fsanet_ros').is_file()

    (modules,) = prefix.glob('l*/**/*-packages')
    environment = clean_environment()
    for name, path in (('PYTHONPATH', modules), ('LD_LIBRARY_PATH', prefix / 'lib')):
        environment[name] = f'{path}{os.pathsep}{environment.get(name, "")}'
    command = [sys.executable, '-c', CHECK_INSTALLED, str(prefix)]
    used = subprocess.run(command, cwd='/', env=environment, capture_output=True, text=True)
    assert used.returncode == 0, used.stderr


def run_setup(hidden='', **environment):
    """Ask setup.py for its version in this environment, with a module hidden from it."""
    code = (
        f'import runpy, sys; sys.modules.update({{{hidden!r}: None}})\n'
        'sys.argv = ["setup.py", "--version"]; runpy.run_path("setup.py")'
    )
    return subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.ros
def test_ros_that_the_build_cannot_use_stops_it():
    pytest.importorskip('ament_package')
    stopped = run_setup(hidden='ament_package')
    assert stopped.returncode != 0
    assert '--no-build-isolation' in stopped.stderr
    assert 'FSANET_ROS_MESSAGES=0' in stopped.stderr
    assert 'Traceback' not in stopped.stderr


@pytest.mark.ros
def test_the_messages_can_be_left_out_where_ros_is():
    pytest.importorskip('setuptools')
    done = run_setup(hidden='ament_package', FSANET_ROS_MESSAGES='0')
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_wheel_without_ros_is_pure_python_and_complete(tmp_path):
    sources = copy_sources(tmp_path / 'sources')
    options = ['--no-build-isolation', '--no-deps', '--wheel-dir', tmp_path]
    built = subprocess.run(
        [sys.executable, '-m', 'pip', 'wheel', *options, sources],
        env={**clean_environment(), 'FSANET_ROS_MESSAGES': '0'},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    (wheel,) = tmp_path.glob('fsanet_ros-*-py3-none-any.whl')
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith('fsanet_ros/')}
        data = f'fsanet_ros-{fsanet_ros.__version__}.data/data/share/fsanet_ros'
        messages = {name.removeprefix(f'{data}/') for name in archive.namelist() if data in name}
        information = f'fsanet_ros-{fsanet_ros.__version__}.dist-info'
        metadata = archive.read(f'{information}/METADATA').decode()
        commands = archive.read(f'{information}/entry_points.txt').decode()
    files = (ROOT / 'fsanet_ros').rglob('*')
    there = {str(path.relative_to(ROOT)) for path in files if path.is_file()}
    assert packed == {name for name in there if '__pycache__' not in name}
    # Definitions of the messages, without which bags cannot be read.
    assert messages == {f'msg/{path.name}' for path in (ROOT / 'msg').glob('*.msg')}
    assert 'fsanet = fsanet_ros.tools.commands:main' in commands
    # An OpenCV that is installed stays: the wheel asks for one only on request.
    assert not re.search(r'^Requires-Dist: opencv[^;]*$', metadata, re.M)
    assert 'Provides-Extra: opencv' in metadata
