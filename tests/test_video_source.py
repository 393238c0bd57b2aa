"""The video source is a camera one can rely on: every frame, right stamps, clean ends."""

import signal
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from ros_helpers import NodeProcess, Services, until

pytest.importorskip('rclpy')
pytest.importorskip('sensor_msgs')

import rclpy
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters, SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

import fsanet_ros.ros.video_source as video_source
from fsanet_ros.files.calibration_file import CalibrationData, write_calibration
from fsanet_ros.files.video import Frames, VideoError
from fsanet_ros.msg import HeadPoseArray
from fsanet_ros.ros.input.images import bgr_from_image
from fsanet_ros.ros.parameters import defaults_of
from fsanet_ros.ros.video_source_settings import VideoSourceSettings

pytestmark = pytest.mark.ros

WIDTH, HEIGHT, FRAMES = 96, 64, 8


def frame(number, width=WIDTH, height=HEIGHT):
    """A picture whose brightness is its number, so that order and losses show."""
    return np.full((height, width, 3), 20 + 25 * number, np.uint8)


def number_of(msg):
    return round((bgr_from_image(msg).mean() - 20) / 25)


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp('video') / 'clip.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 50, (WIDTH, HEIGHT))
    for number in range(FRAMES):
        writer.write(frame(number))
    writer.release()
    return path


