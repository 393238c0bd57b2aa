"""Measure weights on the demo's rendered clip, whose poses and positions are known exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fsanet_ros.demo import CLIP, CLIP_CAMERA, FaceTruth, read_poses
from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.files.calibration_file import read_calibration
from fsanet_ros.files.video import open_frames
from fsanet_ros.geometry import rotations
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.research.evaluation.known_faces import MIN_INSIDE
from fsanet_ros.types import Head


@dataclass(frozen=True)
class ClipScores:
    """
    Errors on the rendered heads of the demo's clip, whose poses are known exactly.

    ``detected``: share of the heads found. Rotations: geodesic, degrees, relative to the camera's
    axis. Positions: medians along the ray, relative to the distance, and across it, in metres.
    """

    heads: int
    detected: float
    geodesic_mean_deg: float
    geodesic_median_deg: float
    distance_error_share: float
    lateral_error_m: float

    def __str__(self) -> str:
        """Return one line."""
        return (
            f'{self.heads} rendered heads, {100 * self.detected:.1f} % found; geodesic error mean '
            f'{self.geodesic_mean_deg:.2f}, median {self.geodesic_median_deg:.2f} degrees; median '
            f'error of the distance {100 * self.distance_error_share:.1f} %, across the ray '
            f'{1000 * self.lateral_error_m:.0f} mm'
        )


def score_clip(estimator: HeadPoseEstimator) -> ClipScores:
    """Run an estimator over the demo's clip and compare with the truth."""
    calibration = read_calibration(CLIP_CAMERA)
    camera = CameraModel.from_calibration(calibration)
    truth: dict[int, list[FaceTruth]] = {}
    for face in read_poses():
        if face.rotation_optical is not None and face.inside > MIN_INSIDE:
            truth.setdefault(face.frame, []).append(face)
    pairs: list[tuple[Head, FaceTruth]] = []
    with open_frames(CLIP) as frames:
        for number, image in enumerate(frames):
            pairs += match_heads(estimator.estimate(image, camera), truth.get(number, []))
    geodesic, distance, lateral = np.array([_clip_errors(*pair) for pair in pairs]).T
    total = sum(map(len, truth.values()))
    return ClipScores(
        heads=total,
        detected=len(pairs) / total,
        geodesic_mean_deg=float(geodesic.mean()),
        geodesic_median_deg=float(np.median(geodesic)),
        distance_error_share=float(np.median(distance)),
        lateral_error_m=float(np.median(lateral)),
    )


def match_heads(heads: list[Head], truth: list[FaceTruth]) -> list[tuple[Head, FaceTruth]]:
    """Pair each found head with the true one in the middle of whose square it lies."""
    pairs = []
    for face in truth:
        assert face.square is not None
        square = face.square
        near = [
            head
            for head in heads
            if max(
                abs(head.face.square.center_x - square.center_x),
                abs(head.face.square.center_y - square.center_y),
            )
            < square.side / 4
        ]
        if near:
            pairs.append((near[0], face))
    return pairs


def _clip_errors(head: Head, truth: FaceTruth) -> tuple[float, float, float]:
    assert truth.rotation_optical is not None and truth.position_m is not None
    geodesic = float(rotations.geodesic_deg(head.rotation_optical, truth.rotation_optical))
    if head.position_m is None:
        return geodesic, np.nan, np.nan
    distance = float(np.linalg.norm(truth.position_m))
    ray = truth.position_m / distance
    error = head.position_m - truth.position_m
    along = float(error @ ray)
    return geodesic, abs(along) / distance, float(np.linalg.norm(error - along * ray))
