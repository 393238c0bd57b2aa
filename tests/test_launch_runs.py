"""The launch files in launch itself, where it and the built package are installed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ros_helpers import ROOT, NodeProcess, Services, until

pytestmark = pytest.mark.ros

LAUNCH_FILES = sorted(path.name for path in (ROOT / 'launch').glob('*.launch.py'))


@pytest.fixture
def installed():
    pytest.importorskip('launch_ros', reason='launch_ros is not installed (not on PyPI)')
    from ament_index_python.packages import PackageNotFoundError, get_package_share_path

    try:
        share = get_package_share_path('fsanet_ros')
    except PackageNotFoundError:
        pytest.skip('fsanet_ros is not installed')
    if not (share / 'launch' / 'demo.launch.py').is_file():
        pytest.skip(f'the launch files are not installed in {share}')
    return share


@pytest.mark.parametrize('name', LAUNCH_FILES)
def test_arguments_can_be_shown(installed, name):
    code = (
        'import sys; from ros2launch.api.api import print_arguments_of_launch_file as p; '
        'p(launch_file_path=sys.argv[1])'
    )
    pytest.importorskip('ros2launch')
    shown = subprocess.run(
        [sys.executable, '-c', code, str(installed / 'launch' / name)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert shown.returncode == 0, shown.stderr
    assert "'params_file':" in shown.stdout and 'Parameter file of the node' in shown.stdout


RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

arguments = [word.split(':=') for word in sys.argv[2:]]
file = IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments
)
service = LaunchService()
service.include_launch_description(LaunchDescription([file]))
sys.exit(service.run())
"""

# What docs/tutorials/your_robot.md says of lifecycle events, with two sources beside it.
ROBOT = """
from launch import LaunchDescription
from launch.actions import (
    EmitEvent, GroupAction, IncludeLaunchDescription, LogInfo, RegisterEventHandler
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node, PushRosNamespace
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.events.matchers import matches_node_name
from lifecycle_msgs.msg import Transition


def change(transition):
    matcher = matches_node_name('/robot/eyes/head_pose')
    return EmitEvent(event=ChangeState(lifecycle_node_matcher=matcher, transition_id=transition))


def on(start_state, goal_state, *entities):
    return RegisterEventHandler(
        OnStateTransition(start_state=start_state, goal_state=goal_state, entities=[*entities])
    )


def source(side):
    return Node(
        package='fsanet_ros', executable='video_source', name=side, namespace=side,
        parameters=[{'source': VIDEO, 'loop': True, 'rate_hz': 5.0, 'frame_id': side}],
    )


def generate_launch_description():
    file = PythonLaunchDescriptionSource(FILE)
    arguments = {
        'namespace': 'eyes', 'autostart': 'false',
        'image': '/robot/left/image, /robot/right/image',
    }
    return LaunchDescription([
        on('configuring', 'inactive', change(Transition.TRANSITION_ACTIVATE)),
        on('activating', 'active', LogInfo(msg='the robot sees')),
        GroupAction([
            PushRosNamespace('robot'),
            source('left'),
            source('right'),
            IncludeLaunchDescription(file, launch_arguments=arguments.items()),
        ]),
        change(Transition.TRANSITION_CONFIGURE),
    ])
"""


@pytest.fixture
def pictures(tmp_path):
    np, cv2 = pytest.importorskip('numpy'), pytest.importorskip('cv2')
    folder = tmp_path / 'pictures'
    folder.mkdir()
    cv2.imwrite(str(folder / 'grey.png'), np.full((120, 160, 3), 90, np.uint8))
    return folder