@pytest.fixture
def listener():
    """Collects what comes on image and camera_info."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('listener', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    images, camera_infos = [], []
    qos = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
    node.create_subscription(CameraInfo, 'camera_info', camera_infos.append, qos)
    node.create_subscription(Image, 'image', images.append, qos)
    yield SimpleNamespace(
        node=node,
        images=images,
        infos=camera_infos,
        spin=lambda: executor.spin_once(timeout_sec=0.05),
    )
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


def start(**parameters):
    arguments = ['-m', 'fsanet_ros.ros.video_source', '--ros-args']
    for name, value in parameters.items():
        arguments += ['-p', f'{name}:={value}']
    return NodeProcess(arguments)


def receive(listener, node, count):
    def arrived():
        return len(listener.images) >= count and len(listener.infos) >= count

    assert until(lambda: arrived() or not node.running, step=listener.spin), node.output
    until(arrived, timeout_s=1.0, step=listener.spin)
    assert arrived(), (len(listener.images), len(listener.infos), node.output)


def test_every_frame_once_in_order_then_exit_code_0(video, listener):
    with start(source=video, wait_for_subscriber_s=20.0, frame_id='eye') as node:
        receive(listener, node, FRAMES)
        assert node.wait() == 0
        assert f'{FRAMES} frames' in node.output
    assert [number_of(msg) for msg in listener.images] == list(range(FRAMES))
    assert len(listener.infos) == FRAMES
    stamps = [(msg.header.stamp.sec, msg.header.stamp.nanosec) for msg in listener.images]
    assert stamps == sorted(set(stamps))
    for image, info in zip(listener.images, listener.infos, strict=True):
        assert image.header == info.header and image.header.frame_id == 'eye'
        assert image.encoding == 'bgr8' and image.step == 3 * WIDTH
        assert (image.width, image.height) == (info.width, info.height) == (WIDTH, HEIGHT)
        # Not calibrated, as sensor_msgs/CameraInfo defines it.
        assert not np.any(info.k) and not np.any(info.p) and len(info.d) == 0


@pytest.mark.parametrize(('rate_hz', 'expected'), [(0.0, 50.0), (20.0, 20.0)])
def test_rate_is_the_files_own_or_the_asked(video, rate_hz, expected):
    options = [f'source:={video}', f'rate_hz:={rate_hz}']
    rclpy.init(args=['--ros-args', *(word for option in options for word in ('-p', option))])
    source = video_source.VideoSource()
    (timer,) = source.timers
    # Its period, not the time between frames: a busy machine is not the source's fault.
    assert 1e9 / timer.timer_period_ns == pytest.approx(expected)
    source.destroy_node()
    rclpy.shutdown()


def test_loops_until_max_frames(video, listener):
    count = 2 * FRAMES + 3
    with start(source=video, loop='true', max_frames=count, wait_for_subscriber_s=20.0) as node:
        receive(listener, node, count)
        assert node.wait() == 0
    assert [number_of(msg) for msg in listener.images] == [n % FRAMES for n in range(count)]


def test_pictures_of_a_folder_in_natural_order_whatever_their_size(tmp_path, listener):
    for number in range(FRAMES):
        picture = frame(number, width=40 + number)
        cv2.imwrite(str(tmp_path / f'picture_{number + 5}.png'), picture)  # 5 ... 12
    (tmp_path / 'notes.txt').write_text('no picture')
    with start(source=tmp_path, wait_for_subscriber_s=20.0) as node:
        receive(listener, node, FRAMES)
        assert node.wait() == 0
    assert [number_of(msg) for msg in listener.images] == list(range(FRAMES))
    assert [info.width for info in listener.infos] == [40 + n for n in range(FRAMES)]


def calibration(tmp_path, width):
    k = np.array([[100.0, 0, 48], [0, 101, 32], [0, 0, 1]])
    d = np.array([0.1, -0.2, 0.001, 0.002, 0.03])
    path = tmp_path / 'camera.yaml'
    p = np.hstack([k, np.zeros((3, 1))])
    write_calibration(path, CalibrationData(width, HEIGHT, k, d, 'plumb_bob', np.eye(3), p, 'eye'))
    return path, k, d


@pytest.mark.parametrize('scheme', ['', 'file://'])
def test_calibration_is_published(tmp_path, video, listener, scheme):
    path, k, d = calibration(tmp_path, WIDTH)
    with start(source=video, camera_info_url=f'{scheme}{path}', wait_for_subscriber_s=20.0) as node:
        receive(listener, node, FRAMES)
    info = listener.infos[-1]
    np.testing.assert_array_equal(info.k, k.ravel())
    np.testing.assert_array_equal(info.d, d)
    np.testing.assert_array_equal(info.r, np.eye(3).ravel())
    assert info.distortion_model == 'plumb_bob' and info.p[0] == 100.0
    assert info.header == listener.images[-1].header


def test_calibration_of_nonsense_is_refused_by_name(tmp_path, video):
    path, k, d = calibration(tmp_path, WIDTH)
    k[0, 0] = k[1, 1] = 1.0
    p = np.hstack([k, np.zeros((3, 1))])
    write_calibration(path, CalibrationData(WIDTH, HEIGHT, k, d, 'plumb_bob', np.eye(3), p, 'eye'))
    with start(source=video, camera_info_url=path) as node:
        assert node.wait() == 1
        assert 'camera.yaml: the focal lengths in K are 1 and 1' in node.output
        assert 'Traceback' not in node.output


def test_calibration_of_another_size_is_not_published(tmp_path, video, listener):
    path, _, _ = calibration(tmp_path, 2 * WIDTH)
    with start(source=video, camera_info_url=path, wait_for_subscriber_s=20.0) as node:
        receive(listener, node, FRAMES)
        node.wait()
        assert node.output.count('the calibration is for 192 x 64 pixels') == 1
    assert not np.any(listener.infos[-1].k)
    assert listener.infos[-1].width == WIDTH


def test_best_effort_is_offered_when_asked_for(video, listener):
    with start(source=video, reliability='best_effort', loop='true') as node:
        node.wait_for_output('publishing')
        offers = listener.node.get_publishers_info_by_topic
        for topic in ('/image', '/camera_info'):
            assert until(lambda t=topic: offers(t), step=listener.spin)
            (info,) = offers(topic)
            assert info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
        assert node.stop() == 0


@pytest.mark.parametrize(
    ('parameters', 'text'),
    [
        ({'source': '/nowhere/clip.mp4'}, '/nowhere/clip.mp4 does not exist'),
        ({'source': __file__}, 'test_video_source.py is not a video that OpenCV can decode'),
        ({'source': 0.5}, 'source is 0.5, expected a string or a whole number'),
        ({'source': '{video}', 'rate_hz': -1.0}, 'rate_hz out of range'),
        ({'source': '{video}', 'rate_hz': 'fast'}, 'rate_hz'),
        ({'source': '{video}', 'reliability': 'good'}, 'one of: reliable, best_effort'),
        ({'source': '{video}', 'camera_info_url': '/nowhere/c.yaml'}, '/nowhere/c.yaml'),
        ({'source': '{video}', 'camera_info_url': 'package://nope/c.yaml'}, "no package 'nope'"),
        ({'source': '{video}', 'camera_info_url': 'http://x/c.yaml'}, 'file:///... or package://'),
    ],
)
def test_what_can_not_work_ends_with_a_reason_and_code_1(video, parameters, text):
    given = {
        name: str(value).format(video=video) if name == 'source' else value
        for name, value in parameters.items()
    }
    with start(**given) as node:
        assert node.wait() == 1
        assert text in node.output and 'Traceback' not in node.output


def test_a_folder_without_a_readable_picture_ends_with_the_reason(tmp_path):
    for name in 'ab':
        (tmp_path / f'{name}.png').write_bytes(b'rubbish')
    with start(source=tmp_path) as node:
        assert node.wait() == 1
        assert 'a.png: not a picture' in node.output and 'Traceback' not in node.output


@pytest.mark.parametrize('broken', ['a', 'b', 'c'])
def test_an_unreadable_picture_among_others_is_named_and_left_out(tmp_path, broken):
    for number, name in enumerate('abc'):
        cv2.imwrite(str(tmp_path / f'{name}.png'), frame(number))
    (tmp_path / f'{broken}.png').write_bytes(b'rubbish')
    with start(source=tmp_path) as node:
        assert node.wait() == 0
        assert f'left out: {tmp_path}/{broken}.png: not a picture' in node.output
        assert '2 frames published' in node.output


def seconds(header):
    return header.stamp.sec + 1e-9 * header.stamp.nanosec


def test_in_lockstep_a_frame_waits_for_the_head_poses_of_the_last(video, listener):
    publisher = listener.node.create_publisher(HeadPoseArray, 'head_poses', 10)
    with start(source=video, lockstep='true', wait_for_subscriber_s=20.0) as process:
        for count in range(1, FRAMES + 1):
            assert until(lambda n=count: len(listener.images) >= n, step=listener.spin)
            # Several periods of 20 ms in which nothing more comes, nor for any other head poses.
            publisher.publish(HeadPoseArray())
            until(lambda: False, timeout_s=0.1, step=listener.spin)
            assert len(listener.images) == count and process.running
            publisher.publish(HeadPoseArray(header=listener.images[-1].header))
        assert process.wait() == 0
        assert 'no head poses' not in process.output
    assert [number_of(msg) for msg in listener.images] == list(range(FRAMES))


def test_in_lockstep_the_rate_holds(video, listener):
    publisher = listener.node.create_publisher(HeadPoseArray, 'head_poses', 10)
    answer = lambda image: publisher.publish(HeadPoseArray(header=image.header))  # noqa: E731
    subscription = listener.node.create_subscription(Image, 'image', answer, 50)
    with start(source=video, lockstep='true', rate_hz=20.0, wait_for_subscriber_s=20.0) as process:
        receive(listener, process, FRAMES)
        assert process.wait() == 0
    listener.node.destroy_subscription(subscription)
    stamps = [seconds(msg.header) for msg in listener.images]
    # A late frame may be followed by one on time: only the whole cannot be faster.
    assert stamps[-1] - stamps[1] > (FRAMES - 3) / 20.0


def test_in_lockstep_the_last_frame_is_waited_for_too(video, listener):
    # Leaving sooner would lose it: best-effort messages are not kept for whoever reads late.
    publisher = listener.node.create_publisher(HeadPoseArray, 'head_poses', 10)
    with start(source=video, lockstep='true', max_frames=1, wait_for_subscriber_s=20.0) as process:
        receive(listener, process, 1)
        until(lambda: False, timeout_s=0.3, step=listener.spin)
        assert process.running
        publisher.publish(HeadPoseArray(header=listener.images[-1].header))
        assert process.wait() == 0
        assert 'no head poses' not in process.output and '1 frames' in process.output


def test_in_lockstep_without_head_poses_it_goes_on_after_a_second(video, listener):
    listener.node.create_publisher(HeadPoseArray, 'head_poses', 10)
    with start(source=video, lockstep='true', max_frames=3, wait_for_subscriber_s=20.0) as process:
        receive(listener, process, 4)
        assert process.wait() == 0
        assert process.output.count('no head poses of the last frame') == 1  # throttled
        assert '3 frames' in process.output
    # The first comes twice: whoever should have answered may not have been ready for it.
    assert [number_of(msg) for msg in listener.images] == [0, 0, 1, 2]
    between_s = np.diff([seconds(msg.header) for msg in listener.images])
    assert between_s.min() > 0.95


def test_in_lockstep_without_head_poses_no_frame_waits_longer(video, listener, monkeypatch):
    # By a clock that is set by hand: what else the machine does can't lengthen these waits.
    clock_s = [100.0]
    monkeypatch.setattr(video_source, 'time', SimpleNamespace(monotonic=lambda: clock_s[0]))
    listener.node.create_publisher(HeadPoseArray, 'head_poses', 10)
    options = [f'source:={video}', 'lockstep:=true', 'wait_for_subscriber_s:=20.0']
    rclpy.init(args=['--ros-args', *(word for option in options for word in ('-p', option))])
    source, executor = video_source.VideoSource(), SingleThreadedExecutor()
    executor.add_node(source)

    def step():
        executor.spin_once(timeout_sec=0.02)
        listener.spin()

    try:
        for count in range(1, 5):
            assert until(lambda: len(listener.images) == count, step=step)  # noqa: B023
            clock_s[0] += 0.99
            until(lambda: False, timeout_s=0.3, step=step)
            assert len(listener.images) == count
            clock_s[0] += 0.02
    finally:
        executor.shutdown()
        source.destroy_node()
        rclpy.shutdown()


@pytest.mark.parametrize('sig', [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly(video, sig):
    with start(source=video, loop='true') as node:
        node.wait_for_output('publishing')
        node.send(sig)
        assert node.wait(5.0) == 0
        assert 'Traceback' not in node.output


def test_signals_end_the_wait_for_a_subscriber(video):
    with start(source=video, wait_for_subscriber_s=60.0) as node:
        node.wait_for_output('waiting for a subscriber of /image')
        assert node.stop() == 0
        assert 'Traceback' not in node.output


def test_without_a_subscriber_it_publishes_all_the_same(video):
    with start(source=video, wait_for_subscriber_s=0.3) as node:
        assert node.wait() == 0
        assert 'no subscriber of /image after 0.3 s' in node.output


def test_a_missing_camera_is_waited_for():
    with start(source=201) as node:
        node.wait_for_output('camera 201 gives no frames')
        node.wait_for_output('Trying again')
        assert node.stop() == 0
        assert 'Traceback' not in node.output


def test_rate_and_loop_change_live_and_the_rest_does_not(video, listener):
    with start(source=video, loop='true') as process:
        process.wait_for_output('publishing')
        request = SetParameters.Request(
            parameters=[
                Parameter('rate_hz', value=200.0).to_parameter_msg(),
                Parameter('source', value='other').to_parameter_msg(),
                Parameter('rate_hz', value=1e6).to_parameter_msg(),
            ]
        )
        service = '/video_source/set_parameters'
        services = Services(listener.node, listener.spin)
        rate, other, fast = services.call(SetParameters, service, request).results
        assert rate.successful
        assert not other.successful and 'restart the node' in other.reason
        assert not fast.successful and fast.reason
        parameters = [Parameter('loop', value=False).to_parameter_msg()]
        request = SetParameters.Request(parameters=parameters)
        services.client(SetParameters, service).call_async(request)
        assert until(lambda: not process.running, step=listener.spin)
        assert process.wait() == 0


class BreakingCamera(Frames):
    """Gives two frames, then is gone."""

    name, live = 'camera 0', True

    def __init__(self):
        self.left, self.closed = 2, False

    def read(self):
        self.left -= 1
        return frame(self.left) if self.left >= 0 else None

    def rewind(self):
        raise AssertionError('a camera can not be rewound')

    def close(self):
        self.closed = True


def test_a_camera_that_breaks_off_is_opened_again(monkeypatch, capfd):
    opened = []

    def open_frames(source, width, height):
        assert (source, width, height) == (0, 640, 480)
        if len(opened) == 1 and opened[0].left < 0 and not opened.count(None):
            opened.append(None)
            raise VideoError('camera 0 gives no frames.')
        opened.append(BreakingCamera())
        return opened[-1]

    monkeypatch.setattr(video_source, 'open_frames', open_frames)
    monkeypatch.setattr(video_source, '_RETRY_S', 0.05)
    options = ['source:=0', 'width:=640', 'height:=480', 'max_frames:=5']
    arguments = ['--ros-args', *(word for option in options for word in ('-p', option))]
    assert video_source.main(arguments) == 0
    cameras = [camera for camera in opened if camera]
    assert len(cameras) == 3 and all(camera.closed for camera in cameras)
    output = ''.join(capfd.readouterr())
    assert output.count('lost camera 0') == 1  # throttled
    assert output.count('camera 0 gives no frames') == 1


def test_parameters_are_described(video, listener):
    with start(source=video, loop='true') as process:
        process.wait_for_output('publishing')
        services = Services(listener.node, listener.spin)

        def call(kind, name, request):
            return services.call(kind, f'/video_source/{name}', request)

        names = call(ListParameters, 'list_parameters', ListParameters.Request()).result.names
        own = list(defaults_of(VideoSourceSettings))
        assert set(own) <= set(names)
        described = call(
            DescribeParameters, 'describe_parameters', DescribeParameters.Request(names=own)
        )
        assert all(len(d.description) > 10 for d in described.descriptors)
        live = {d.name for d in described.descriptors if 'Not live' not in d.additional_constraints}
        assert live == {'rate_hz', 'loop'}
        values = call(GetParameters, 'get_parameters', GetParameters.Request(names=['source']))
        assert values.values[0].string_value == str(video)
