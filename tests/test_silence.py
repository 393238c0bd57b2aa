"""Where nothing comes, the cause that applies is named, and what to do."""

import fcntl
import os
import time
from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy')

from ros_helpers import ROOT
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from fsanet_ros.ros import shared_memory
from fsanet_ros.ros.input.image_clock import Lateness
from fsanet_ros.ros.input.silence import reason_for_silence
from fsanet_ros.ros.shared_memory import (
    bytes_in_use,
    fitting_profile,
    reclaim_shared_memory,
    shared_memory_problem,
    shortage,
)

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'


class Graph:
    """A node that sees these topics, {name: types of the publishers}."""

    def __init__(self, **topics):
        self.topics = {f'/{name.replace("__", "/")}': kinds for name, kinds in topics.items()}

    def get_publishers_info_by_topic(self, topic):
        return [SimpleNamespace(topic_type=kind) for kind in self.topics.get(topic, [])]

    def get_topic_names_and_types(self):
        return [('/image', [IMAGE]), *((n, sorted(set(k))) for n, k in self.topics.items())]

    def count_publishers(self, topic):
        return len(self.topics.get(topic, []))


def reason(kind, topic='/image', shared='', **topics):
    return reason_for_silence(Graph(**topics), topic, kind, lambda: shared)


def test_an_empty_graph_asks_for_the_name():
    assert reason(Image) == 'nobody publishes /image; check the name or remap it'


def test_the_other_transport_is_named_with_the_parameter():
    said = reason(Image, image__compressed=[COMPRESSED])
    assert '/image/compressed is there: set input.image_transport to compressed' in said
    said = reason(CompressedImage, '/image/compressed', image=[IMAGE])
    assert '/image is there: set input.image_transport to raw' in said


def test_images_elsewhere_are_named_the_most_alike_first():
    said = reason(
        Image,
        front__image_raw=[IMAGE],
        image_raw=[IMAGE],
        debug_image=[IMAGE],
        depth=['std_msgs/msg/Int8'],
    )
    assert said == (
        'nobody publishes /image; check the name or remap it '
        '(images are on /image_raw, /front/image_raw)'
    )


def test_another_type_on_the_topic_is_named_with_the_parameter():
    said = reason(Image, image=[COMPRESSED])
    assert said == (
        f'/image carries {COMPRESSED}, expected {IMAGE}: set input.image_transport to compressed'
    )
    said = reason(CompressedImage, '/image/compressed', image__compressed=[IMAGE])
    assert 'set input.image_transport to raw' in said
    said = reason(CameraInfo, '/camera_info', camera_info=['std_msgs/msg/String'])
    assert 'carries std_msgs/msg/String, expected sensor_msgs/msg/CameraInfo' in said


def test_with_publishers_of_the_right_type_shared_memory_is_looked_at():
    assert reason(Image, image=[IMAGE]) == 'nothing comes on /image, which has 1 publisher(s)'
    assert reason(Image, image=[IMAGE, COMPRESSED], shared='it is full').endswith(': it is full')


# ---- Shared memory


@pytest.fixture
def folder(tmp_path):
    """A folder like /dev/shm after a process was killed, and one that lives."""
    old_s = time.time() - 1000
    for name in ('fastrtps_0123456789abcdef', 'fastrtps_fedcba9876543210'):
        (tmp_path / name).write_bytes(bytes(1000))
        (tmp_path / f'{name}_el').touch()
        os.utime(tmp_path / name, (old_s, old_s))
    (tmp_path / 'fastrtps_port7412').write_bytes(bytes(10))
    (tmp_path / 'somebody_elses').write_bytes(bytes(10))
    with open(tmp_path / 'fastrtps_fedcba9876543210_el') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield tmp_path


def test_what_killed_processes_have_left_is_removed_and_nothing_else(folder):
    assert reclaim_shared_memory(folder) == 1000
    assert sorted(path.name for path in folder.iterdir()) == [
        'fastrtps_fedcba9876543210',
        'fastrtps_fedcba9876543210_el',
        'fastrtps_port7412',
        'somebody_elses',
    ]
    assert reclaim_shared_memory(folder) == 0


def test_what_is_new_or_another_users_stays(folder, monkeypatch):
    monkeypatch.setattr(shared_memory.os, 'getuid', lambda: 4_000_000)
    assert reclaim_shared_memory(folder) == 0
    monkeypatch.undo()
    os.utime(folder / 'fastrtps_0123456789abcdef')
    assert reclaim_shared_memory(folder) == 0


