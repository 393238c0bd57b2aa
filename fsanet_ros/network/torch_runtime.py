"""
The network in PyTorch, behind the same protocols as in onnxruntime.

What runs on a robot comes here only through ``inference.torch_fallback``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fsanet_ros.arrays import FloatArray
from fsanet_ros.inference.estimates import Estimates, no_estimates
from fsanet_ros.inference.spatial_maps import as_pictures, check_has_maps, no_maps
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS, find_weights
from fsanet_ros.network.state_files import load_network


class TorchRuntime:
    """The network in PyTorch."""

    name = 'torch'

    def __init__(self, weights: str | Path = DEFAULT_WEIGHTS, threads: int = 1) -> None:
        """
        Load weights.

        :param threads: of all of PyTorch in this process
        :raises WeightsError: if the file is not a network of this package
        """
        torch.set_num_threads(threads)
        self._network, self.description = load_network(find_weights(weights, '.safetensors'))

    def __call__(self, crops: NDArray[np.uint8]) -> FloatArray:
        """Estimate the poses of a batch of crops; see inference.runtime.Runtime."""
        return self.with_expected_error(crops)[0]

    def with_expected_error(self, crops: NDArray[np.uint8]) -> Estimates:
        """Estimate poses and how far off they may be; see inference.runtime.Runtime."""
        if not len(crops):
            return no_estimates(self.description)
        network: Any = self._network
        with torch.inference_mode():
            # PyTorch wants no negative strides and warns of arrays that are read-only.
            own = np.require(crops, requirements=['C', 'W'])
            pixels = torch.from_numpy(own).permute(0, 3, 1, 2).float()
            if not self.description.has_error_head:
                return network(pixels).numpy().astype(np.float64), None
            angles, errors = network.with_expected_error(pixels)
        return angles.numpy().astype(np.float64), errors.numpy().astype(np.float64)


class TorchHeatMaps:
    """The spatial maps in PyTorch."""

    def __init__(self, weights: str | Path = DEFAULT_WEIGHTS) -> None:
        """Load weights; see inference.heat_maps.make_heat_maps."""
        self._network: Any
        self._network, self.description = load_network(find_weights(weights, '.safetensors'))
        check_has_maps(self.description, weights)

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the spatial maps of crops; see inference.heat_maps.HeatMaps."""
        if not len(crops):
            return no_maps()
        own = np.require(crops, requirements=['C', 'W'])
        pixels = torch.from_numpy(own).permute(0, 3, 1, 2).float()
        with torch.inference_mode():
            maps = self._network.structure.maps(self._network.feature_maps(pixels))
            return as_pictures(maps.numpy())
