"""
Head poses without a robot: a video or a camera of this machine, the node, and RViz.

    ros2 launch fsanet_ros demo.launch.py
    ros2 launch fsanet_ros demo.launch.py video:=people.mp4 camera_info_url:=calibration.yaml

For a camera see webcam.launch.py. The arguments of head_pose.launch.py that are about the node
(hri, autostart, log_level, ...) can be given too.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare('fsanet_ros')
STARTUP_S = 30.0
# Arguments that are parameters of the video source.
PARAMETERS = {
    'video': str,
    'camera': int,
    'loop': bool,
    'width': int,
    'height': int,
    'camera_info_url': str,
}


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, the video source and what head_pose.launch.py starts."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'video',
                default_value='',
                description="Video file, folder of pictures or a stream's URL; empty: a clip "
                'that comes with the package.',
            ),
            DeclareLaunchArgument(
                'camera',
                default_value='-1',
                description='Number of a camera, used instead of a video; -1: none.',
            ),
            DeclareLaunchArgument(
                'loop',
                default_value='true',
                choices=['true', 'false'],
                description='Start the video again after its end; false: the demo ends then.',
            ),
            DeclareLaunchArgument(
                'width', default_value='0', description='Width asked of the camera; 0: its own.'
            ),
            DeclareLaunchArgument(
                'height', default_value='0', description='Height asked of the camera; 0: its own.'
            ),
            DeclareLaunchArgument(
                'camera_info_url',
                default_value='',
                description='Calibration file as camera_calibration writes it, a path, file:// or '
                "package://; empty: uncalibrated, or the clip's own.",
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
            Node(
                package='fsanet_ros',
                executable='video_source',
                name='video_source',
                namespace=LaunchConfiguration('namespace'),
                parameters=[
                    {
                        **{
                            name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                            for name, kind in PARAMETERS.items()
                        },
                        'wait_for_subscriber_s': STARTUP_S,
                    }
                ],
                output='screen',
                on_exit=end,
            ),
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
        ]
    )


def end(event: ProcessExited, context: LaunchContext) -> list[Shutdown]:
    """Return the end of all, once: launch_ros fails when it is shut down a second time."""
    return [] if context.is_shutdown else [Shutdown(reason='the video source has ended')]
