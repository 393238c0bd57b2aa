"""The node obeys a lifecycle manager, leaves nothing behind, and ends cleanly."""

import signal
import time

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from head_pose_rig import Rig, face_picture, grey_picture, start, start_unharmed
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter

from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS
from fsanet_ros.ros.stamps import nanoseconds

pytestmark = pytest.mark.ros

FACE, GREY = face_picture(), grey_picture()
CONFIGURE = Transition.TRANSITION_CONFIGURE
ACTIVATE = Transition.TRANSITION_ACTIVATE
DEACTIVATE = Transition.TRANSITION_DEACTIVATE
CLEANUP = Transition.TRANSITION_CLEANUP


class Manager:
    """A lifecycle manager with its clients kept: a transition must not be asked for twice."""

    def __init__(self, rig):
        self.rig = rig
        self.state()  # by now both directions are known

    def change(self, transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        before = self.state()
        self.rig.let_images_be_lost()
        future = self.rig.client(ChangeState, 'change_state').call_async(request)
        # A lost answer is no failure of the node: its state says what happened.
        self.rig.until(future.done, 30.0)
        return future.result().success if future.done() else self.state() != before

    def state(self):
        return self.rig.call(GetState, 'get_state', GetState.Request()).current_state.id

    def set(self, name, value):
        parameters = [Parameter(name, value=value).to_parameter_msg()]
        request = SetParameters.Request(parameters=parameters)
        return self.rig.call(SetParameters, 'set_parameters', request).results[0]


@pytest.fixture(scope='module')
def process():
    with start_unharmed(autostart=False) as node:
        yield node


@pytest.fixture(scope='module')
def shared_manager(process):
    with Rig('head_poses', '/diagnostics') as rig:
        yield Manager(rig)


@pytest.fixture
def manager(shared_manager):
    yield shared_manager
    for state, transition in (
        (State.PRIMARY_STATE_ACTIVE, DEACTIVATE),
        (State.PRIMARY_STATE_INACTIVE, CLEANUP),
    ):
        if shared_manager.state() == state:
            assert shared_manager.change(transition)
    shared_manager.rig.forget()


def test_without_autostart_it_waits_unconfigured(process, manager):
    assert manager.state() == State.PRIMARY_STATE_UNCONFIGURED
    assert manager.rig.node.count_publishers('/head_poses') == 0
    assert 'configured' not in process.output


def test_the_transitions_lead_where_they_should(manager):
    for transition, state in (
        (CONFIGURE, State.PRIMARY_STATE_INACTIVE),
        (ACTIVATE, State.PRIMARY_STATE_ACTIVE),
        (DEACTIVATE, State.PRIMARY_STATE_INACTIVE),
        (CLEANUP, State.PRIMARY_STATE_UNCONFIGURED),
    ):
        assert manager.change(transition)
        assert manager.state() == state


def test_nothing_comes_while_inactive_and_what_waits_is_dropped(manager):
    rig = manager.rig
    assert manager.change(CONFIGURE)
    assert manager.change(ACTIVATE)
    first = rig.ask(FACE).heads[0]
    for _ in range(5):
        rig.send(FACE)
    assert manager.change(DEACTIVATE)
    rig.spin(0.3)
    rig.forget()
    for _ in range(5):
        rig.send(FACE)
        rig.spin(0.05)
    assert rig.received['head_poses'] == []
    assert rig.node.count_subscribers('/image') == 0
    time.sleep(0.01)
    activated_ns = time.time_ns()
    assert manager.change(ACTIVATE)
    rig.spin(0.3)
    second = rig.ask(FACE).heads[0]
    stamps = [nanoseconds(m.header.stamp) for m in rig.received['head_poses']]
    assert min(stamps) > activated_ns
    assert second.id != first.id  # whoever was away may be somebody else


def test_ten_rounds_under_load_work_and_leave_nothing_behind(process, manager):
    rig = manager.rig

    def ends():
        own = ('head_pose', '/')
        return sorted(rig.node.get_publisher_names_and_types_by_node(*own)), sorted(
            rig.node.get_subscriber_names_and_types_by_node(*own)
        )

    # Images come all the time, so that every transition meets one that waits.
    camera = rig.node.create_timer(0.02, lambda: rig.send(GREY))
    before = ends()
    for _ in range(10):
        for transition in (CONFIGURE, ACTIVATE):
            assert manager.change(transition)
        rig.forget()
        assert rig.until(lambda: rig.received['head_poses'])
        (only,) = rig.node.get_publishers_info_by_topic('/head_poses')
        assert only.node_name == 'head_pose'
        assert rig.until(lambda: rig.node.count_subscribers('/camera_info') == 1)
        for transition in (DEACTIVATE, CLEANUP):
            assert manager.change(transition)
    rig.node.destroy_timer(camera)
    assert rig.until(lambda: ends() == before), (before, ends())
    assert rig.until(lambda: rig.node.count_subscribers('/image') == 0)
    assert 'Traceback' not in process.output


def test_a_failed_configuration_stays_unconfigured_and_can_be_mended(process, manager):
    assert manager.set('network.weights', '/nowhere/at_all.onnx').successful
    assert not manager.change(CONFIGURE)
    assert manager.state() == State.PRIMARY_STATE_UNCONFIGURED
    process.wait_for_output('cannot be configured: no weights /nowhere/at_all.onnx')
    assert manager.rig.node.count_publishers('/head_poses') == 0
    assert manager.set('network.weights', DEFAULT_WEIGHTS).successful
    assert manager.change(CONFIGURE) and manager.change(ACTIVATE)
    assert len(manager.rig.ask(FACE).heads) == 1


def test_parameters_set_before_it_is_configured_count(manager):
    assert manager.set('tracking.id_prefix', 'visitor').successful
    assert manager.set('detection.score_threshold', 1.0).successful
    assert manager.change(CONFIGURE) and manager.change(ACTIVATE)
    assert not manager.set('tracking.id_prefix', 'guest').successful
    assert manager.rig.ask(FACE).heads == []
    assert manager.set('detection.score_threshold', 0.6).successful
    assert manager.rig.until(lambda: manager.rig.ask(FACE).heads)
    assert manager.rig.ask(FACE).heads[0].id.startswith('visitor')
    assert manager.change(DEACTIVATE) and manager.change(CLEANUP)
    assert manager.set('tracking.id_prefix', 'h').successful


def test_nobody_listening_means_no_work(manager):
    rig = manager.rig
    assert manager.change(CONFIGURE) and manager.change(ACTIVATE)
    rig.ask(GREY)
    rig.ignore('head_poses')
    assert rig.until(lambda: rig.node.count_subscribers('/head_poses') == 0)
    rig.forget()
    rig.diagnostics(lambda _, v: float(v['input rate (Hz)']) == 0)
    rig.forget()
    camera = rig.node.create_timer(0.1, lambda: rig.send(GREY))
    _, values = rig.diagnostics(lambda _, v: float(v['input rate (Hz)']) > 0)
    rig.node.destroy_timer(camera)
    assert float(values['processing rate (Hz)']) == 0
    rig.listen('head_poses')
    rig.ask(GREY)


@pytest.mark.parametrize('sig', [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly_among_images(sig):
    with start() as node, Rig('head_poses', 'debug_image') as rig:
        rig.ask(FACE)
        camera = rig.node.create_timer(0.02, lambda: rig.send(FACE))
        rig.spin(0.5)
        node.send(sig)
        assert rig.until(lambda: not node.running)
        rig.node.destroy_timer(camera)
        assert node.wait() == 0
        assert 'Traceback' not in node.output and 'Error' not in node.output


def test_signals_end_it_cleanly_before_it_is_configured():
    with start('__node:=early', autostart=False) as node:
        with Rig() as rig:
            rig.call(GetState, '/early/get_state', GetState.Request())
        node.send(signal.SIGTERM)
        assert node.wait() == 0
        assert 'Traceback' not in node.output
