"""The demo: the real node and a real publisher, from the command line to the files."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy')

from ros_helpers import ROOT, ros_environment, until

from fsanet_ros.demo import CLIP, read_poses
from fsanet_ros.files.video import open_frames
from fsanet_ros.geometry import rotations

pytestmark = pytest.mark.ros

VIDEOS = ROOT.parent / 'shared' / 'data' / 'videos'


def run_demo(output: Path, *arguments: str, timeout_s: float = 300.0):
    command = [sys.executable, '-m', 'fsanet_ros.tools.demo', '--output', str(output), *arguments]
    return subprocess.run(
        command,
        env={**os.environ, **ros_environment()},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def rows_of(output: Path) -> list[dict[str, str]]:
    with (output / 'poses.csv').open(newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def children_of(pid: int) -> list[int]:
    tasks = Path(f'/proc/{pid}/task').glob('*/children')
    return [int(child) for task in tasks for child in task.read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != 'linux', reason='needs /proc')
@pytest.mark.parametrize('sig', [signal.SIGKILL, signal.SIGTERM])
def test_no_node_outlives_a_demo_that_is_killed(tmp_path, sig):
    command = [sys.executable, '-m', 'fsanet_ros.tools.demo', '--output', str(tmp_path / 'out')]
    with subprocess.Popen(command, env={**os.environ, **ros_environment()}, cwd=ROOT) as process:
        assert until(lambda: bool(children_of(process.pid)))
        children = children_of(process.pid)
        time.sleep(1.0)
        process.send_signal(sig)
        process.wait()
    assert until(lambda: not any(map(is_running, children)))


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    output = tmp_path_factory.mktemp('demo')
    result = run_demo(output)
    assert result.returncode == 0, result.stdout + result.stderr
    return output, result.stdout


def test_every_frame_of_the_clip_is_processed_and_drawn(demo):
    output, printed = demo
    with open_frames(CLIP) as frames:
        count = sum(1 for _ in frames)
    with open_frames(output / 'annotated.mp4') as frames:
        assert sum(1 for _ in frames) == count
    assert int(re.search(r'(\d+) frames', printed)[1]) == count


def test_the_summary_names_frames_faces_rate_and_latency(demo):
    found = re.search(
        r'(\d+) frames, ([\d.]+) per second, (\d+) faces .* median latency .* ([\d.]+) ms', demo[1]
    )
    assert found, demo[1]
    assert int(found[3]) == len(rows_of(demo[0]))
    assert 0 < float(found[4]) < 2000


def test_the_still_shows_what_was_drawn_in(demo):
    still = cv2.imread(str(demo[0] / 'still.png'))
    assert still.shape == (480, 640, 3)
    # The axes' pure colours are nowhere else in the clip.
    for color in ((60, 60, 255), (60, 220, 60), (255, 120, 60)):
        assert (np.abs(still.astype(int) - color).max(axis=2) < 12).sum() > 20, color


def test_the_poses_that_came_over_the_topics_are_those_of_the_rendered_head(demo):
    # Estimated against true, matched by the place in the picture.
    errors, distances = [], []
    truth = [
        face for face in read_poses() if face.rotation_optical is not None and face.inside > 0.99
    ]
    by_frame: dict[int, list[dict[str, str]]] = {}
    for row in rows_of(demo[0]):
        by_frame.setdefault(int(row['frame']), []).append(row)
    for face in truth:
        for row in by_frame.get(face.frame, []):
            x = float(row['box_x']) + float(row['box_width']) / 2
            y = float(row['box_y']) + float(row['box_height']) / 2
            apart = max(abs(x - face.square.center_x), abs(y - face.square.center_y))
            if apart < face.square.side / 3:
                quaternion = [float(row[name]) for name in ('qx', 'qy', 'qz', 'qw')]
                rotation = rotations.rotation_optical_from_face_quaternion(quaternion)
                errors.append(float(rotations.geodesic_deg(rotation, face.rotation_optical)))
                position = np.array([float(row[name]) for name in ('x_m', 'y_m', 'z_m')])
                distance = np.linalg.norm(face.position_m)
                distances.append(np.linalg.norm(position - face.position_m) / distance)
    # Whoever comes into the picture is seen up to search_period_s later, 9 frames; missed: 9.
    assert len(errors) >= len(truth) - 12
    # Measured: 4.3 degrees and 6 % of the distance (docs/model_card.md), with a margin.
    assert np.mean(errors) < 5.0
    assert np.median(distances) < 0.09


def test_stamps_increase_and_ids_start_with_a_letter(demo):
    rows = rows_of(demo[0])
    stamps = [float(row['stamp']) for row in rows]
    assert stamps == sorted(stamps)
    assert all(row['id'][0].isalpha() for row in rows)


def test_frames_stops_early(tmp_path):
    result = run_demo(tmp_path, '--frames', '7')
    assert result.returncode == 0, result.stderr
    assert 'written' in result.stdout, result.stdout + result.stderr
    assert '7 frames' in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--video', 'not_there.mp4'], 'not_there.mp4'),
        (['--video', 'README.md'], 'README.md'),
        (['--frames', '-3'], '-3'),
    ],
)
def test_what_a_user_gets_wrong_is_said_in_a_line(tmp_path, arguments, message):
    result = run_demo(tmp_path, *arguments)
    assert result.returncode != 0
    assert message in result.stderr
    assert 'Traceback' not in result.stderr


@pytest.mark.skipif(not VIDEOS.is_dir(), reason='../shared/data/videos is not here')
def test_one_person_keeps_one_id(tmp_path):
    result = run_demo(tmp_path, '--video', str(VIDEOS / 'obama.mp4'))
    assert result.returncode == 0, result.stderr
    frames = int(re.search(r'(\d+) frames', result.stdout)[1])
    ids = [row['id'] for row in rows_of(tmp_path)]
    assert max(map(ids.count, ids)) >= 0.95 * frames
    assert frames == 55


@pytest.mark.skipif(not VIDEOS.is_dir(), reason='../shared/data/videos is not here')
def test_of_seven_people_six_are_found_while_they_are_all_there(tmp_path):
    # From frame 147 on the camera moves and they leave the picture one by one.
    result = run_demo(tmp_path, '--video', str(VIDEOS / 'in_video.mp4'), '--frames', '147')
    assert result.returncode == 0, result.stderr
    heads = np.bincount([int(row['frame']) for row in rows_of(tmp_path)], minlength=147)
    assert (heads >= 6).mean() >= 0.9
