"""Distortion models by the names that drivers and calibration programs give them."""

from __future__ import annotations

import numpy as np

from fsanet_ros.arrays import FloatArray

EQUIDISTANT = 'equidistant'
UNDISTORTED = ''

# How many coefficients OpenCV takes; sensor_msgs/distortion_models names the models.
_COUNTS = {
    'plumb_bob': (0, 4, 5),
    'rational_polynomial': (0, 8, 12, 14),
    EQUIDISTANT: (0, 4),
    'fisheye': (0, 4),
}
# Coefficients that are all 0 say nothing of lenses like these, whose pictures are no pinhole's.
_WIDE_LENSES = (
    *('atan', 'equi', 'fish', 'fov', 'ftheta', 'kannala', 'mei', 'omni', 'scaramuzza', 'sphere'),
    *('stereographic', 'ucm', 'unified'),
)
# What is shown of what somebody else wrote: it goes into logs and diagnostics.
_LONGEST_NAME, _MOST_NUMBERS = 40, 14


def is_known_model(name: str) -> bool:
    """Return whether a distortion model can be used."""
    return _plain(name) in _COUNTS


def meant_distortion(name: str, coefficients: FloatArray) -> tuple[str, FloatArray]:
    """
    Return the distortion that a model's name and its coefficients stand for.

    Coefficients of 0 that a model does not have are left out: drivers fill arrays of fixed length.
    Where all are 0 the name does not matter, unless it is that of a fisheye.

    :param coefficients: float64 [n]
    :returns: plumb_bob, rational_polynomial, EQUIDISTANT or UNDISTORTED, and as many coefficients
        as OpenCV takes for it
    :raises ValueError: if it stands for nothing that can be used
    """
    if not np.isfinite(coefficients).all():
        raise ValueError(
            f'expected finite distortion coefficients D, got {shown_numbers(coefficients)}'
        )
    plain = _plain(name)
    used = int(np.flatnonzero(coefficients)[-1]) + 1 if coefficients.any() else 0
    if plain in _COUNTS:
        # As they are, or without the zeros at their end.
        fitting = [n for n in _COUNTS[plain] if used <= n <= coefficients.size]
        if fitting:
            model = EQUIDISTANT if plain == 'fisheye' else plain
            return model, coefficients[: fitting[-1]]
    elif not used and not any(part in plain for part in _WIDE_LENSES):
        return UNDISTORTED, coefficients[:0]
    wanted = ', '.join(f'{m} {" or ".join(map(str, c))}' for m, c in _COUNTS.items())
    raise ValueError(
        f'distortion model {shown_name(name)} with {coefficients.size} coefficients: expected one '
        f'of {wanted}'
    )


def shown_name(name: str) -> str:
    """Return a name in quotes, cut off where it is too long for a line."""
    return repr(name if len(name) <= _LONGEST_NAME else f'{name[:_LONGEST_NAME]}...')


def shown_numbers(numbers: FloatArray) -> str:
    """Return numbers in brackets, the first ones of many."""
    first = ', '.join(f'{value:g}' for value in numbers.ravel()[:_MOST_NUMBERS].tolist())
    rest = f', ... {numbers.size} in all' if numbers.size > _MOST_NUMBERS else ''
    return f'[{first}{rest}]'


def _plain(name: str) -> str:
    return name.strip().lower().replace(' ', '_').replace('-', '_')
