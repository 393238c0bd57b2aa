"""The shape of spatial maps, and which weights have them; what they are: ``heat_maps.py``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.inference.description import Description, WeightsError
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS

STAGES, CAPSULES = 3, 7
SIDE = 8  # cells, of every stage's feature map


def no_maps() -> NDArray[np.float32]:
    """Return the spatial maps of no faces."""
    return np.zeros((0, STAGES, CAPSULES, STAGES, SIDE, SIDE), np.float32)


def check_has_maps(description: Description, weights: str | Path) -> None:
    """
    Refuse weights without spatial maps, and those of several networks.

    :raises WeightsError: naming what they are and which weights have maps
    """
    configs = description.configs
    if len(configs) > 1:
        reason = f'they fuse {len(configs)} networks, each with maps of its own'
    elif configs[0].architecture != 'fsanet' or configs[0].scoring == 'none':
        reason = f'{configs[0]} groups no cells'
    else:
        return
    raise WeightsError(
        f'the weights {weights} have no heat maps, {reason}: choose a single FSA-Net with 1x1 or '
        f'variance scoring, such as {DEFAULT_WEIGHTS}'
    )


def as_pictures(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn the rows of S_k, float32 [n, 3, 7, 192], into [n, 3, 7, 3, 8, 8]."""
    return maps.reshape(*maps.shape[:3], STAGES, SIDE, SIDE)
