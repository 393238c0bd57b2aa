"""
Poses of unlabelled faces by a teacher: a larger network whose answers are averaged over views.

The teacher, 3DDFA V2 (Guo, Zhu, Yang, Yang, Lei, Li, "Towards Fast, Accurate and Stable 3D Dense
Face Alignment", ECCV 2020), answers differently when the same face is mirrored, turned in the
picture, shifted or scaled, by 1.9 degrees from the mean. What such changes do to a pose is known:
undone and averaged they leave a steadier label, and their spread tells which faces it is unsure of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fsanet_ros.arrays import FloatArray
from fsanet_ros.files.onnx_files import onnx_session
from fsanet_ros.geometry import rotations
from fsanet_ros.inference.onnx_runtime import OnnxRuntime
from fsanet_ros.inference.passes import single_pass
from fsanet_ros.inference.runtime import Runtime
from fsanet_ros.research.augmentation.varied_crops import central_crops, seen_from, turn_in_plane
from fsanet_ros.research.training import opentrack

Answers = Callable[[NDArray[np.uint8]], FloatArray]

SIZE = 120  # pixels of the teacher's pictures
# 3DDFA underestimates tilts, by 13 % on rendered heads of exact pose.
_TDDFA_TILT_GAIN = 1.15
_CHUNK = 32


@dataclass(frozen=True)
class View:
    """How a face square is looked at; lengths are in units of its side."""

    turn_deg: float = 0.0
    scale: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    mirror: bool = False


_PLAIN = (
    View(),
    View(turn_deg=12.0),
    View(turn_deg=-12.0),
    View(scale=0.93),
    View(6.0, 0.96, 0.02, 0.02),
    View(-6.0, 0.96, -0.02, 0.02),
    View(6.0, 0.96, -0.02, -0.02),
    View(-6.0, 0.96, 0.02, -0.02),
)
VIEWS = tuple(
    View(v.turn_deg, v.scale, v.shift_x, v.shift_y, mirror)
    for v in _PLAIN
    for mirror in (False, True)
)
# For a teacher that takes one picture at a time.
FEW_VIEWS = tuple(
    view for view in VIEWS if view in (View(), View(mirror=True)) or view.scale == 0.93
)


@dataclass(frozen=True, eq=False)
class Labels:
    """
    What the teacher says of n faces.

    ``rotations``: float64 [n, 3, 3], R_optical against the ray, the mean over the views.
    ``spread_deg``: float64 [n], root mean square angle of the views from it.
    ``sigma_deg``: float64 [n], how far off the labels are to be expected; None: nobody knows.
    """

    rotations: FloatArray
    spread_deg: FloatArray
    sigma_deg: FloatArray | None = None


class Teacher:
    """A network whose answers become labels, loaded by load_teacher."""

    def __init__(
        self, answers: Answers, tilt_gain: float = 1.0, views: Sequence[View] = VIEWS
    ) -> None:
        """
        Take a network.

        :param answers: R_optical float64 [n, 3, 3] of face squares, uint8 [n, 120, 120, 3] BGR
        :param tilt_gain: how much steeper heads are tilted than it says
        :param views: over which its answers are averaged
        """
        self.answers = answers
        self.views = tuple(views)
        self.tilt_gain = tilt_gain

    def label(self, pictures: NDArray[np.uint8]) -> Labels:
        """
        Average the answers over the views.

        :param pictures: uint8 [n, 120, 120, 3] BGR, face squares
        """
        means = np.empty((len(pictures), 3, 3))
        spread_deg = np.empty(len(pictures))
        with tqdm(desc='labelling', total=len(pictures), leave=False, disable=None) as bar:
            for part in _chunks(len(pictures)):
                answers = np.stack(
                    [self._through(view, pictures[part]) for view in self.views], axis=1
                )
                mean = mean_rotations(answers)
                apart = rotations.geodesic_deg(
                    answers, np.broadcast_to(mean[:, None], answers.shape)
                )
                means[part], spread_deg[part] = mean, np.sqrt((apart**2).mean(axis=1))
                bar.update(len(mean))
        return Labels(means, spread_deg)

    def _through(self, view: View, pictures: NDArray[np.uint8]) -> FloatArray:
        """Return the rotations as seen in the original pictures."""
        seen = self.answers(np.stack([look(picture, view) for picture in pictures]))
        upright = turn_in_plane(seen, -view.turn_deg)
        return rotations.mirrored(upright) if view.mirror else upright


def load_teacher(path: str | Path, threads: int = 0) -> Teacher:
    """
    Load a teacher: weights of this package, 3DDFA V2 or opentrack's head tracker, as ONNX.

    3DDFA takes bgr float32 [n, 3, 120, 120] of 0 to 255 and gives R_optical [n, 3, 3].

    :param threads: 0: as many as there are cores
    :raises FileNotFoundError: if there is no such file
    :raises ImportError: if onnxruntime is not installed
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path} is missing: expected the teacher, an ONNX file')
    session = onnx_session(Path(path).read_bytes(), threads)
    taken = session.get_inputs()[0]
    if taken.type == 'tensor(uint8)':  # as all files of this package
        return Teacher(_of_weights(OnnxRuntime(path, threads)))
    if taken.shape[1:] == [1, opentrack.SIZE, opentrack.SIZE]:
        return Teacher(opentrack.answers_of(session), views=FEW_VIEWS)

    def answers(pictures: NDArray[np.uint8]) -> FloatArray:
        bgr = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32)
        return np.asarray(session.run(None, {taken.name: bgr})[0], np.float64)

    return Teacher(answers, _TDDFA_TILT_GAIN)


def _of_weights(runtime: Runtime) -> Answers:
    scale = runtime.description.crop_scale

    def answers(pictures: NDArray[np.uint8]) -> FloatArray:
        return single_pass(runtime, central_crops(pictures, scale)).rotations

    return answers


def look(picture: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """Return a face square, uint8 [s, s, 3], as one view shows it, the same size."""
    shift = np.array([view.shift_x, view.shift_y])
    return seen_from(picture, picture.shape[0], view.mirror, view.turn_deg, view.scale, shift)


def mean_rotations(answers: FloatArray) -> FloatArray:
    """Return the mean rotation of each row in the chordal sense, [n, k, 3, 3] to [n, 3, 3]."""
    u, _, vt = np.linalg.svd(answers.mean(axis=1))
    # A reflection is no rotation: the least certain axis turns round.
    signs = np.ones((len(answers), 3))
    signs[:, 2] = np.linalg.det(u @ vt)
    mean: FloatArray = (u * signs[:, None]) @ vt
    return mean


def _chunks(count: int) -> Iterator[slice]:
    for start in range(0, count, _CHUNK):
        yield slice(start, min(start + _CHUNK, count))
