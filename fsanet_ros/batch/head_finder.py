"""Heads of the frames of one input: each frame searched by itself, or as the node searches."""

from __future__ import annotations

from fsanet_ros.detection.following import FaceFollower, SearchAtOnce
from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.types import Head, Image

# The node's defaults, detection.search_period_s and network.mirror_max_faces.
NODE_SEARCH_PERIOD_S, NODE_MIRROR_MAX_FACES = 0.3, 4


class HeadFinder:
    """
    Finds the heads of frames that come in order.

    As the node finds them in a recording (input.deterministic), faces are followed from frame to
    frame, and small ones are searched for part by part; else frames know nothing of one another.
    """

    def __init__(
        self,
        estimator: HeadPoseEstimator,
        detection_size: int,
        as_node: bool,
        mounting_deg: int = 0,
    ) -> None:
        """
        Start with nobody.

        :param detection_size: longest side in pixels at which whole images are searched
        :param mounting_deg: how far the cameras are turned clockwise, seen from behind them
        """
        self._estimator = estimator
        self._detection_size = detection_size
        self._period_s = NODE_SEARCH_PERIOD_S if as_node else 0.0  # 0: nothing is followed
        self._mounting_deg = mounting_deg
        self._followers: dict[str, FaceFollower] = {}

    def find(
        self, image: Image, camera: CameraModel | None, topic: str, time_s: float
    ) -> list[Head]:
        """
        Return the heads in a frame, uint8 [h, w, 3] BGR.

        :param topic: cameras with different ones do not share their faces
        """
        if topic not in self._followers:
            self._followers[topic] = FaceFollower(
                self._period_s, self._detection_size, SearchAtOnce()
            )
        follower = self._followers[topic]
        follower.mounting_deg = self._mounting_deg
        follower.focal_px = None if camera is None else float(camera.k[0, 0])
        faces = follower.find(self._estimator.detector, image, time_s)
        return self._estimator.estimate_faces(image, faces, camera)
