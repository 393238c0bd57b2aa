"""
Run the network: onnxruntime where it is installed, PyTorch otherwise, with the same angles.

A face's result does not depend on the batch that it is in.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.files.onnx_files import onnx_session
from fsanet_ros.inference.crops import NETWORK_SIZE
from fsanet_ros.inference.weight_files import (
    DEFAULT_WEIGHTS,
    Description,
    WeightsError,
    find_weights,
)

RUNTIME_NAMES = ('onnxruntime', 'torch')
# What an ONNX file gives; the second not of every network.
ANGLES, EXPECTED_ERROR = 'yaw_pitch_roll_deg', 'expected_error_deg'

# Of a batch that is shared among threads: with fewer, starting another takes what it saves.
_FACES_PER_THREAD = 4

Estimates = tuple[NDArray[np.float64], NDArray[np.float64] | None]


class Runtime(Protocol):
    """A loaded network."""

    name: str
    description: Description

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """
        Estimate the poses of a batch of crops.

        :param crops: uint8 [n, 64, 64, 3] BGR, n may be 0
        :returns: float64 [n, 3], yaw, pitch, roll in degrees, against the ray to the face
        """
        ...

    def with_expected_error(self, crops: NDArray[np.uint8]) -> Estimates:
        """
        Estimate the poses of a batch of crops, and how far off they may be.

        :param crops: see __call__
        :returns: what __call__ does, and float64 [n], the absolute error that the network expects
            about an axis, degrees; None where it has no error head
        """
        ...


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

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Estimate the poses of a batch of crops; see Runtime."""
        return self.with_expected_error(crops)[0]

    def with_expected_error(self, crops: NDArray[np.uint8]) -> Estimates:
        """Estimate the poses of a batch of crops, and how far off they may be; see Runtime."""
        if not len(crops):
            return _nobody(self.description)
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


class TorchRuntime:
    """The network in PyTorch."""

    name = 'torch'

    def __init__(self, weights: str | Path = DEFAULT_WEIGHTS, threads: int = 1) -> None:
        """
        Load weights.

        :param threads: of all of PyTorch in this process
        :raises WeightsError: if the file is not a network of this package
        """
        import torch

        from fsanet_ros.network.state_files import load_network

        torch.set_num_threads(threads)
        self._torch = torch
        self._network, self.description = load_network(find_weights(weights, '.safetensors'))

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Estimate the poses of a batch of crops; see Runtime."""
        return self.with_expected_error(crops)[0]

    def with_expected_error(self, crops: NDArray[np.uint8]) -> Estimates:
        """Estimate the poses of a batch of crops, and how far off they may be; see Runtime."""
        if not len(crops):
            return _nobody(self.description)
        network: Any = self._network
        with self._torch.inference_mode():
            # PyTorch wants no negative strides and warns of arrays that are read-only.
            own = np.require(crops, requirements=['C', 'W'])
            pixels = self._torch.from_numpy(own).permute(0, 3, 1, 2).float()
            if not self.description.has_error_head:
                return network(pixels).numpy().astype(np.float64), None
            angles, errors = network.with_expected_error(pixels)
        return angles.numpy().astype(np.float64), errors.numpy().astype(np.float64)


def _nobody(description: Description) -> Estimates:
    return np.zeros((0, 3)), np.zeros(0) if description.has_error_head else None


def make_runtime(
    weights: str | Path = DEFAULT_WEIGHTS, name: str = 'auto', threads: int = 1
) -> Runtime:
    """
    Load weights into the runtime of that name, or into the best that is installed.

    :param name: onnxruntime, torch or auto
    :raises ImportError: if it, or with auto none of them, is installed
    :raises ValueError: for another name
    :raises WeightsError: if the weights are damaged, of another network, or not numbers
    :raises FileNotFoundError: if they are not there
    """
    runtime = choose_runtime(weights, name)
    loaded: Runtime = (OnnxRuntime if runtime == 'onnxruntime' else TorchRuntime)(weights, threads)
    if not np.isfinite(loaded(np.full((1, NETWORK_SIZE, NETWORK_SIZE, 3), 128, np.uint8))).all():
        raise WeightsError(
            f'the weights {weights} give no finite angles, expected trained weights: choose others'
        )
    return loaded


def choose_runtime(weights: str | Path, name: str = 'auto') -> str:
    """
    Return the name of the runtime to use.

    :param name: onnxruntime, torch, or auto: the best that is installed
    :raises ImportError: if it, or with auto none of them, is installed
    :raises ValueError: for another name
    """
    if name not in ('auto', *RUNTIME_NAMES):
        raise ValueError(f'unknown runtime {name!r}: expected auto, {", ".join(RUNTIME_NAMES)}')
    wanted = RUNTIME_NAMES if name == 'auto' else (name,)
    # A file says by its kind which runtime it is for.
    if name == 'auto' and Path(weights).suffix == '.safetensors':
        wanted = ('torch',)
    installed = [n for n in wanted if importlib.util.find_spec(n) is not None]
    if not installed:
        raise ImportError(
            f'{" or ".join(wanted)} is needed to run the network: pip install {wanted[0]}'
        )
    return installed[0]


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
            f'{path} is not a readable ONNX network ({error}): download or export it again'
        ) from error
