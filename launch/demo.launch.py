"""
Head poses without a robot: a video or a camera of this machine, the node and RViz.

    ros2 launch fsanet_ros demo.launch.py
    ros2 launch fsanet_ros demo.launch.py source:=people.mp4 camera_info_url:=calibration.yaml

For a camera see webcam.launch.py. Arguments of head_pose.launch.py that concern the node (hri,
autostart, log_level, ...) can be given too.
"""

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    Shutdown,
)
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from fsanet_ros.ros.shared_memory import room_for_images

SHARE = FindPackageShare('fsanet_ros')
PROFILE = PathJoinSubstitution([SHARE, 'config', 'fastdds_shm.xml'])
STARTUP_S = 30.0
# Arguments that are parameters of the video source; one that is left empty sets nothing.
PARAMETERS = {
    'source': str,
    'width': int,
    'height': int,
    'camera_info_url': str,
}


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, the video source and what head_pose.launch.py starts."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'source',
                default_value='',
                description='Video file, folder of pictures, address of a stream, or number of a '
                'camera. Empty: a clip that comes with the package.',
            ),
            DeclareLaunchArgument(
                'loop',
                default_value='true',
                choices=['true', 'false'],
                description='Start the video again after its end. false: the demo ends then.',
            ),
            DeclareLaunchArgument(
                'width',
                default_value='',
                description="Width to ask the camera for, in pixels. Empty: the camera's default.",
            ),
            DeclareLaunchArgument(
                'height',
                default_value='',
                description="Height to ask the camera for, in pixels. Empty: the camera's default.",
            ),
            DeclareLaunchArgument(
                'camera_info_url',
                default_value='',
                description='Calibration file as camera_calibration writes it: a path, file:// or '
                "package://. Empty: not calibrated, or the clip's own.",
            ),
            DeclareLaunchArgument(
                'rviz',
                default_value='true',
                choices=['true', 'false'],
                description='Whether to open RViz.',
            ),
            DeclareLaunchArgument(
                'namespace', default_value='', description='Namespace of both nodes.'
            ),
            # First: it declares arguments too, which launch checks before anything runs.
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(
                    PathJoinSubstitution([SHARE, 'launch', 'head_pose.launch.py'])
                ),
                launch_arguments=[
                    ('image', 'image'),
                    ('camera_info', ''),
                    ('depth', ''),
                    ('image_transport', 'raw'),
                    ('rviz', LaunchConfiguration('rviz')),
                    ('namespace', LaunchConfiguration('namespace')),
                ],
            ),
            OpaqueFunction(function=video_source),
            OpaqueFunction(function=camera_link),
        ]
    )


def video_source(context: LaunchContext) -> list[Node | LogInfo | Shutdown]:
    """Return the source with the parameters given here and no others, or the end of all."""
    given = {name: LaunchConfiguration(name).perform(context) for name in PARAMETERS}
    try:
        values = {name: PARAMETERS[name](value) for name, value in given.items() if value}
    except ValueError as error:
        # An exception would leave what launch has started running.
        return [LogInfo(msg=f'Error: {error}'), Shutdown(reason=str(error))]
    return [
        Node(
            package='fsanet_ros',
            executable='video_source',
            name='video_source',
            namespace=LaunchConfiguration('namespace'),
            parameters=[
                {
                    'loop': LaunchConfiguration('loop').perform(context) == 'true',
                    'wait_for_subscriber_s': STARTUP_S,
                    **values,
                }
            ],
            additional_env=room_for_images(context.environment, PROFILE.perform(context)),
            output='screen',
            on_exit=end,
        )
    ]


def camera_link(context: LaunchContext) -> list[Node]:
    """Return the frame camera_link, x forward and z up, which RViz needs to stand upright."""
    try:
        get_package_prefix('tf2_ros')
    except PackageNotFoundError:
        return []
    return [
        Node(
            package='tf2_ros',
            executable='static_transform_publisher',
            name='camera_link',
            namespace=LaunchConfiguration('namespace'),
            arguments=[
                *('--frame-id', 'camera_link', '--child-frame-id', 'camera_optical_frame'),
                *('--qx', '-0.5', '--qy', '0.5', '--qz', '-0.5', '--qw', '0.5'),
            ],
            additional_env=room_for_images(context.environment, PROFILE.perform(context)),
        )
    ]


def end(event: ProcessExited, context: LaunchContext) -> list[Shutdown]:
    """Return the end of all, once: launch_ros fails when it is shut down a second time."""
    return [] if context.is_shutdown else [Shutdown(reason='the video source has ended')]
