"""
The fine-grained structure that FSA-Net sees in a face: its spatial maps S_k.

Section 3.5 of the paper, equation (4): each row of S_k = C M_k says from which cells of the feature
maps one of the seven capsules of stage k is made. A cell covers an eighth of the crop's width and
height, so a row of S_k is a picture.

    heat_maps = make_heat_maps('fsanet_1x1')
    maps = heat_maps(crops)      # [n, 3 stages, 7 capsules, 3 feature maps, 8, 8]
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.files.onnx_files import also_giving
from fsanet_ros.inference import torch_fallback
from fsanet_ros.inference.description import Description
from fsanet_ros.inference.onnx_runtime import network_session
from fsanet_ros.inference.runtime import choose_runtime
from fsanet_ros.inference.spatial_maps import as_pictures, check_has_maps, no_maps
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS, find_weights

# The normalised maps S as the exporter names them: the division in exported_graph.py.
_IN_GRAPH = '/structure/Div_output_0'


class HeatMaps(Protocol):
    """A network, loaded for its spatial maps; ``description`` says which crops it wants."""

    description: Description

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """
        Return the spatial maps S_k of crops, each row divided by its sum as the capsules are.

        :param crops: uint8 [n, 64, 64, 3] BGR, n may be 0
        :returns: float32 [n, 3, 7, 3, 8, 8]: stage k (the deepest first), capsule, feature map
            (the deepest first), row and column of the cell; the values of a capsule sum to 1
        """
        ...


def make_heat_maps(weights: str | Path = DEFAULT_WEIGHTS, runtime: str = 'auto') -> HeatMaps:
    """
    Load weights for their spatial maps; the runtime is chosen as make_runtime does.

    :param weights: a name or a file
    :param runtime: onnxruntime, torch or auto; both give the same maps
    :raises FileNotFoundError: if there is no such file or name
    :raises WeightsError: if it is not a network of this package, or one without spatial maps
    :raises ImportError: if the runtime is not installed
    :raises ValueError: for another runtime
    """
    if choose_runtime(weights, runtime) == 'onnxruntime':
        return OnnxHeatMaps(weights)
    return torch_fallback.torch_heat_maps(weights)


class OnnxHeatMaps:
    """The spatial maps in onnxruntime: the same graph, asked for what it has on the way."""

    def __init__(self, weights: str | Path = DEFAULT_WEIGHTS) -> None:
        """Load weights; see make_heat_maps."""
        path = find_weights(weights, '.onnx')
        session = network_session(path)
        self.description = Description.from_metadata(
            session.get_modelmeta().custom_metadata_map, path
        )
        check_has_maps(self.description, weights)
        # The exporter calls the whole a module of its own where it gives nothing but angles.
        self._maps = _IN_GRAPH if self.description.has_error_head else f'/network{_IN_GRAPH}'
        self._session = network_session(path, also_giving([self._maps]))
        self._input = self._session.get_inputs()[0].name

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the spatial maps of crops; see HeatMaps."""
        if not len(crops):
            return no_maps()
        (maps,) = self._session.run([self._maps], {self._input: np.ascontiguousarray(crops)})
        return as_pictures(maps)