@pytest.fixture
def listener():
    """Return a function that gives the messages that come on a topic until a condition holds."""
    rclpy = pytest.importorskip('rclpy')
    from rclpy.executors import SingleThreadedExecutor

    from fsanet_ros.msg import HeadPoseArray

    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('listener', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def listen(topic, process, enough):
        came = []
        node.create_subscription(HeadPoseArray, topic, came.append, 10)
        until(
            lambda: enough(came) or not process.running,
            timeout_s=60.0,
            step=lambda: executor.spin_once(timeout_sec=0.05),
        )
        assert enough(came), process.output
        return came

    yield listen
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


def end(process):
    process.send(signal.SIGINT)
    assert process.wait() == 0, process.output
    assert 'Traceback' not in process.output and 'exception' not in process.output


@pytest.mark.slow
def test_the_demo_is_launched(installed, pictures, listener):
    arguments = [str(installed / 'launch' / 'demo.launch.py'), f'source:={pictures}']
    with NodeProcess(['-c', RUN, *arguments, 'rviz:=false', 'namespace:=robot']) as process:
        came = listener('/robot/head_poses', process, lambda came: len(came) >= 3)
        end(process)
    assert came[0].header.frame_id == 'camera_optical_frame'


@pytest.fixture
def descendants(tmp_path):
    """Return a function that gives the processes which a launch has started, by their ids."""
    mark = f'FSANET_TEST_LAUNCH={tmp_path}'.encode()

    def find():
        found = {}
        for path in Path('/proc').glob('[0-9]*/environ'):
            try:
                environment = path.read_bytes().split(b'\0')
            except OSError:
                continue
            if mark in environment:
                program = (path.parent / 'cmdline').read_bytes().replace(b'\0', b' ').decode()
                found[int(path.parent.name)] = program, environment
        return found

    if not Path('/proc/self/environ').exists():
        pytest.skip('this system does not say what its processes are')
    find.environment = {'FSANET_TEST_LAUNCH': str(tmp_path)}
    return find


NO_PROFILE = {'FASTRTPS_DEFAULT_PROFILES_FILE': '', 'FASTDDS_DEFAULT_PROFILES_FILE': ''}


@pytest.mark.slow
def test_without_rviz_all_runs_with_room_for_images_and_nobody_is_left(
    installed, pictures, listener, descendants
):
    from ament_index_python.packages import get_packages_with_prefixes

    if 'rviz2' in get_packages_with_prefixes():
        pytest.skip('rviz2 is installed')
    demo = [str(installed / 'launch' / 'demo.launch.py'), f'source:={pictures}']
    environment = descendants.environment | NO_PROFILE
    with NodeProcess(['-c', RUN, *demo], environment) as process:
        listener('/head_poses', process, lambda came: len(came) >= 3)
        assert 'rviz2 is not installed' in process.output
        nodes = [env for program, env in descendants().values() if '__node:=' in program]
        assert len(nodes) >= 2
        for env in nodes:
            profile = [
                v for v in env if b'_DEFAULT_PROFILES_FILE=' in v and b'fastdds_shm.xml' in v
            ]
            assert profile, env
        end(process)
    assert until(lambda: not descendants(), 20.0), descendants()


@pytest.mark.slow
@pytest.mark.parametrize('wrong', ['width:=wide', 'hri:=perhaps', 'namespace:=no//name'])
def test_a_wrong_argument_leaves_nobody(installed, pictures, descendants, wrong):
    demo = [str(installed / 'launch' / 'demo.launch.py'), f'source:={pictures}', wrong]
    with NodeProcess(['-c', RUN, *demo, 'rviz:=false'], descendants.environment) as process:
        process.wait()
        assert wrong.partition('=')[2] in process.output
    assert until(lambda: not descendants(), 20.0), descendants()


@pytest.mark.slow
def test_one_calibration_for_several_cameras_leaves_nobody(
    installed, pictures, descendants, tmp_path
):
    robot = tmp_path / 'robot.launch.py'
    file = str(installed / 'launch' / 'head_pose.launch.py')
    wrong = ROBOT.replace("'autostart': 'false',", "'camera_info': '/calibration',")
    assert wrong != ROBOT
    robot.write_text(f'FILE = {file!r}\nVIDEO = {str(pictures)!r}\n{wrong}')
    with NodeProcess(['-c', RUN, str(robot)], descendants.environment) as process:
        process.wait()
        assert 'but there are 2 cameras' in process.output
    assert until(lambda: not descendants(), 20.0), descendants()


@pytest.mark.slow
def test_a_node_that_is_killed_comes_back_on_request(installed, pictures, listener, descendants):
    import os

    demo = [str(installed / 'launch' / 'demo.launch.py'), f'source:={pictures}']
    given = ['rviz:=false', 'respawn:=true', 'id_prefix:=front', 'namespace:=robot']
    with NodeProcess(['-c', RUN, *demo, *given], descendants.environment) as process:
        listener('/robot/head_poses', process, lambda came: len(came) >= 3)
        (node,) = (pid for pid, (program, _) in descendants().items() if 'head_pose' in program)
        os.kill(node, signal.SIGKILL)
        came_before = process.output.count('process started with pid')

        def again():
            return process.output.count('process started with pid') > came_before

        assert until(again), process.output
        listener('/robot/head_poses', process, lambda came: len(came) >= 3)
        end(process)


@pytest.mark.slow
def test_the_demo_ends_with_its_video(installed, pictures):
    arguments = [str(installed / 'launch' / 'demo.launch.py'), f'source:={pictures}']
    with NodeProcess(['-c', RUN, *arguments, 'rviz:=false', 'loop:=false']) as process:
        assert process.wait() == 0, process.output
        assert 'exception' not in process.output


@pytest.mark.slow
def test_a_robot_starts_the_node_of_its_cameras_by_events(installed, pictures, listener, tmp_path):
    robot = tmp_path / 'robot.launch.py'
    file = str(installed / 'launch' / 'head_pose.launch.py')
    robot.write_text(f'FILE = {file!r}\nVIDEO = {str(pictures)!r}\n{ROBOT}')
    with NodeProcess(['-c', RUN, str(robot)]) as process:

        def both(came):
            return {message.header.frame_id for message in came} == {'left', 'right'}

        listener('/robot/eyes/head_poses', process, both)
        process.wait_for_output('the robot sees')
        end(process)


# A robot sets a parameter for all its nodes, and includes the file with another.
SETS = """
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import SetParameter


def generate_launch_description():
    file = PythonLaunchDescriptionSource(FILE)
    return LaunchDescription([
        GroupAction([
            SetParameter('tracking.keep_s', 7.5),
            SetParameter('width', 640),
            IncludeLaunchDescription(
                file, launch_arguments={'rviz': 'false', 'source': VIDEO, 'hri': 'true'}.items()
            ),
        ]),
    ])
"""


@pytest.mark.slow
def test_what_an_outer_launch_file_sets_counts_beside_the_arguments(installed, pictures, tmp_path):
    rclpy = pytest.importorskip('rclpy')
    from rcl_interfaces.srv import GetParameters
    from rclpy.executors import SingleThreadedExecutor

    robot = tmp_path / 'robot.launch.py'
    file = str(installed / 'launch' / 'demo.launch.py')
    robot.write_text(f'FILE = {file!r}\nVIDEO = {str(pictures)!r}\n{SETS}')
    context = rclpy.Context()
    rclpy.init(context=context)
    asker = rclpy.create_node('asker', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(asker)
    services = Services(asker, lambda: executor.spin_once(timeout_sec=0.05))

    def value(node, name):
        request = GetParameters.Request(names=[name])
        return services.call(GetParameters, f'/{node}/get_parameters', request).values[0]

    with NodeProcess(['-c', RUN, str(robot)]) as process:
        assert value('head_pose', 'tracking.keep_s').double_value == 7.5
        assert value('head_pose', 'output.hri').bool_value
        assert value('video_source', 'width').integer_value == 640
        assert value('video_source', 'source').string_value == str(pictures)
        end(process)
    executor.shutdown()
    asker.destroy_node()
    rclpy.shutdown(context=context)
