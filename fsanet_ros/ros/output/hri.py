"""
Faces as REP-155 (ROS4HRI) describes them: /humans/faces/tracked and the topics of each face.

Its frames, face_<id> and gaze_<id>, are published with all others; see messages.transforms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from rclpy.publisher import Publisher
from rclpy.type_support import check_for_type_support
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from fsanet_ros.arrays import Image as BgrImage
from fsanet_ros.ros.input.images import image_from_bgr
from fsanet_ros.ros.output.face_pictures import eye_line_tilt_rad, face_picture
from fsanet_ros.ros.output.publishers import deliver, is_heard
from fsanet_ros.ros.rclpy_internals import PublisherEventCallbacks
from fsanet_ros.tracking.tracker import TrackedHead
from fsanet_ros.types import Box, Face, FloatArray, Head

try:
    from hri_msgs.msg import FacialLandmarks, IdsList, NormalizedRegionOfInterest2D

    available = True
except ImportError:  # not among the wheels of PyPI
    available = False

UNAVAILABLE: Final = (
    'hri_msgs is not installed: /humans/faces stays empty. Install ros-<distro>-hri-msgs.'
)
# Reliable, as consumers subscribe by default. What is older than the newest is of little use.
DEPTH: Final = 5


class HriOutputs:
    """
    The list of faces that are tracked, and the topics of each: one for all cameras of a node.

    The topics of a face come with its id and go with it; pictures are made only for those who
    subscribe to them. Call it from one thread.
    """

    def __init__(self, node: LifecycleNode) -> None:
        """
        Make the publisher of the list; it is silent until the node is active.

        :raises ImportError: if hri_msgs is not installed
        """
        if not available:
            raise ImportError(UNAVAILABLE)
        # Loading a type takes some 10 ms: now, not when the first face appears.
        for kind in (NormalizedRegionOfInterest2D, FacialLandmarks, Image):
            check_for_type_support(kind)
        self._node = node
        self._tracked: LifecyclePublisher = node.create_lifecycle_publisher(
            IdsList, '/humans/faces/tracked', DEPTH
        )
        self._ids_of_camera: dict[str, Sequence[str]] = {}
        self._faces: dict[str, _FaceTopics] = {}

    def wanted(self) -> bool:
        """Whether anybody listens to the list or to a face."""
        return is_heard(self._tracked) or any(face.wanted() for face in self._faces.values())

    def publish(
        self,
        camera: str,
        tracked: Sequence[TrackedHead],
        alive: Sequence[str],
        image: BgrImage,
        header: Header,
    ) -> None:
        """
        Publish what came of one image; nothing while the node is not active.

        :param camera: its name; the faces of the others stay in the list
        :param tracked: the heads in this image
        :param alive: their ids and those that are hidden for a moment
        :param image: uint8 [h, w, 3] BGR
        :param header: the image's
        """
        if not self._tracked.is_activated:
            return
        self._ids_of_camera[camera] = tuple(alive)
        self._publish_ids(header)
        for one in tracked:
            self._faces[one.id].publish(one.head, image, header)

    def forget(self, camera: str) -> None:
        """End the faces of a camera that sends no images any more."""
        if self._ids_of_camera.pop(camera, None):
            self._publish_ids(self._header_now())

    def clear(self) -> None:
        """Publish an empty list, if the node is active, and end all faces."""
        self._ids_of_camera.clear()
        self._publish_ids(self._header_now())

    def destroy(self) -> None:
        """Take the publishers away."""
        self.clear()
        deliver(self._tracked)
        self._node.destroy_lifecycle_publisher(self._tracked)

    def _publish_ids(self, header: Header) -> None:
        """Publish the list, with every image: whoever comes late does not wait for a change."""
        ids = dict.fromkeys(i for camera in self._ids_of_camera.values() for i in camera)
        # A listener subscribes to a face as soon as it is in the list, and drops it when it is
        # not: its topics are there before and go after.
        for face_id in ids.keys() - self._faces.keys():
            self._faces[face_id] = _FaceTopics(self._node, face_id)
        if is_heard(self._tracked):
            self._tracked.publish(IdsList(header=header, ids=list(ids)))
        for face_id in self._faces.keys() - ids.keys():
            self._faces.pop(face_id).destroy()

    def _header_now(self) -> Header:
        return Header(stamp=self._node.get_clock().now().to_msg())


class _FaceTopics:
    """
    The topics of one face.

    They exist only while the node is active, so they need no lifecycle of their own.
    """

    def __init__(self, node: LifecycleNode, face_id: str) -> None:
        self._node = node
        self._prefix = f'/humans/faces/{face_id}'
        self._roi = self._advertise(NormalizedRegionOfInterest2D, 'roi')
        self._cropped = self._advertise(Image, 'cropped')
        self._aligned = self._advertise(Image, 'aligned')
        self._landmarks: Publisher | None = None  # comes with the first landmarks

    def wanted(self) -> bool:
        return any(map(is_heard, self._publishers()))

    def publish(self, head: Head, image: BgrImage, header: Header) -> None:
        face, size = head.face, (image.shape[1], image.shape[0])
        if is_heard(self._roi):
            self._roi.publish(normalized_roi(face, size, header))
        if is_heard(self._cropped):
            self._cropped.publish(image_from_bgr(face_picture(image, face.box), header))
        if is_heard(self._aligned):
            upright = face_picture(image, face.box, eye_line_tilt_rad(head))
            self._aligned.publish(image_from_bgr(upright, header))
        if face.landmarks is not None:
            if self._landmarks is None:
                self._landmarks = self._advertise(FacialLandmarks, 'landmarks')
            if is_heard(self._landmarks):
                message = facial_landmarks(face.landmarks, face.score, size, header)
                self._landmarks.publish(message)

    def destroy(self) -> None:
        for publisher in self._publishers():
            self._node.destroy_publisher(publisher)

    def _publishers(self) -> Iterable[Publisher]:
        return filter(None, (self._roi, self._cropped, self._aligned, self._landmarks))

    def _advertise(self, kind: type, name: str) -> Publisher:
        # Without event callbacks, each of which the executor would look at whenever it waits.
        return self._node.create_publisher(
            kind,
            f'{self._prefix}/{name}',
            DEPTH,
            event_callbacks=PublisherEventCallbacks(use_default_callbacks=False),
        )


def normalized_roi(face: Face, image_size: tuple[int, int], header: Header) -> Any:
    """Return the part of a face's box that lies in the image, 0 to 1, and its score."""
    box: Box = face.box
    width, height = image_size
    return NormalizedRegionOfInterest2D(
        header=header,
        xmin=_unit(box.x / width),
        ymin=_unit(box.y / height),
        xmax=_unit((box.x + box.width) / width),
        ymax=_unit((box.y + box.height) / height),
        c=_unit(face.score),
    )


def facial_landmarks(
    points: FloatArray, score: float, image_size: tuple[int, int], header: Header
) -> Any:
    """
    Return the five points of a face among REP-155's 70; the confidence of the others is 0.

    :param points: as in types.Face; one that lies outside the image counts as unknown
    """
    width, height = image_size
    message = FacialLandmarks(header=header, height=height, width=width)
    for index, (x, y) in zip(_five_point_indices(), points.tolist(), strict=True):
        if 0 <= x <= width and 0 <= y <= height:
            place = message.landmarks[index]
            place.x, place.y, place.c = x / width, y / height, _unit(score)
    return message


def _five_point_indices() -> tuple[int, ...]:
    """Return where REP-155 has the points that types.Face has, in their order."""
    kind = FacialLandmarks
    mouth = kind.MOUTH_OUTER_RIGHT, kind.MOUTH_OUTER_LEFT
    return kind.RIGHT_PUPIL, kind.LEFT_PUPIL, kind.NOSE, *mouth


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)
