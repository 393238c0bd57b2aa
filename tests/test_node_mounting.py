"""The running node with turned cameras, and with drivers that name no frame or a strange one."""

import math

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from head_pose_rig import FRAME, Rig, TFMessage, camera_info, face_picture, start_unharmed
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter

from fsanet_ros.ros.input.images import bgr_from_image

pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif(TFMessage is None, reason='tf2_msgs is not installed'),
]

UPRIGHT = face_picture(640, 640)
OUTPUTS = ('head_poses', 'poses', '/tf', 'debug_image')


@pytest.fixture(scope='module')
def process():
    with start_unharmed(detection__search_period_s=0.0, tracking__smoothing='none') as node:
        yield node


@pytest.fixture
def rig(process):
    with Rig(*OUTPUTS) as rig:
        rig.info = camera_info(640, 640)
        yield rig
        assert change(rig, mounting_deg=[0], frame_ids=['']).successful


def change(rig, **values):
    """Set parameters of the group input."""
    request = SetParameters.Request(
        parameters=[
            Parameter(f'input.{name}', value=value).to_parameter_msg()
            for name, value in values.items()
        ]
    )
    results = rig.call(SetParameters, 'set_parameters', request).results
    return next((r for r in results if not r.successful), results[0])


def seen(rig, picture):
    """Return the only head, its place, its frame's rotation and what was drawn."""
    poses, _, tf, drawn = rig.ask(picture, *OUTPUTS)
    (head,) = poses.heads
    return head, tf.transforms[0], bgr_from_image(drawn)


@pytest.mark.parametrize('mounting_deg', [180, [90], 270])
def test_a_turned_camera_finds_heads_and_shows_them_as_its_picture_does(rig, mounting_deg):
    upright, _, _ = seen(rig, UPRIGHT)
    assert change(rig, mounting_deg=mounting_deg).successful
    angle = mounting_deg[0] if isinstance(mounting_deg, list) else mounting_deg
    taken = np.ascontiguousarray(np.rot90(UPRIGHT, angle // 90))
    head, transform, drawn = seen(rig, taken)
    assert math.remainder(head.roll - upright.roll + math.radians(angle), math.tau) == (
        pytest.approx(0.0, abs=0.08)
    )
    # The box and the head's place, turned about the middle of the picture.
    cosine, sine = round(math.cos(math.radians(angle))), round(math.sin(math.radians(angle)))

    def turned(x, y):
        return cosine * x + sine * y, -sine * x + cosine * y

    def middle(roi):
        return roi.x_offset + roi.width / 2 - 320, roi.y_offset + roi.height / 2 - 320

    assert middle(head.roi) == pytest.approx(turned(*middle(upright.roi)), abs=2)
    before, after = upright.pose.pose.position, head.pose.pose.position
    assert (after.x, after.y) == pytest.approx(turned(before.x, before.y), abs=0.01)
    assert after.z == pytest.approx(before.z, rel=0.02)
    placed = transform.transform.translation
    assert (placed.x, placed.y, placed.z) == pytest.approx((after.x, after.y, after.z))
    # The picture is drawn into as it came.
    assert np.array_equal(drawn[:100, :100], taken[:100, :100])


def test_wrong_mountings_are_refused(rig):
    refused = change(rig, mounting_deg=45)
    assert not refused.successful and 'one of: 0, 90, 180, 270' in refused.reason
    refused = change(rig, mounting_deg=[0, 90])
    assert not refused.successful and 'input.mounting_deg has 2 entries' in refused.reason


def test_without_a_frame_there_is_no_tf_but_a_parameter_gives_one(process, rig):
    seen(rig, UPRIGHT)
    rig.forget()
    rig.frame_id = ''
    for _ in range(3):
        assert len(rig.ask(UPRIGHT, 'head_poses', 'debug_image')[0].heads) == 1
    rig.spin(0.3)
    assert not rig.received['/tf']
    process.wait_for_output('no header.frame_id')
    assert process.output.count('no header.frame_id') == 1
    assert change(rig, frame_ids='front_optical').successful
    head_poses, tf = rig.ask(UPRIGHT, 'head_poses', '/tf')
    assert head_poses.header.frame_id == 'front_optical'
    assert {t.header.frame_id for t in tf.transforms} == {'front_optical'}
    # Where the driver gives one, that counts; TF takes none with a slash in front.
    for given in (FRAME, f'/{FRAME}'):
        rig.frame_id = given
        head_poses, tf = rig.ask(UPRIGHT, 'head_poses', '/tf')
        assert head_poses.header.frame_id == tf.transforms[0].header.frame_id == FRAME
