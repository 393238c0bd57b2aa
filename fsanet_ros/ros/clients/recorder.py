"""Write what head_pose publishes into a folder: a table, an annotated video, one picture."""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image

from fsanet_ros.arrays import Image as BgrImage
from fsanet_ros.msg import HeadPose, HeadPoseArray
from fsanet_ros.ros.input.images import bgr_from_image

COLUMNS = (
    *('frame', 'stamp', 'id', 'box_x', 'box_y', 'box_width', 'box_height', 'score'),
    *('yaw_deg', 'pitch_deg', 'roll_deg', 'qx', 'qy', 'qz', 'qw', 'x_m', 'y_m', 'z_m'),
)


class Recorder(Node):
    """
    Subscribes to head_poses and debug_image and writes poses.csv, annotated.mp4, still.png.

    What is written is published again on recorded_head_poses: a source in lockstep with that
    topic goes on only when nothing of its last frame can be lost any more.
    """

    def __init__(
        self, folder: Path, rate_hz: float, on_frame: Callable[[], object] = lambda: None
    ) -> None:
        """
        Begin.

        :param rate_hz: of the annotated video
        :param on_frame: called for each HeadPoseArray
        """
        super().__init__('recorder')
        self.folder = folder
        self.frames = 0
        self.heads = 0
        self.ids: set[str] = set()
        self.pictures = 0
        self._rate_hz = rate_hz
        self._on_frame = on_frame
        self._latencies_s: list[float] = []
        self._came_s: list[float] = []
        self._fullness_at: dict[tuple[int, int], tuple[int, int]] = {}
        self._video: Any = None
        self._fullest = (-1, 0)
        # The file stays open until close(): rows are written as they come.
        self._file = (folder / 'poses.csv').open('w', newline='', encoding='utf-8')
        self._table = csv.writer(self._file)
        self._table.writerow(COLUMNS)
        self._recorded = self.create_publisher(HeadPoseArray, 'recorded_head_poses', 10)
        self.create_subscription(HeadPoseArray, 'head_poses', self._on_head_poses, 100)
        self.create_subscription(Image, 'debug_image', self._on_debug_image, 100)

    @property
    def connected(self) -> bool:
        """Whether both topics have a publisher."""
        return all(self.count_publishers(topic) for topic in ('head_poses', 'debug_image'))

    @property
    def complete(self) -> bool:
        """Whether the picture of every frame has come too."""
        return self.pictures >= self.frames

    def summary(self) -> str:
        """Return the figures for people."""
        if not self.frames:
            return 'no frames'
        rate = ''
        if len(self._came_s) > 1:
            rate = f'{(self.frames - 1) / (self._came_s[-1] - self._came_s[0]):.1f} per second, '
        return (
            f'{self.frames} frames, {rate}{self.heads} faces under {len(self.ids)} id(s), median '
            f'latency from image to pose {1000 * statistics.median(self._latencies_s):.1f} ms'
        )

    def close(self) -> None:
        """Finish the files."""
        self._file.close()
        if self._video is not None:
            self._video.release()

    def _on_head_poses(self, message: HeadPoseArray) -> None:
        now_s = self.get_clock().now().nanoseconds / 1e9
        stamp = message.header.stamp
        self._came_s.append(now_s)
        self._latencies_s.append(now_s - stamp.sec - stamp.nanosec / 1e9)
        for head in message.heads:
            self._table.writerow(_row(self.frames, f'{stamp.sec}.{stamp.nanosec:09d}', head))
            self.ids.add(head.id)
        self._fullness_at[stamp.sec, stamp.nanosec] = _fullness(message)
        self.frames += 1
        self.heads += len(message.heads)
        self._recorded.publish(message)
        self._on_frame()

    def _on_debug_image(self, message: Image) -> None:
        picture = bgr_from_image(message)
        self.pictures += 1
        if self._video is None:
            size = picture.shape[1], picture.shape[0]
            self._video = cv2.VideoWriter(
                str(self.folder / 'annotated.mp4'),
                cv2.VideoWriter.fourcc(*'mp4v'),
                self._rate_hz,
                size,
            )
        self._video.write(np.ascontiguousarray(picture))
        stamp = message.header.stamp.sec, message.header.stamp.nanosec
        self._keep_still(picture, self._fullness_at.pop(stamp, (0, 0)))

    def _keep_still(self, picture: BgrImage, fullness: tuple[int, int]) -> None:
        if fullness > self._fullest:
            self._fullest = fullness
            cv2.imwrite(str(self.folder / 'still.png'), picture)


def _fullness(message: HeadPoseArray) -> tuple[int, int]:
    """Return the number of heads, and the area of the smallest: large for a good still."""
    areas = [head.roi.width * head.roi.height for head in message.heads]
    return len(areas), min(areas, default=0)


def _row(frame: int, stamp: str, head: HeadPose) -> list[object]:
    roi, pose = head.roi, head.pose.pose
    position = ['', '', '']
    if head.distance_source != HeadPose.DISTANCE_UNKNOWN:
        position = [f'{v:.4f}' for v in (pose.position.x, pose.position.y, pose.position.z)]
    quaternion = pose.orientation
    return [
        *(frame, stamp, head.id, roi.x_offset, roi.y_offset, roi.width, roi.height),
        f'{head.score:.3f}',
        *(f'{math.degrees(angle):.2f}' for angle in (head.yaw, head.pitch, head.roll)),
        *(f'{v:.6f}' for v in (quaternion.x, quaternion.y, quaternion.z, quaternion.w)),
        *position,
    ]
