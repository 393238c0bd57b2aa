"""
Head poses without a robot: a video or a camera of this machine, the node, and RViz.

    ros2 launch fsanet_ros demo.launch.py
    ros2 launch fsanet_ros demo.launch.py camera:=0
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare('fsanet_ros')
STARTUP_S = 30.0


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, the video source and what head_pose.launch.py starts."""
    passed_on = ('namespace', 'params_file', 'rviz')
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
                'rviz',
                default_value='true',
                choices=['true', 'false'],
                description='Whether to open RViz.',
            ),
            DeclareLaunchArgument(
                'namespace', default_value='', description='Namespace of both nodes.'
            ),
            DeclareLaunchArgument(
                'params_file',
                default_value=PathJoinSubstitution([SHARE, 'config', 'head_pose.yaml']),
                description='Parameters of the node head_pose.',
            ),
            Node(
                package='fsanet_ros',
                executable='video_source',
                name='video_source',
                namespace=LaunchConfiguration('namespace'),
                parameters=[
                    {
                        'video': ParameterValue(LaunchConfiguration('video'), value_type=str),
                        'camera': ParameterValue(LaunchConfiguration('camera'), value_type=int),
                        'loop': ParameterValue(LaunchConfiguration('loop'), value_type=bool),
                        'wait_for_subscriber_s': STARTUP_S,
                    }
                ],
                output='screen',
                on_exit=Shutdown(reason='the video source has ended'),
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(
                    PathJoinSubstitution([SHARE, 'launch', 'head_pose.launch.py'])
                ),
                launch_arguments=[
                    ('image', 'image'),
                    ('camera_info', 'camera_info'),
                    ('image_transport', 'raw'),
                    *((name, LaunchConfiguration(name)) for name in passed_on),
                ],
            ),
        ]
    )
