"""The network in onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.arrays import FloatArray
from fsanet_ros.files.onnx_files import onnx_session
from fsanet_ros.files.texts import first_line
from fsanet_ros.inference.crops import NETWORK_SIZE
from fsanet_ros.inference.description import Description, WeightsError
from fsanet_ros.inference.estimates import Estimates, no_estimates
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS, find_weights

# What an ONNX file gives; the second not of every network.
ANGLES, EXPECTED_ERROR = 'yaw_pitch_roll_deg', 'expected_error_deg'

# A thread gets at least this many faces of a batch: for fewer, starting it takes what it saves.
_FACES_PER_THREAD = 4


class OnnxRuntime:
    """The network in onnxruntime."""

    name = 'onnxruntime'

    def __init__(self, weights: str | Path = DEFAULT_WEIGHTS, threads: int = 1) -> None:
        """
        Load weights.

        :param threads: of this network; more than one helps with eight faces and more
        :raises WeightsError: if the file is not a network of this package
        """
        path = find_weights(weights, '.onnx')
        self._session = network_session(path)
        self._threads = threads
        self._others = ThreadPoolExecutor(max(threads - 1, 1), 'network')
        found = [(i.type, i.shape[1:]) for i in self._session.get_inputs()]
        expected = [('tensor(uint8)', [NETWORK_SIZE, NETWORK_SIZE, 3])]
        if found != expected:
            raise WeightsError(
                f'{path} takes {found}, expected {expected} after the batch axis: export the '
                'network with this package'
            )
        self._input = self._session.get_inputs()[0].name
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.description = Description.from_metadata(metadata, path)

    def __call__(self, crops: NDArray[np.uint8]) -> FloatArray:
        """Estimate the poses of a batch of crops; see Runtime."""
        return self.with_expected_error(crops)[0]

    def with_expected_error(self, crops: NDArray[np.uint8]) -> Estimates:
        """Estimate the poses of a batch of crops, and how far off they may be; see Runtime."""
        if not len(crops):
            return no_estimates(self.description)
        count = max(min(self._threads, len(crops) // _FACES_PER_THREAD), 1)
        # A share of the faces for each thread: those of onnxruntime share each layer instead, and
        # 16 faces took a quarter more time on two of those.
        mine, *others = np.array_split(crops, count)
        running = [self._others.submit(self._run, share) for share in others]
        results = [self._run(mine), *(one.result() for one in running)]
        angles, *further = (np.concatenate(parts) for parts in zip(*results, strict=True))
        return angles.astype(np.float64), further[0].astype(np.float64) if further else None

    def _run(self, crops: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        results: Sequence[NDArray[np.float32]] = self._session.run(None, {self._input: crops})
        return results


def network_session(path: Path, more: bytes = b'') -> Any:
    """
    Load an ONNX file as an onnxruntime.InferenceSession.

    :param more: what is to be read as if it stood at the end of the file
    :raises WeightsError: if it is not readable
    """
    try:
        return onnx_session(path.read_bytes() + more)
    except ImportError:
        raise
    except Exception as error:  # onnxruntime's own classes are not public
        raise WeightsError(
            f'{path} is not a readable ONNX network ({first_line(error)}): download or export it '
            'again'
        ) from error
