"""The README's table of topics is what the running node has: the same names and types."""

import re

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from head_pose_rig import Rig, TFMessage, camera_info, face_picture, start
from node_graph import graph_of
from ros_helpers import ROOT

from fsanet_ros.msg import AttentionArray

pytestmark = pytest.mark.ros

OF_EVERY_NODE = {'/parameter_events', '/rosout'}
OUTPUTS = ('head_poses', 'poses', 'markers', 'debug_image', '/tf', '/diagnostics')


@pytest.fixture(scope='module')
def graph():
    """The node as it is by default; a frame is a target of attention, so that /tf is heard."""
    if TFMessage is None:
        pytest.skip('tf2_msgs is not installed')
    with start(attention__targets='[camera, table]') as process, Rig(*OUTPUTS) as rig:
        process.wait_for_output('active: waiting for images')
        rig.info = camera_info()
        rig.node.create_subscription(AttentionArray, 'attention', lambda message: None, 10)
        rig.ask(face_picture(), 'head_poses')
        yield graph_of(rig, 'head_pose', subscribes='/tf_static', publishes='/tf')


def table():
    """Return {full name: type} of the rows ``| `topic` | package/Type | ... |``."""
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    rows = re.findall(r'^\| `([\w/]+)` \| (\w+/\w+) \|', text, re.M)
    assert rows and len(dict(rows)) == len(rows), rows
    return {f'/{name.lstrip("/")}': kind for name, kind in rows}


def test_topics_in_the_readme_are_those_of_the_node(graph):
    topics = graph.publishes | graph.subscribes
    # What is in the node's own namespace, and in every node, is for ROS to explain.
    found = {
        name: {kind.replace('/msg/', '/') for kind in kinds}
        for name, kinds in topics.items()
        if name not in OF_EVERY_NODE and not name.startswith('/head_pose/')
    }
    assert found == {name: {kind} for name, kind in table().items()}
