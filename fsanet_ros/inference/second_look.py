"""
A second look at faces that the network cannot read, which may stand on their heads.

Detectors find most faces that are upside down, and take them for upright ones: in the picture of
somebody who lies, a camera that hangs from the ceiling, or a head in a mirror on the floor. The
network expects an error of 90 degrees of them, and of 2 once they are turned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.arrays import FloatArray, IntArray
from fsanet_ros.inference.face_crops import cut_faces
from fsanet_ros.inference.passes import Answers, Pass
from fsanet_ros.inference.runtime import Runtime
from fsanet_ros.types import Face, Image, Square

# Of AFLW's faces kept aside, 0.9 % are expected to be so far off, and 99 % of those upside down. Of
# these, all but a few are expected to be less than half as far off once they are turned, none of
# the upright ones, and at most one in 250 of the pieces of faces and of the pictures of houses.
UNSURE_DEG, _SURER = 10.0, 0.5
# Smaller ones are not to be read either way.
_LEAST_SIDE_PX = 24.0


def look_again(
    one_pass: Pass,
    runtime: Runtime,
    images: Sequence[Image],
    faces_of_images: Sequence[list[Face]],
    answers: Answers,
) -> tuple[list[list[Face]], Answers]:
    """
    Return faces and answers; those that can be read upside down only have turned by 180 degrees.

    One batch for all of them, and none where the network is sure of all or expects no errors.

    :param images: uint8 [h, w, 3] BGR
    :param faces_of_images: those that a crop can be cut of
    :param answers: of all these faces
    """
    every = [face for faces in faces_of_images for face in faces]
    expected = answers.expected_errors_deg
    unsure = [] if expected is None else np.flatnonzero(expected > UNSURE_DEG).tolist()
    image_of = [image for image, faces in zip(images, faces_of_images, strict=True) for _ in faces]
    asked, crops = [], []
    for index in unsure:
        face = every[index]
        if face.square.side >= _LEAST_SIDE_PX:
            usable, crop = cut_faces(image_of[index], [_upside_down(face)], runtime.description)
            asked += [index] * len(usable)
            crops.append(crop)
    if not asked or expected is None:
        return list(faces_of_images), answers
    again = one_pass(runtime, np.concatenate(crops))
    assert again.expected_errors_deg is not None
    is_surer = stands_on_its_head(expected[asked], again.expected_errors_deg)
    surer = np.array(asked)[is_surer]
    for index in surer:
        every[index] = _upside_down(every[index])
    ends = np.cumsum([len(faces) for faces in faces_of_images])
    parts = [
        every[end - len(faces) : end] for faces, end in zip(faces_of_images, ends, strict=True)
    ]
    return parts, _replaced(answers, surer, again, np.flatnonzero(is_surer))


def stands_on_its_head(
    expected_deg: FloatArray, expected_turned_deg: FloatArray
) -> NDArray[np.bool_]:
    """
    Return which faces are read upside down only, bool [n].

    :param expected_deg: float64 [n], the error that the network expects of each
    :param expected_turned_deg: the same once they are turned by 180 degrees
    """
    least = np.minimum(_SURER * expected_deg, UNSURE_DEG)
    return np.asarray((expected_deg > UNSURE_DEG) & (expected_turned_deg < least))


def _upside_down(face: Face) -> Face:
    """Return a face whose chin is where its brows were thought to be."""
    x, y = face.box.center
    square = face.square
    return replace(
        face,
        square=Square(2 * x - square.center_x, 2 * y - square.center_y, square.side),
        landmarks=None,  # they are where those of an upright face would be
        turn_deg=(face.turn_deg + 180.0) % 360.0,
    )


def _replaced(answers: Answers, places: IntArray, by: Answers, places_by: IntArray) -> Answers:
    """Return answers, some of which are replaced by others."""
    if not len(places):
        return answers
    rotations = answers.rotations.copy()
    rotations[places] = by.rotations[places_by]
    half_turns = answers.half_turns_deg
    if half_turns is not None and by.half_turns_deg is not None:
        half_turns = half_turns.copy()
        half_turns[places] = by.half_turns_deg[places_by]
    expected = answers.expected_errors_deg
    if expected is not None and by.expected_errors_deg is not None:
        expected = expected.copy()
        expected[places] = by.expected_errors_deg[places_by]
    return Answers(rotations, half_turns, expected)
