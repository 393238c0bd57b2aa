"""
The head pose node of one or several cameras, and RViz if wanted.

    ros2 launch fsanet_ros head_pose.launch.py image:=/camera/image_raw rviz:=true

The node is a LifecycleNode of launch_ros: with autostart:=false a launch file that includes this
one can change its state and handle its transitions; see docs/tutorials/your_robot.md. A node that
starts itself is often through before launch hears of it.
"""

import os

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.substitutions import FindPackageShare

from fsanet_ros.ros.shared_memory import room_for_images

SHARE = FindPackageShare('fsanet_ros')
PROFILE = PathJoinSubstitution([SHARE, 'config', 'fastdds_shm.xml'])
# Arguments that are parameters of the node, and these. An argument that is left empty sets nothing:
# params_file counts, then what an outer launch file sets (SetParameter), then the node's default.
PARAMETERS = {
    'image_transport': 'input.image_transport',
    'autostart': 'autostart',
    'hri': 'output.hri',
    'id_prefix': 'tracking.id_prefix',
    'deterministic': 'input.deterministic',
    'use_sim_time': 'use_sim_time',
}
LISTS = {'image': 'input.image_topics', 'depth': 'input.depth_topics'}
# What RViz shows: absolute names in its file, in the node's namespace there.
SHOWN = ('debug_image', 'debug_image_0', 'debug_image_1', 'markers', 'attention_markers', 'poses')


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, the node and RViz."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'image',
                default_value='',
                description='Image topic; several, one per camera, separated by commas. '
                'Empty: not set here (image by default).',
            ),
            DeclareLaunchArgument(
                'camera_info',
                default_value='',
                description='Calibration topic of a single camera. Empty: camera_info beside '
                'the images, such as /camera/camera_info for /camera/image_raw.',
            ),
            DeclareLaunchArgument(
                'depth',
                default_value='',
                description='Topic of depth images aligned with the images; several, one per '
                'camera, separated by commas, with nothing for a camera without depth. Empty: '
                'not set here (no depth by default).',
            ),
            DeclareLaunchArgument(
                'image_transport',
                default_value='',
                choices=['', 'raw', 'compressed'],
                description='raw, or compressed: subscribe to <image>/compressed. '
                'Empty: not set here (raw by default).',
            ),
            DeclareLaunchArgument(
                'hri',
                default_value='',
                choices=['', 'true', 'false'],
                description='Publish faces for ROS4HRI (REP-155) under /humans. '
                'Empty: not set here (false by default).',
            ),
            DeclareLaunchArgument(
                'deterministic',
                default_value='',
                choices=['', 'true', 'false'],
                description='For recordings: process every image, the same way each time. '
                'Empty: not set here (false by default).',
            ),
            DeclareLaunchArgument(
                'id_prefix',
                default_value='',
                description='Prefix of all ids, one of its own for each node that shares /tf. '
                'Empty: not set here (h by default).',
            ),
            DeclareLaunchArgument(
                'params_file',
                default_value='',
                description='Parameter file of the node; config/head_pose.yaml is a template with '
                'all defaults. Empty: none.',
            ),
            DeclareLaunchArgument(
                'namespace',
                default_value='',
                description='Namespace of the node and its topics.',
            ),
            DeclareLaunchArgument(
                'autostart',
                default_value='',
                choices=['', 'true', 'false'],
                description='Whether the node configures and activates itself. false: it waits '
                'for a lifecycle manager. Empty: not set here (true by default).',
            ),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='',
                choices=['', 'true', 'false'],
                description='Take the time from /clock, for simulations and bags. '
                'Empty: not set here (false by default).',
            ),
            DeclareLaunchArgument(
                'respawn',
                default_value='false',
                choices=['true', 'false'],
                description='Whether to start the node again, after a second, when it has died.',
            ),
            DeclareLaunchArgument(
                'log_level',
                default_value='info',
                choices=['debug', 'info', 'warn', 'error', 'fatal'],
                description='Lowest level that the node logs.',
            ),
            DeclareLaunchArgument(
                'enclave',
                default_value='',
                description='Security enclave of the node (docs/how_to/security.md). Empty: /.',
            ),
            DeclareLaunchArgument(
                'rviz',
                default_value='false',
                choices=['true', 'false'],
                description='Whether to open RViz.',
            ),
            DeclareLaunchArgument(
                'rviz_config',
                default_value=PathJoinSubstitution([SHARE, 'rviz', 'head_pose.rviz']),
                description='RViz configuration file.',
            ),
            DeclareLaunchArgument(
                'fixed_frame',
                default_value='camera_link',
                description="RViz's fixed frame, with z up: one that TF connects with the frame of "
                'the images. Or that frame itself.',
            ),
            OpaqueFunction(function=head_pose),
            OpaqueFunction(function=rviz),
        ]
    )


