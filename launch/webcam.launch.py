"""
Head poses of whoever sits in front of this machine's camera, in RViz.

    ros2 launch fsanet_ros webcam.launch.py
    ros2 launch fsanet_ros webcam.launch.py camera:=2 width:=1280 height:=720 \
        camera_info_url:=$HOME/.ros/camera_info/webcam.yaml

It is demo.launch.py with a camera. Arguments of head_pose.launch.py that concern the node (hri,
params_file, log_level, ...) can be given too.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare


def generate_launch_description() -> LaunchDescription:
    """Return the camera's arguments and what demo.launch.py starts."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'camera', default_value='0', description='Number of the camera; 0 is the first.'
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(
                    PathJoinSubstitution(
                        [FindPackageShare('fsanet_ros'), 'launch', 'demo.launch.py']
                    )
                ),
                launch_arguments=[
                    ('source', LaunchConfiguration('camera')),
                    ('loop', 'false'),
                ],
            ),
        ]
    )
