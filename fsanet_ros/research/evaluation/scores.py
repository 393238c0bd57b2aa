"""How far estimated head poses are from the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fsanet_ros.arrays import FloatArray
from fsanet_ros.research.evaluation.pose_errors import compare


@dataclass(frozen=True)
class Scores:
    """Errors in degrees over ``count`` faces; ``mean`` is the literature's mean absolute error."""

    count: int
    yaw: float
    pitch: float
    roll: float
    mean: float
    geodesic_mean: float
    geodesic_median: float

    def __str__(self) -> str:
        """Return the paper's row and the geodesic error."""
        return (
            f'yaw {self.yaw:.2f}  pitch {self.pitch:.2f}  roll {self.roll:.2f}  '
            f'mean {self.mean:.2f}  geodesic {self.geodesic_mean:.2f} '
            f'(median {self.geodesic_median:.2f})  n {self.count}'
        )


def score(estimated_deg: FloatArray, truth_deg: FloatArray) -> Scores:
    """
    Compare yaw, pitch, roll in degrees, without wrap-around, as the literature does.

    :param estimated_deg: float64 [n, 3]
    :param truth_deg: float64 [n, 3]
    :raises ValueError: if there is nothing to compare
    """
    errors = compare(estimated_deg, truth_deg)
    absolute, geodesic = errors.absolute_deg.mean(axis=0), errors.geodesic_deg
    return Scores(
        count=len(truth_deg),
        yaw=float(absolute[0]),
        pitch=float(absolute[1]),
        roll=float(absolute[2]),
        mean=float(absolute.mean()),
        geodesic_mean=float(geodesic.mean()),
        geodesic_median=float(np.median(geodesic)),
    )
