"""From image messages to heads: what the worker thread does, without ROS's executor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from fsanet_ros.arrays import Image as BgrImage
from fsanet_ros.depth import too_coarse, with_depth
from fsanet_ros.estimator import HeadPoseEstimator, View
from fsanet_ros.files.image_layout import ImageError
from fsanet_ros.files.image_messages import bgr_from_compressed
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.ros.input.decoder_messages import DecoderMessages
from fsanet_ros.ros.input.depth_images import depth_from_image
from fsanet_ros.ros.input.images import bgr_from_image
from fsanet_ros.ros.input.topic_camera import CameraImage
from fsanet_ros.ros.statistics import FAILED, UNREADABLE
from fsanet_ros.types import Face, Head

_LONGEST_FRAME = 256  # characters; it becomes part of every output


@dataclass(frozen=True, eq=False)
class Estimate:
    """
    What came of an image: its heads, or why there is nothing.

    ``pixels``, None where nothing came, may be a view into the message. ``dropped``: the reason
    in a word or two, ``problem`` in full. ``depth_problem``: why its depth was not used.
    ``damage``: what the decoder said of a picture that it gave all the same.
    """

    image: CameraImage
    pixels: BgrImage | None = None
    camera: CameraModel | None = None
    heads: list[Head] = field(default_factory=list)
    dropped: str = ''
    problem: str = ''
    depth_problem: str = ''
    damage: str = ''


def estimate(estimator: HeadPoseEstimator, images: Sequence[CameraImage]) -> list[Estimate]:
    """Return what came of each image; a failure is a result of that image and raises nothing."""
    try:
        return estimate_images(estimator, images)
    except Exception as error:  # whatever it is, the next image may do
        if len(images) > 1:  # one by one: no image pays for another
            return [result for image in images for result in estimate(estimator, [image])]
        problem = f'{type(error).__name__}: {error}'
        return [Estimate(image, dropped=FAILED, problem=problem) for image in images]


def estimate_images(estimator: HeadPoseEstimator, images: Sequence[CameraImage]) -> list[Estimate]:
    """Return what came of each image; all their faces go through the network in one batch."""
    views: dict[int, View] = {}
    problems: dict[int, str] = {}
    damages: dict[int, str] = {}
    for index, image in enumerate(images):
        try:
            pixels, damages[index] = _pixels(image)
        except ImageError as error:
            problems[index] = str(error)
        else:
            camera = image.calibration.camera_for(pixels.shape[1], pixels.shape[0])
            views[index] = View(pixels, camera)
            image.follower.focal_px = None if camera is None else float(camera.k[0, 0])
    faces = [
        _best(
            images[index].follower.find(
                estimator.detector, view.image, images[index].time_ns / 1e9
            ),
            images[index].max_faces,
        )
        for index, view in views.items()
    ]
    found = estimator.estimate_found(list(views.values()), faces)
    heads = dict(zip(views, found, strict=True))
    return [
        replace(_with_measured_distances(image, views[index], heads[index]), damage=damages[index])
        if index in views
        else Estimate(image, dropped=UNREADABLE, problem=problems[index])
        for index, image in enumerate(images)
    ]


def _best(faces: list[Face], most: int) -> list[Face]:
    """Return the faces with the highest scores, in their order."""
    if len(faces) <= most:
        return faces
    least = sorted((face.score for face in faces), reverse=True)[most - 1]
    return [face for face in faces if face.score >= least][:most]


def _pixels(image: CameraImage) -> tuple[BgrImage, str]:
    """Return the pixels of an image, and what its decoder says of damage."""
    message, frame = image.message, image.message.header.frame_id
    if len(frame) > _LONGEST_FRAME:
        raise ImageError(
            f'its frame_id has {len(frame)} characters, expected at most {_LONGEST_FRAME}. Set '
            'header.frame_id in the camera driver.'
        )
    if hasattr(message, 'format'):  # sensor_msgs/CompressedImage
        with _decoder_messages().caught() as said:
            pixels = image.decoding.decode(
                lambda: bgr_from_compressed(message, image.max_pixels, image.bits)
            )
        return pixels, said[0] if said else ''
    return bgr_from_image(message, image.max_pixels, image.bits), ''


@cache
def _decoder_messages() -> DecoderMessages:
    return DecoderMessages()


def _with_measured_distances(image: CameraImage, view: View, heads: list[Head]) -> Estimate:
    depth_problem = ''
    if image.depth is not None and view.camera is not None and heads:
        try:
            depth = depth_from_image(image.depth, image.max_pixels)
            depth_problem = too_coarse(depth, view.camera)
            if not depth_problem:
                heads = [with_depth(head, depth, view.camera) for head in heads]
        except ValueError as error:  # an ImageError is one
            depth_problem = str(error)
    return Estimate(image, view.image, view.camera, heads, depth_problem=depth_problem)
