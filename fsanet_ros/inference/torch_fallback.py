"""
The one door from what runs on a robot to PyTorch, opened only where onnxruntime is missing.

The network in PyTorch is a layer above (``fsanet_ros.network``): nothing else here may import it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsanet_ros.network.torch_runtime import TorchHeatMaps, TorchRuntime


def torch_runtime(weights: str | Path, threads: int = 1) -> TorchRuntime:
    """Return the network in PyTorch; see TorchRuntime."""
    from fsanet_ros.network.torch_runtime import TorchRuntime

    return TorchRuntime(weights, threads)


def torch_heat_maps(weights: str | Path) -> TorchHeatMaps:
    """Return the network's spatial maps in PyTorch; see TorchHeatMaps."""
    from fsanet_ros.network.torch_runtime import TorchHeatMaps

    return TorchHeatMaps(weights)
