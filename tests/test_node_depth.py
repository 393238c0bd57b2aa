"""Through the running node: lenses of all kinds, rectified images, and depth that is measured."""

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from head_pose_rig import (
    HEIGHT,
    WIDTH,
    Rig,
    camera_info,
    face_picture,
    has_position,
    start,
    start_unharmed,
)
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from fsanet_ros.msg import HeadPose, HeadPoseArray
from fsanet_ros.ros.stamps import nanoseconds

pytestmark = pytest.mark.ros

FACE = face_picture()
LENSES = {
    'plumb_bob': [-0.3, 0.1, 0.001, -0.001, 0.0],
    'rational_polynomial': [0.2, -0.1, 0.0, 0.0, 0.02, 0.5, -0.05, 0.03],
    'equidistant': [-0.01, 0.005, -0.002, 0.001],
}


def depth_image(metres, header, encoding):
    if encoding == '16UC1':
        values = np.full((HEIGHT, WIDTH), round(metres * 1000), np.uint16)
    else:
        values = np.full((HEIGHT, WIDTH), metres, np.float32)
    return Image(
        header=header,
        height=HEIGHT,
        width=WIDTH,
        encoding=encoding,
        step=values.strides[0],
        data=values.tobytes(),
    )


@pytest.fixture(scope='module')
def process():
    # Unsmoothed: the distance of the image, not one on its way there. Searched each time: the same
    # box for the same image.
    with start_unharmed(
        input__depth_topics='[depth]', tracking__smoothing='none', detection__search_period_s=0.0
    ) as node:
        yield node


@pytest.fixture(scope='module')
def rig(process):
    with Rig('head_poses', '/diagnostics') as rig:
        rig.depths = rig.node.create_publisher(Image, 'depth', 5)
        rig.info = camera_info()
        assert rig.until(lambda: has_position(rig.ask(FACE).heads[0]))
        assert rig.until(lambda: rig.depths.get_subscription_count() > 0)
        yield rig


def ask_with_depth(rig, metres, encoding='16UC1', tries=1):
    """Return the head of an image whose depth came just before it."""

    def send():
        header = Header(frame_id='eye_optical')
        stamp_ns = rig.node.get_clock().now().nanoseconds
        header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 10**9)
        rig.depths.publish(depth_image(metres, header, encoding))
        rig.spin(0.2)
        rig.send(FACE, stamp_ns)
        assert rig.until(lambda: rig.outputs_of(stamp_ns, 'head_poses') != [None])
        (poses,) = rig.outputs_of(stamp_ns, 'head_poses')
        return poses.heads[0]

    head = send()
    for _ in range(tries - 1):  # on a busy machine, depth may come after its image
        if head.distance_source != HeadPose.DISTANCE_FROM_DEPTH:
            head = send()
    return head


def distance(head):
    p = head.pose.pose.position
    return float(np.linalg.norm([p.x, p.y, p.z]))


def along_sigma(head):
    return float(np.sqrt(head.pose.covariance[2 * 6 + 2]))


@pytest.mark.parametrize('encoding', ['16UC1', '32FC1'])
def test_the_distance_is_that_of_the_depth_image(rig, encoding):
    from_size = rig.ask(FACE).heads[0]
    assert from_size.distance_source == HeadPose.DISTANCE_FROM_SIZE
    for share in (0.9, 1.2):
        metres = share * from_size.pose.pose.position.z
        measured = ask_with_depth(rig, metres, encoding, tries=5)
        assert measured.distance_source == HeadPose.DISTANCE_FROM_DEPTH
        # A flat wall is no face: the places that agree decide.
        assert measured.pose.pose.position.z == pytest.approx(metres, abs=0.05)
        assert along_sigma(measured) < along_sigma(from_size)


def test_depth_that_can_not_be_the_head_is_not_believed(rig):
    from_size = rig.ask(FACE).heads[0]
    for metres in (0.0, 3.0 * from_size.pose.pose.position.z):
        head = ask_with_depth(rig, metres)
        assert head.distance_source == HeadPose.DISTANCE_FROM_SIZE
        assert distance(head) == pytest.approx(distance(from_size), rel=1e-6)


def test_depth_in_an_unknown_encoding_is_said_and_left_out(process, rig):
    assert ask_with_depth(rig, 1.0, 'nonsense').distance_source == HeadPose.DISTANCE_FROM_SIZE
    process.wait_for_output('depth is not used')


def test_depth_of_another_time_is_not_used(rig):
    rig.spin(0.2)
    assert rig.ask(FACE).heads[0].distance_source == HeadPose.DISTANCE_FROM_SIZE


@pytest.mark.parametrize('model', LENSES)
def test_every_lens_gives_positions(rig, model):
    pinhole = distance(rig.ask(FACE).heads[0])
    rig.info.distortion_model, rig.info.d = model, LENSES[model]

    def takes_effect():
        head = rig.ask(FACE).heads[0]
        return has_position(head) and distance(head) != pinhole

    assert rig.until(takes_effect)
    assert distance(rig.ask(FACE).heads[0]) == pytest.approx(pinhole, rel=0.2)
    rig.info = camera_info()
    assert rig.until(lambda: distance(rig.ask(FACE).heads[0]) == pytest.approx(pinhole, rel=1e-6))


def test_a_lens_that_nobody_knows_is_named(rig):
    rig.info = camera_info()
    rig.info.distortion_model, rig.info.d = 'magic', [1.0, 2.0]
    assert rig.until(lambda: not has_position(rig.ask(FACE).heads[0]))
    status, values = rig.diagnostics(lambda s, _: 'magic' in s.message)
    assert 'orientation only' in status.message and 'magic' in values['calibration']
    rig.info = camera_info()


def test_rectified_images_are_read_with_p(process):
    info = camera_info()
    info.p = [2 * v if i in (0, 5) else v for i, v in enumerate(info.p)]  # twice the focal length
    info.d = [-0.3, 0.1, 0.0, 0.0, 0.0]
    distances = {}
    for topic in ('/raw/image_raw', '/rectified/image_rect'):
        name = topic.split('/')[1]
        output = f'/{name}/head_poses'
        taken = start(f'__node:={name}', f'head_poses:={output}', input__image_topics=f'[{topic}]')
        with taken, Rig(image=topic) as rig:
            received = []
            rig.node.create_subscription(HeadPoseArray, output, received.append, 10)
            infos = rig.node.create_publisher(CameraInfo, f'/{name}/camera_info', 10)

            def seen(rig=rig, infos=infos, received=received):
                infos.publish(info)
                stamp_ns = rig.send(FACE)
                rig.spin(0.1)
                return any(
                    nanoseconds(m.header.stamp) == stamp_ns and has_position(m.heads[0])
                    for m in received
                    if m.heads
                )

            assert rig.until(seen)
            distances[name] = distance(received[-1].heads[0])
    assert distances['rectified'] == pytest.approx(2 * distances['raw'], rel=0.1)
