"""
The head pose node of one camera, and RViz if wanted.

    ros2 launch fsanet_ros head_pose.launch.py image:=/camera/image_raw rviz:=true
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare('fsanet_ros')


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, the node and RViz."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'image', default_value='image', description='Topic of the images.'
            ),
            DeclareLaunchArgument(
                'camera_info',
                default_value='',
                description='Topic of the calibration; empty: camera_info beside the images, '
                'so /camera/camera_info for /camera/image_raw.',
            ),
            DeclareLaunchArgument(
                'image_transport',
                default_value='',
                choices=['', 'raw', 'compressed'],
                description='raw, or compressed: take images from <image>/compressed; '
                'empty: as params_file says.',
            ),
            DeclareLaunchArgument(
                'namespace',
                default_value='',
                description='Namespace of the node, and so of its topics.',
            ),
            DeclareLaunchArgument(
                'params_file',
                default_value=PathJoinSubstitution([SHARE, 'config', 'head_pose.yaml']),
                description='Parameters of the node; a copy of the default is a good start.',
            ),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='',
                choices=['', 'true', 'false'],
                description='Take the time from /clock, for simulations and bags; '
                'empty: as params_file says, else false.',
            ),
            DeclareLaunchArgument(
                'log_level',
                default_value='info',
                choices=['debug', 'info', 'warn', 'error', 'fatal'],
                description='What the node logs at least.',
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
                description='What RViz shows.',
            ),
            DeclareLaunchArgument(
                'fixed_frame',
                default_value='camera_optical_frame',
                description="RViz's fixed frame: the frame of the images, or one that TF "
                'connects with it.',
            ),
            OpaqueFunction(function=head_pose),
            Node(
                package='rviz2',
                executable='rviz2',
                namespace=LaunchConfiguration('namespace'),
                arguments=[
                    *('-d', LaunchConfiguration('rviz_config')),
                    *('-f', LaunchConfiguration('fixed_frame')),
                ],
                # The topics in the file are absolute, those of the node are in its namespace.
                remappings=[(f'/{topic}', topic) for topic in ('debug_image', 'markers', 'poses')],
                condition=IfCondition(LaunchConfiguration('rviz')),
            ),
        ]
    )


def head_pose(context: LaunchContext) -> list[Node]:
    """Return the node; what was left empty is not set, so that it hides nothing set elsewhere."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    image = value('image')
    beside_image = image[: image.rfind('/') + 1] + 'camera_info'
    overrides: dict[str, object] = {}
    if value('image_transport'):
        overrides['image_transport'] = value('image_transport')
    if value('use_sim_time'):
        overrides['use_sim_time'] = value('use_sim_time') == 'true'
    return [
        Node(
            package='fsanet_ros',
            executable='head_pose',
            name='head_pose',
            namespace=value('namespace'),
            parameters=[value('params_file'), overrides] if overrides else [value('params_file')],
            remappings=[
                ('image', image),
                ('camera_info', value('camera_info') or beside_image),
            ],
            ros_arguments=['--log-level', value('log_level')],
            output='screen',
        )
    ]