def test_shared_memory_of_another_user_is_named_if_this_process_uses_any(folder, monkeypatch):
    monkeypatch.setattr(shared_memory, 'bytes_in_use', lambda: 36_000_000)
    assert 'another' not in shared_memory_problem(folder)
    monkeypatch.setattr(shared_memory.os, 'getuid', lambda: 4_000_000)
    said = shared_memory_problem(folder)
    assert 'two users cannot share' in said and 'fastdds_udp.xml' in said
    monkeypatch.setattr(shared_memory, 'bytes_in_use', lambda: 0)  # it goes over UDP
    assert 'two users' not in shared_memory_problem(folder)


def test_shared_memory_that_is_full_is_named(folder, monkeypatch):
    space = SimpleNamespace(f_bavail=20, f_frsize=1_000_000, f_blocks=64)
    monkeypatch.setattr(shared_memory.os, 'statvfs', lambda path: space)
    assert 'has 20 of 64 MB left' in shared_memory_problem(folder)


def test_a_system_without_shared_memory_has_no_problem_with_it(tmp_path):
    assert shared_memory_problem(tmp_path / 'no') == '' and reclaim_shared_memory(tmp_path) == 0


@pytest.mark.parametrize(('total_mb', 'chosen'), [(64, 'small'), (150, 'small'), (256, 'usual')])
def test_machines_with_little_shared_memory_get_the_profile_for_little(
    monkeypatch, tmp_path, total_mb, chosen
):
    space = SimpleNamespace(f_bavail=1, f_frsize=1_000_000, f_blocks=total_mb)
    monkeypatch.setattr(shared_memory.os, 'statvfs', lambda path: space)
    usual, small = (str(ROOT / 'config' / f'fastdds_shm{end}.xml') for end in ('', '_small'))
    assert fitting_profile(usual) == (small if chosen == 'small' else usual)
    assert fitting_profile(str(tmp_path / 'my_own.xml')) == str(tmp_path / 'my_own.xml')


def test_shared_memory_that_could_not_be_had_is_missed_by_those_who_asked_for_it(monkeypatch):
    asked = {'FASTDDS_DEFAULT_PROFILES_FILE': '/x/fastdds_shm_small.xml'}
    monkeypatch.setattr(shared_memory, 'bytes_in_use', lambda: 549_408)
    assert 'images go over UDP' in shortage(asked) and 'MB left: give it more' in shortage(asked)
    assert shortage({}) == shortage({'FASTDDS_DEFAULT_PROFILES_FILE': '/x/mine.xml'}) == ''
    monkeypatch.setattr(shared_memory, 'bytes_in_use', lambda: 36_000_000)
    assert shortage(asked) == ''


def test_the_largest_segment_of_a_process_is_read_from_its_map(tmp_path):
    maps = tmp_path / 'maps'
    maps.write_text(
        '7f0000000000-7f0000086000 rw-s 0 00:1a 9 /dev/shm/fastrtps_0123456789abcdef\n'
        '7f1000000000-7f1002100000 rw-s 0 00:1a 9 /dev/shm/fastdds_fedcba9876543210\n'
        '7f2000000000-7f3000000000 rw-s 0 00:1a 9 /dev/shm/fastrtps_port7412\n'
        '7f4000000000-7f5000000000 r--p 0 00:1a 9 /usr/lib/libc.so\n'
        '7f6000000000-7f7000000000 rw-p 0 00:00 0\n'
    )
    assert bytes_in_use(maps) == 0x2100000
    maps.write_text('7f4000000000-7f5000000000 r--p 0 00:1a 9 /usr/lib/libc.so\n')
    assert bytes_in_use(maps) == 0


# ---- The processor


def test_a_node_that_does_not_get_to_run_says_so_for_a_while():
    lateness = Lateness()
    assert [lateness.late_s(now_s, 0.5) for now_s in (10.0, 10.5, 11.2)] == [0.0, 0.0, 0.0]
    assert lateness.problem(11.2) == ''
    assert lateness.late_s(20.7, 0.5) == pytest.approx(9.0)
    assert 'starvation' in lateness.problem(20.7) and '9.0 s' in lateness.problem(25.0)
    assert lateness.problem(31.0) == ''
