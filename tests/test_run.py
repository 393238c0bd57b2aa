"""./run explains itself, refuses what nobody reads, and makes the environment that it needs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fsanet_ros.tools.commands import ALL

ROOT = Path(__file__).resolve().parents[1]


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


def test_a_file_instead_of_a_command_is_taken_for_pictures():
    picture = str(ROOT / 'README.md')
    assert f"did you mean './run estimate {picture}'?" in run(picture).stderr


def test_run_lists_every_command():
    usage = run('help').stdout
    listed = set(re.findall(r'^  ([a-z]+)  ', usage, re.M))
    assert listed == {*ALL, 'shell', 'test', 'lint', 'fuzz', 'lock', 'docs'}


@pytest.mark.parametrize('command', ['shell', 'test', 'lint', 'lock', 'docs'])
@pytest.mark.parametrize('option', ['-h', '--help'])
def test_help_comes_without_an_environment(command, option, tmp_path):
    # No Python at all: nothing can have been installed or started.
    result = run(command, option, PYTHON=str(tmp_path / 'none'))
    assert result.returncode == 0, result.stderr
    assert f'usage: ./run {command}' in result.stdout


@pytest.mark.parametrize(
    ('arguments', 'named'),
    [
        (['lint', 'fsanet_ros'], "'fsanet_ros'"),
        (['lock', 'base'], "'base'"),
        (['shell', 'python'], "'python'"),
        (['test', '--library', '--fast'], "'--fast'"),
    ],
)
def test_arguments_that_nobody_reads_are_refused(arguments, named):
    result = run(*arguments)
    assert result.returncode == 2
    assert named in result.stderr


# ---- the environment


@pytest.fixture
def project(tmp_path):
    """Make a copy of what ./run looks at, in a folder whose name is not ASCII and has a space."""
    copy = tmp_path / 'ein größeres Projekt'
    built = 'msg', 'resource', 'launch', 'config', 'meshes', 'rviz', 'sros2'
    for name in ('requirements', 'scripts', *built):
        shutil.copytree(ROOT / name, copy / name)
    for name in ('run', 'CMakeLists.txt', 'package.xml'):
        shutil.copy(ROOT / name, copy)
    return copy


STEPS = (
    'ros',
    'base',
    'plots',
    'completion',
    'recordings',
    'view',
    'train',
    'torch',
    'docs',
    'test',
    'build',
)


def in_environment(project, script, ros='pypi'):
    """Run a script that has sourced scripts/environment.sh; return its output."""
    script = f"""
        set -euo pipefail
        ROOT=$PWD VENV=$PWD/.venv-jazzy ROS={ros} ROS_DISTRO=jazzy
        . scripts/environment.sh
        {script}
    """
    result = subprocess.run(
        ['bash', '-c', script], cwd=project, capture_output=True, text=True, check=True
    )
    return result.stdout


def stale_steps(project):
    return in_environment(project, f'stale_steps {" ".join(STEPS)}').split()


def finish_steps(project):
    """Pretend that all steps have been taken."""
    (project / '.venv-jazzy' / 'bin').mkdir(parents=True)
    (project / '.venv-jazzy' / '.stamps').mkdir()
    (project / '.venv-jazzy' / 'bin' / 'python').symlink_to(sys.executable)
    in_environment(
        project,
        f'for step in venv {" ".join(STEPS)}; do wanted_stamp $step >"$VENV/.stamps/$step"; done',
    )


def test_environment_is_made_once(project):
    assert stale_steps(project) == ['venv', *STEPS]
    finish_steps(project)
    assert stale_steps(project) == []


def test_environment_follows_what_it_was_made_from(project):
    finish_steps(project)
    with (project / 'msg' / 'HeadPose.msg').open('a') as message:
        message.write('float32 one_more\n')
    assert stale_steps(project) == ['build']
    with (project / 'requirements' / 'lock' / 'base.txt').open('a') as base:
        base.write('one-more==1.0\n')
    assert stale_steps(project) == ['base', 'build']
    with (project / 'requirements' / 'bags.txt').open('a') as bags:
        bags.write('one-more\n')
    assert stale_steps(project) == ['base', 'recordings', 'build']


def test_killed_installation_is_made_anew(project):
    finish_steps(project)
    (project / '.venv-jazzy' / '.incomplete').touch()
    assert stale_steps(project) == ['venv', *STEPS]


def test_moved_environment_is_made_anew(project):
    finish_steps(project)
    moved = project.rename(project.with_name('elsewhere'))
    assert stale_steps(moved) == ['venv', *STEPS]


@pytest.mark.parametrize('ros', ['pypi', 'sourced'])
@pytest.mark.parametrize('step', ['venv', *STEPS])
def test_every_step_is_named_when_it_is_shown(project, step, ros):
    assert in_environment(project, f'title_of {step}', ros).strip()


def test_what_takes_long_to_download_says_how_much(project):
    for step in set(STEPS) - {'build'}:
        assert re.search(r'about \d+ MB', in_environment(project, f'title_of {step}'))


def torch_is_cpu_build(project, version):
    """Return whether a version of PyTorch that pip would choose is installed or refused."""
    (project / '.venv-jazzy').mkdir()
    report = {'install': [{'metadata': {'name': 'torch', 'version': version}}]}
    script = f"""
        uname() {{ echo 'Linux x86_64'; }}
        mkdir -p "$VENV/bin"
        ln -s {sys.executable} "$VENV/bin/python"
        pip_install() {{ echo '{str(report).replace("'", '"')}' >"$VENV/torch.json"; }}
        would_take_cpu_build torch==2.13.0 2>&1 && echo taken || echo refused
    """
    return in_environment(project, script).split()[-1] == 'taken'


def test_a_cuda_build_is_never_taken(project):
    assert not torch_is_cpu_build(project, '2.13.0')


def test_a_cpu_build_is_taken(project):
    assert torch_is_cpu_build(project, '2.13.0+cpu')


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