def head_pose(context: LaunchContext) -> list[LifecycleNode | LogInfo | Shutdown]:
    """Return the node with the parameters that are given here and no others, or the end of all."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    overrides: dict[str, object] = {
        parameter: {'true': True, 'false': False}.get(value(name), value(name))
        for name, parameter in PARAMETERS.items()
        if value(name)
    }
    for name, parameter in LISTS.items():
        if value(name).strip():
            overrides[parameter] = topics(value(name))
    try:
        remappings = calibration(topics(value('image')), value('camera_info'))
    except ValueError as error:
        # An exception would leave what launch has started running.
        return [LogInfo(msg=f'Error: {error}'), Shutdown(reason=str(error))]
    files = [value('params_file')] if value('params_file') else []
    enclave = ['--enclave', value('enclave')] if value('enclave') else []
    return [
        LifecycleNode(
            package='fsanet_ros',
            executable='head_pose',
            name='head_pose',
            namespace=value('namespace'),
            parameters=[*files, *([overrides] if overrides else [])],
            remappings=remappings,
            ros_arguments=['--log-level', value('log_level'), *enclave],
            additional_env=room_for_images(context.environment, PROFILE.perform(context)),
            respawn=value('respawn') == 'true',
            respawn_delay=1.0,
            output='screen',
        )
    ]


def rviz(context: LaunchContext) -> list[Node | LogInfo]:
    """Return RViz if it is wanted, or a line that says that it is not there."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    if value('rviz') != 'true':
        return []
    # Launch itself would end with an error, and leave what it has started running.
    if not is_installed('rviz2'):
        distro = context.environment.get('ROS_DISTRO', '<distro>')
        text = (
            f'rviz2 is not installed: going on without it. Install ros-{distro}-rviz2, or look in '
            'a browser: ros2 run fsanet_ros view'
        )
        return [LogInfo(msg=text)]
    use_sim_time = value('use_sim_time')
    return [
        Node(
            package='rviz2',
            executable='rviz2',
            namespace=value('namespace'),
            arguments=['-d', value('rviz_config'), '-f', value('fixed_frame')],
            parameters=[{'use_sim_time': use_sim_time == 'true'}] if use_sim_time else [],
            remappings=[(f'/{topic}', topic) for topic in SHOWN],
            additional_env=room_for_images(context.environment, PROFILE.perform(context)),
        )
    ]


def is_installed(package: str) -> bool:
    """Tell whether a package has the program of the same name."""
    try:
        return os.path.isfile(os.path.join(get_package_prefix(package), 'lib', package, package))
    except PackageNotFoundError:
        return False


def topics(text: str) -> list[str]:
    """Return the topics in ``/front/image, /rear/image``; brackets around them are taken too."""
    return [topic.strip(' \'"') for topic in text.strip(' []').split(',')]


def calibration(images: list[str], camera_info: str) -> list[tuple[str, str]]:
    """Return the remapping of the topic beside the images to the one that is given."""
    if not camera_info:
        return []
    if len(images) > 1:
        raise ValueError(
            f'camera_info is {camera_info}, but there are {len(images)} cameras. Each has its own '
            'beside its images; remap them with launch_ros.actions.SetRemap'
        )
    folder, slash, _ = images[0].rpartition('/')
    return [(f'{folder}{slash}camera_info', camera_info)]
