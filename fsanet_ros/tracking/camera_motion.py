"""
Has the camera turned? Then everybody in the image moves by about the same amount.

A turn that begins between two images is in no track's velocity, and at ten images a second a
pan-tilt head moves the image by more than a face, so that everybody seems to have become the
neighbour.
"""

from __future__ import annotations

import numpy as np

from fsanet_ros.types import FloatArray

# All lengths in units of the faces' mean size. Less than this is no matter to the tracks.
LEAST = 0.3
# Further than this a camera hardly turns between two images; it also keeps the search small.
MOST = 4.0
# People move by themselves meanwhile.
ALIKE = 0.3
# One face in another size, as the logarithm of the factor.
_SIZES_ALIKE = 0.5


def common_shift_px(
    centers: FloatArray, log_sizes: FloatArray, expected: FloatArray, expected_log_sizes: FloatArray
) -> FloatArray | None:
    """
    Return the shift that would explain most of the heads' places.

    :param centers: float64 [heads, 2], pixels; ``log_sizes``: float64 [heads]
    :param expected: float64 [tracks, 2], where they would be with the camera at rest;
        ``expected_log_sizes``: float64 [tracks]
    :returns: float64 [2], pixels, or None where no two heads moved alike or hardly anything moved
    """
    if not len(expected_log_sizes):
        return None
    size = float(np.exp(expected_log_sizes.mean()))
    shifts = (centers[:, None] - expected[None]) / size
    alike = np.abs(log_sizes[:, None] - expected_log_sizes[None]) < _SIZES_ALIKE
    shifts = shifts[alike & (np.abs(shifts).max(axis=-1) < MOST)]
    if len(shifts) < 2:
        return None
    # The shift that has most others around it.
    around = (np.abs(shifts[:, None] - shifts[None]) < ALIKE).all(axis=-1)
    votes = around.sum(axis=1)
    best = int(votes.argmax())
    shift = shifts[around[best]].mean(axis=0)
    if votes[best] < 2 or np.abs(shift).max() < LEAST:
        return None
    return np.asarray(shift * size)
