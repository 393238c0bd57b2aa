"""Topics and markers say what heads are turned to, with targets from /tf, for those who listen."""

import math
import time

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('tf2_msgs.msg')

import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_helpers import until
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray

from fsanet_ros.msg import AttentionArray
from fsanet_ros.ros.output import attention_output as attention_module
from fsanet_ros.ros.output import frame_listener
from fsanet_ros.ros.output.attention_output import AttentionOutput
from fsanet_ros.ros.settings import AttentionSettings
from fsanet_ros.tracking.tracker import TrackedHead
from fsanet_ros.types import Box, Face, Head, Square

pytestmark = pytest.mark.ros

FRAME = 'eye_optical'
FACE = Face(Box(0, 0, 100, 100), 0.9, Square(50, 50, 140))
TOPICS = {'attention': AttentionArray, 'attention_markers': MarkerArray}


def person(id_='h1', position=(0.0, 0.0, 2.0), looks_at=(0.0, 0.0, 0.0)):
    position = np.array(position)
    z = position - looks_at
    z /= np.linalg.norm(z)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    rotation = np.column_stack([x, np.cross(z, x), z])
    return TrackedHead(id_, Head(FACE, rotation, position, np.eye(3) * 0.003, np.eye(3) * 1e-4), 1)


class Room:
    """An active lifecycle node with its attention output, a robot's /tf, and listeners."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = LifecycleNode('attention_output', context=self.context)
        self.output = AttentionOutput(self.node)
        self.node.trigger_configure()
        self.node.trigger_activate()
        self.robot = rclpy.create_node('robot', context=self.context)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.publishers = {
            '/tf': self.robot.create_publisher(TFMessage, '/tf', 100),
            '/tf_static': self.robot.create_publisher(TFMessage, '/tf_static', latched),
        }
        self.received = {topic: [] for topic in TOPICS}
        self.subscriptions = {}
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.executor.add_node(self.robot)
        self.time_s = 1000.0

    def listen(self, *topics):
        for topic in topics:
            self.subscriptions[topic] = self.robot.create_subscription(
                TOPICS[topic], topic, self.received[topic].append, 100
            )
        assert self.until(self.output.wanted)

    def ignore(self, topic):
        self.robot.destroy_subscription(self.subscriptions.pop(topic))

    def transform(self, topic, parent, child, translation, stamp_s=0.0):
        message = TransformStamped(header=header(stamp_s, parent), child_frame_id=child)
        t = message.transform.translation
        t.x, t.y, t.z = map(float, translation)
        self.publishers[topic].publish(TFMessage(transforms=[message]))

    def until(self, condition, timeout_s=60.0, step=lambda: None):
        def spin():
            step()
            self.settle()

        return until(condition, timeout_s, spin)

    def look(self, *heads, camera='left'):
        """Give the output one image more; return its header."""
        self.time_s += 1 / 30
        image = header(self.time_s)
        self.output.publish(camera, heads, [t.id for t in heads], image)
        return image

    def ask(self, *heads, topic='attention', camera='left', expected=lambda message: True):
        """Return the first message that comes of an image with these heads and is as expected."""
        messages = self.received[topic]
        messages.clear()

        def step():
            self.look(*heads, camera=camera)
            self.settle()

        assert until(lambda: any(map(expected, messages)), 15.0, step), messages[-1:]
        return next(filter(expected, messages))

    def ask_once(self, *heads, camera='left'):
        """Return what comes of one image, when listeners and output know each other."""
        image = self.look(*heads, camera=camera)
        messages = self.received['attention']
        assert self.until(lambda: messages and messages[-1].header == image)
        return messages[-1]

    def settle(self):
        """Let all that is on its way arrive."""
        for _ in range(4):
            self.executor.spin_once(timeout_sec=0.005)

    def hears_tf(self):
        return self.robot.count_subscribers('/tf') > 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.output.destroy()
        self.executor.shutdown()
        self.node.destroy_node()
        self.robot.destroy_node()
        rclpy.shutdown(context=self.context)


def header(stamp_s, frame=FRAME):
    message = Header(frame_id=frame)
    message.stamp.sec, message.stamp.nanosec = divmod(round(stamp_s * 1e9), 10**9)
    return message


@pytest.fixture
def room():
    with Room() as made:
        yield made


def target_is(target):
    return lambda message: message.heads[0].target == target


def test_who_looks_into_the_camera_is_published_for_every_image(room):
    room.listen('attention')
    room.output.adapt(AttentionSettings(targets=['camera', ''], heads=False))
    message = room.ask(person(), person('h2', (0.5, 0.0, 2.0), (3.0, 0.0, 2.0)))
    assert message.header.frame_id == FRAME
    assert message.header.stamp.sec == 1000
    first, second = message.heads
    assert (first.id, first.target, list(first.candidates)) == ('h1', 'camera', ['camera'])
    assert first.angles[0] == pytest.approx(0.0, abs=1e-6) and first.probabilities[0] > 0.99
    assert (second.id, second.target) == ('h2', '')
    assert second.angles[0] == pytest.approx(math.pi / 2 + math.atan2(0.5, 2.0), abs=1e-6)
    assert second.probabilities[0] == pytest.approx(0.0)
    later = room.ask(person(), expected=lambda m: m.heads[0].duration.nanosec > 0)
    assert later.heads[0].duration.sec == 0
    assert room.ask(expected=lambda m: not m.heads).header.frame_id == FRAME
    assert not room.hears_tf()  # nothing but the camera is asked for


def test_a_static_frame_that_comes_late_becomes_a_target_and_is_missed_before(room, monkeypatch):
    monkeypatch.setattr(attention_module, 'PATIENCE_S', 0.2)
    room.listen('attention')
    room.output.adapt(AttentionSettings(targets=['camera', 'screen'], heads=False))
    screen = np.array([1.0, -0.5, 0.5])
    heads = [person(looks_at=screen)]
    message = room.ask(*heads)
    assert list(message.heads[0].candidates) == ['camera']
    assert room.output.problems() == []  # it may still come
    assert room.until(room.output.problems, step=lambda: room.look(*heads))
    assert room.output.problems() == [
        "target screen: no frame 'screen' on /tf or /tf_static",
    ]
    room.transform('/tf_static', 'base', 'screen', (1.0, -0.5, 1.5))
    named = f"target screen: no frame '{FRAME}' on /tf or /tf_static"
    assert room.until(lambda: room.output.problems() == [named], step=lambda: room.look(*heads))
    room.publishers['/tf_static'] = room.robot.create_publisher(
        TFMessage,
        '/tf_static',
        QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL),
    )
    room.transform('/tf_static', 'base', FRAME, (0.0, 0.0, 1.0))
    message = room.ask(*heads, expected=target_is('screen'))
    assert list(message.heads[0].candidates) == ['camera', 'screen']
    assert message.heads[0].angles[1] == pytest.approx(0.0, abs=1e-6)
    assert room.output.problems() == []


def test_a_target_that_moves_is_followed_at_the_images_stamps(room):
    room.listen('attention')
    room.output.adapt(AttentionSettings(targets=['cup'], heads=False))
    room.look(person())
    assert room.until(lambda: room.robot.count_subscribers('/tf') > 0)
    position = np.array([0.0, 0.0, 2.0])

    def cup(time_s):
        angle = 0.5 * (time_s - 1000.0)
        return position + np.array([math.sin(angle), 0.0, -math.cos(angle)])

    checked = 0

    def step():
        nonlocal checked
        # Transforms at 20 Hz, images in between them.
        newest_s = math.floor(room.time_s * 20 + 2) / 20
        room.transform('/tf', FRAME, 'cup', cup(newest_s), newest_s)
        room.settle()
        room.look(person())
        for message in room.received['attention']:
            if message.heads[0].candidates:
                stamp = message.header.stamp
                turned = 0.5 * (stamp.sec - 1000.0 + stamp.nanosec * 1e-9)
                checked += 1
                # The first transform that is heard may be newer than the image.
                within = 0.001 if checked > 5 else 0.1
                assert message.heads[0].angles[0] == pytest.approx(turned, abs=within)
        room.received['attention'].clear()

    assert until(lambda: checked > 30, 60.0, step), checked
    assert room.output.problems() == []


def test_transforms_that_pile_up_while_an_image_is_worked_on_are_all_heard(room):
    room.listen('attention')
    room.output.adapt(AttentionSettings(targets=['cup'], heads=False))
    room.look(person())
    room.transform('/tf_static', FRAME, 'table', (0.0, 0.0, 0.5))
    room.ask(person(), expected=lambda m: 'table' in room.output._listener.tree._edges)
    for number in range(50):
        room.transform('/tf', 'table', 'cup', (0.0, 0.0, 0.0), room.time_s - 2.0 + number / 25)
    time.sleep(0.2)  # the executor does not turn meanwhile
    (head,) = room.ask_once(person()).heads
    assert head.target == 'cup'


def test_a_target_whose_transforms_end_is_left_and_named(room, monkeypatch):
    monkeypatch.setattr(attention_module, 'PATIENCE_S', 0.2)
    room.listen('attention')
    room.output.adapt(AttentionSettings(targets=['cup'], heads=False))

    def seen():
        room.transform('/tf', FRAME, 'cup', (0.0, 0.0, 0.5), room.time_s)
        room.look(person())
        return any(m.heads[0].target == 'cup' for m in room.received['attention'])

    assert room.until(seen)
    room.time_s += 5.0
    assert room.ask(person(), expected=target_is('')).heads[0].candidates == []
    assert room.until(room.output.problems, step=lambda: room.look(person()))
    (problem,) = room.output.problems()
    assert problem.startswith(f"target cup: 'cup' in '{FRAME}' is ") and 'older than' in problem


def test_tf_is_heard_only_while_somebody_wants_to_know(room):
    room.output.adapt(AttentionSettings(targets=['screen'], heads=False))
    assert not room.output.wanted()
    room.look(person())
    assert not room.hears_tf()
    room.listen('attention')
    room.look(person())
    assert room.until(room.hears_tf)
    room.ignore('attention')
    assert room.until(lambda: not room.output.wanted() and not room.hears_tf())
    room.listen('attention_markers')
    room.look(person())
    assert room.until(room.hears_tf)
    room.output.adapt(AttentionSettings(targets=['camera'], heads=False))
    room.look(person())
    assert room.until(lambda: not room.hears_tf())
    room.output.adapt(AttentionSettings(targets=['screen'], heads=False))
    room.look(person())
    assert room.until(room.hears_tf)
    room.output.reset()
    assert room.until(lambda: not room.hears_tf())


def test_people_in_conversation_are_each_other_s_targets_when_asked_for(room):
    room.listen('attention')
    left, right = (-0.5, 0.0, 2.0), (0.5, 0.1, 2.0)
    heads = [person('h1', left, right), person('h2', right, left)]
    room.output.adapt(AttentionSettings(targets=[], heads=True))
    assert [h.target for h in room.ask(*heads).heads] == ['h2', 'h1']
    room.output.adapt(AttentionSettings(targets=[], heads=False))
    message = room.ask(*heads, expected=target_is(''))
    assert [h.candidates for h in message.heads] == [[], []]


def test_each_camera_has_heads_of_its_own(room):
    room.listen('attention')
    room.output.adapt(AttentionSettings(targets=['camera'], heads=False))
    room.ask(person(), camera='left', expected=lambda m: m.heads[0].duration.nanosec > 0)
    (state,) = room.ask_once(person(), camera='right').heads
    assert (state.target, state.duration.nanosec) == ('camera', 0)
    (state,) = room.ask_once(person(), camera='left').heads
    assert (state.target, state.duration.nanosec > 0) == ('camera', True)
    room.output.reset()
    (state,) = room.ask_once(person(), camera='left').heads
    assert (state.target, state.duration.nanosec) == ('camera', 0)


def test_angles_change_while_it_runs(room):
    room.listen('attention')
    room.output.adapt(AttentionSettings(targets=['camera'], heads=False))
    aside = person(looks_at=(1.0, 0.0, 0.0))  # 27 degrees
    assert room.ask(aside).heads[0].target == ''
    room.output.adapt(
        AttentionSettings(targets=['camera'], heads=False, angle_deg=30.0, hysteresis_deg=0.0)
    )
    room.ask(aside, expected=target_is('camera'))


def test_markers_are_lines_to_the_targets_with_their_names(room):
    room.listen('attention_markers')
    room.output.adapt(AttentionSettings(targets=['camera', FRAME], heads=True))
    heads = [person('h1', (-0.5, 0.0, 2.0)), person('h2', (0.5, 0.0, 2.0), (-0.5, 0.0, 2.0))]
    nobody = person('h3', (0.0, 0.5, 2.0), (0.0, 0.5, 3.0))
    unknown = TrackedHead('h4', Head(FACE, np.eye(3)), 0.0)
    markers = room.ask(*heads, nobody, unknown, topic='attention_markers').markers
    assert [(m.ns, m.id, m.type) for m in markers] == [
        ('attention', 1, Marker.LINE_LIST),
        ('attention_text', 1, Marker.TEXT_VIEW_FACING),
        ('attention', 2, Marker.LINE_LIST),
        ('attention_text', 2, Marker.TEXT_VIEW_FACING),
    ]
    assert [ends(marker) for marker in markers[::2]] == [
        [[-0.5, 2.0], [0.0, 0.0]],
        [[0.5, 2.0], [-0.5, 2.0]],
    ]
    assert [m.text for m in markers[1::2]] == ['camera 0.0 s', 'h1 0.0 s']
    assert markers[0].color == markers[1].color != markers[2].color
    for marker in markers:
        assert marker.header.frame_id == FRAME
        assert marker.lifetime.sec >= 2 and marker.pose.orientation.w == 1.0


def ends(line):
    """Return x and z of both ends of a line that is not turned."""
    start = line.pose.position
    return [[start.x + p.x, start.z + p.z] for p in line.points]


def test_a_line_goes_with_the_head_or_when_it_looks_away(room):
    room.listen('attention_markers')
    room.output.adapt(AttentionSettings(targets=['camera'], heads=False))
    both = [person('h1', (-0.5, 0.0, 2.0)), person('h2', (0.5, 0.0, 2.0))]
    away = person('h2', (0.5, 0.0, 2.0), (3.0, 0.0, 2.0))

    def actions(message):
        return {(m.ns, m.id): m.action for m in message.markers}

    def shows(*numbers):
        names = {(ns, n) for ns in ('attention', 'attention_text') for n in numbers}
        return lambda message: {k for k, a in actions(message).items() if not a} == names

    room.ask(*both, topic='attention_markers', expected=shows(1, 2))
    gone = room.ask(both[0], away, topic='attention_markers', expected=shows(1))
    assert actions(gone)['attention', 2] == actions(gone)['attention_text', 2] == Marker.DELETE
    left = room.ask(topic='attention_markers', expected=shows())
    assert actions(left) == {('attention', 1): 2, ('attention_text', 1): 2}


def test_a_camera_that_falls_silent_takes_its_lines_along(room):
    room.listen('attention_markers')
    room.output.adapt(AttentionSettings(targets=['camera'], heads=False))
    room.ask(person('ha1'), topic='attention_markers', camera='left')
    room.ask(person('hb1'), topic='attention_markers', camera='right')
    room.received['attention_markers'].clear()
    room.output.forget('left')
    assert room.until(lambda: room.received['attention_markers'])
    (message,) = room.received['attention_markers']
    assert [(m.ns, m.id, m.action) for m in message.markers] == [
        ('attention_ha', 1, Marker.DELETE),
        ('attention_text_ha', 1, Marker.DELETE),
    ]


def test_frames_of_faces_are_kept_only_where_they_are_asked_for(room):
    room.listen('attention')
    room.output.adapt(AttentionSettings(targets=['face_x'], heads=False))
    face = (0.0, 0.0, 0.5)

    def seen():
        for child in ('face_h1', 'gaze_h1', 'face_x', 'cup'):
            room.transform('/tf', FRAME, child, face, room.time_s)
        room.look(person())
        return any(m.heads[0].target == 'face_x' for m in room.received['attention'])

    assert room.until(seen)
    tree = room.output._listener.tree
    assert room.until(lambda: 'cup' in tree._edges)
    assert {'face_x', 'cup'} == set(tree._edges)


def test_a_bad_transform_and_an_image_without_frame_break_nothing(room, monkeypatch):
    monkeypatch.setattr(attention_module, 'PATIENCE_S', 0.0)
    room.listen('attention')
    room.output.adapt(AttentionSettings(targets=['screen', 'camera'], heads=False))
    room.look(person())
    room.transform('/tf_static', FRAME, 'screen', (math.nan, 0.0, 0.0))
    message = room.ask(person(), expected=target_is('camera'))
    assert list(message.heads[0].candidates) == ['camera']
    room.output.publish('left', [person()], ['h1'], header(room.time_s + 1.0, ''))
    assert room.output.problems() == [
        'target screen: the images name no frame (header.frame_id is empty)'
    ]


def test_without_tf2_msgs_the_camera_is_still_a_target(room, monkeypatch):
    monkeypatch.setattr(frame_listener, 'TFMessage', None)
    monkeypatch.setattr(attention_module, 'PATIENCE_S', 0.0)
    room.listen('attention')
    room.output.adapt(AttentionSettings(targets=['screen', 'camera'], heads=False))
    assert room.ask(person()).heads[0].target == 'camera'
    (problem,) = room.output.problems()
    assert problem.startswith('target screen: tf2_msgs is not installed')


def test_a_name_with_a_slash_is_a_frame_also_where_it_is_called_camera(room):
    room.listen('attention')
    room.output.adapt(AttentionSettings(targets=['/camera'], heads=False))
    room.transform('/tf_static', '/' + FRAME, 'camera', (1.0, 0.0, 0.0))
    message = room.ask(person(looks_at=(1.0, 0.0, 0.0)), expected=target_is('/camera'))
    assert list(message.heads[0].candidates) == ['/camera']
