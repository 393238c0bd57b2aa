"""
Several cameras, one node: an example for a robot's own launch file.

    ros2 launch fsanet_ros several_cameras.launch.py \
        image:='/front/image_raw, /rear/image_raw' rviz:=true fixed_frame:=base_link

The calibration of each camera is camera_info beside its images. This is head_pose.launch.py with
other defaults; all its arguments can be given.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare('fsanet_ros')


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and what head_pose.launch.py starts for all cameras."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'image',
                default_value='/front/image_raw, /rear/image_raw',
                description='Topics of the images, separated by commas.',
            ),
            DeclareLaunchArgument(
                'depth',
                default_value='',
                description='Topics of depth images aligned with the images, in the same order, '
                'with nothing for a camera without depth. Empty: not set here.',
            ),
            DeclareLaunchArgument(
                'rviz_config',
                default_value=PathJoinSubstitution([SHARE, 'rviz', 'several_cameras.rviz']),
                description='RViz configuration file; the default shows the images of two cameras.',
            ),
            DeclareLaunchArgument(
                'fixed_frame',
                default_value='base_link',
                description="RViz's fixed frame: one that TF connects with all cameras.",
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(
                    PathJoinSubstitution([SHARE, 'launch', 'head_pose.launch.py'])
                ),
                launch_arguments=[
                    (name, LaunchConfiguration(name))
                    for name in ('image', 'depth', 'rviz_config', 'fixed_frame')
                ],
            ),
        ]
    )
