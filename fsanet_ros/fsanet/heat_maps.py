"""
The fine-grained structure that FSA-Net sees in a face: its spatial maps S_k (needs PyTorch).

Section 3.3 of the paper, equation (4): S_k = SL SR_k says for each of the seven capsules of stage
k from which cells of the feature maps it is put together. A cell of a feature map is an eighth of
the crop, so a row of S_k is a picture.

    heat_maps = HeatMaps('fsanet_aflw')
    maps = heat_maps(crops)      # [n, 3 stages, 7 capsules, 3 feature maps, 8, 8]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fsanet_ros.fsanet.state_files import load_network
from fsanet_ros.fsanet.weight_files import DEFAULT_WEIGHTS, WeightsError, find_weights

SIDE = 8  # cells, of every stage's feature map


class HeatMaps:
    """A network, loaded for its spatial maps; ``description`` says which crops it wants."""

    def __init__(self, weights: str | Path = DEFAULT_WEIGHTS) -> None:
        """
        Load weights.

        :param weights: a name or a .safetensors file
        :raises FileNotFoundError: if there is no such file or name
        :raises WeightsError: if it is not a network of this package, or one without spatial maps
        """
        network, self.description = load_network(find_weights(weights, '.safetensors'))
        self._network: nn.Module = network
        if not hasattr(getattr(network, 'structure', None), 'maps'):
            raise WeightsError(
                f'{weights} has no spatial maps: choose a network with 1x1 or variance scoring, '
                f'such as {DEFAULT_WEIGHTS}'
            )

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the spatial maps of crops; see spatial_maps."""
        return spatial_maps(self._network, crops)


def spatial_maps(network: nn.Module, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """
    Return the spatial maps S_k of crops, each row divided by its sum as the capsules are.

    :param network: an FSANet in evaluation mode, with the part ``structure``
    :param crops: uint8 [n, 64, 64, 3] BGR
    :returns: float32 [n, 3, 7, 3, 8, 8]: stage k (the deepest first), capsule, feature map (the
        deepest first), row and column of the cell; the values of a capsule sum to 1
    """
    if not len(crops):
        return np.zeros((0, 3, 7, 3, SIDE, SIDE), np.float32)
    pixels = torch.from_numpy(np.require(crops, requirements=['C', 'W'])).permute(0, 3, 1, 2)
    structure: Any = network.structure
    seen: list[list[Tensor]] = []
    # The feature maps are what the structure is given: no second copy of the network's forward.
    hook = structure.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        with torch.inference_mode():
            network(pixels.float())
            maps = torch.stack(structure.maps(seen[0]), dim=1)
    finally:
        hook.remove()
    shares = maps / maps.sum(dim=-1, keepdim=True)
    n, stages, capsules, _ = shares.shape
    found: NDArray[np.float32] = shares.view(n, stages, capsules, stages, SIDE, SIDE).numpy()
    return found
