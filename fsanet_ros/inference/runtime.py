"""
Run the network: onnxruntime where it is installed, PyTorch otherwise, with the same angles.

A face's result does not depend on the batch that it is in.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.arrays import FloatArray
from fsanet_ros.inference import torch_fallback
from fsanet_ros.inference.crops import NETWORK_SIZE
from fsanet_ros.inference.description import Description, WeightsError
from fsanet_ros.inference.estimates import Estimates
from fsanet_ros.inference.onnx_runtime import OnnxRuntime
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS

RUNTIME_NAMES = ('onnxruntime', 'torch')
# Of what a network may say of any picture.
_GREATEST_DEG = 360.0
_NEEDED = {'onnxruntime': ('onnxruntime',), 'torch': ('torch', 'safetensors')}


class Runtime(Protocol):
    """A loaded network."""

    name: str
    description: Description

    def __call__(self, crops: NDArray[np.uint8]) -> FloatArray:
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
    loaded: Runtime
    if runtime == 'onnxruntime':
        loaded = OnnxRuntime(weights, threads)
    else:
        loaded = torch_fallback.torch_runtime(weights, threads)
    if reason := _absurdity(loaded):
        raise WeightsError(f'the weights {weights} give {reason}: choose trained ones')
    return loaded


def _absurdity(runtime: Runtime) -> str:
    """Return what is wrong with all that a network says of a few pictures, empty if nothing is."""
    shape = (NETWORK_SIZE, NETWORK_SIZE, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    crops = np.stack([*(np.full(shape, level, np.uint8) for level in (0, 128, 255)), noise])
    try:
        angles, errors = runtime.with_expected_error(crops)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        return f'no answer to {len(crops)} pictures ({error})'
    if angles.shape != (len(crops), 3):
        return f'angles of shape {angles.shape}, expected {(len(crops), 3)}'
    if not np.isfinite(angles).all():
        return 'no finite angles'
    if np.abs(angles).max() > _GREATEST_DEG:
        return f'an angle of {np.abs(angles).max():.3g} degrees, expected at most {_GREATEST_DEG:g}'
    if (errors is not None) != runtime.description.has_error_head:
        return 'no expected errors' if errors is None else 'expected errors without an error head'
    if errors is None:
        return ''
    if errors.shape != (len(crops),):
        return f'expected errors of shape {errors.shape}, expected {(len(crops),)}'
    # Written so that NaN is refused too.
    if not (errors.min() > 0 and errors.max() <= _GREATEST_DEG):
        return (
            f'expected errors from {errors.min():.3g} to {errors.max():.3g} degrees, expected '
            f'above 0 and at most {_GREATEST_DEG:g}'
        )
    return ''


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
    installed = [name for name in wanted if all(map(importlib.util.find_spec, _NEEDED[name]))]
    if not installed:
        needed = ' or '.join(' and '.join(_NEEDED[name]) for name in wanted)
        raise ImportError(
            f'running the network needs {needed}: pip install {" ".join(_NEEDED[wanted[0]])}'
        )
    return installed[0]
