"""
Read the official Keras weight files (.h5) into the network.

Layer order in the files: separable_conv2d_1..7 and batch_normalization_1..7 are stream A, 8..14
stream B; conv2d_1, 3, 5 are stream B's outputs (128, 64, 32 channels), conv2d_2, 4, 6 stream A's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

StateDict = dict[str, Tensor]


def load_keras_weights(path: str | Path) -> StateDict:
    """
    Return the state dict of an FSANet (1x1, capsule) from an official .h5 file.

    :param path: fsanet_capsule_3_16_2_21_5.h5 of the FSA-Net repository
    :raises ImportError: without h5py
    :raises FileNotFoundError: if there is no such file
    :raises ValueError: if the file is not such a file, naming the layer that is missing
    """
    try:
        arrays = _read_arrays(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f'{path} is not a readable HDF5 file ({error})') from error
    try:
        return _state_dict(arrays)
    except KeyError as error:
        raise ValueError(
            f'{path} has no {error.args[0]}: expected the official weights of an FSA-Net with 1x1 '
            f'scoring and capsules (fsanet_capsule_3_16_2_21_5.h5)'
        ) from None


def _read_arrays(path: str | Path) -> dict[str, Any]:
    """Return every array of an .h5 file by its layer's name and its own."""
    import h5py

    arrays: dict[str, Any] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            arrays['/'.join(name.split('/')[-2:]).removesuffix(':0')] = item[()]

    with h5py.File(path, 'r') as file:
        file.visititems(keep)
    return arrays


def _state_dict(arrays: dict[str, Any]) -> StateDict:
    state: StateDict = {}
    for stream, first in (('stream_a', 1), ('stream_b', 8)):
        for i, place in enumerate(
            ['shallow.0', 'shallow.2', 'shallow.3', 'middle.0', 'middle.1', 'deep.0', 'deep.1']
        ):
            block = f'features.{stream}.{place}'
            _separable(state, block, arrays, first + i)
    for number, place in (
        (1, 'stream_b.out_deep'),
        (3, 'stream_b.out_middle'),
        (5, 'stream_b.out_shallow'),
        (2, 'stream_a.out_deep'),
        (4, 'stream_a.out_middle'),
        (6, 'stream_a.out_shallow'),
    ):
        _convolution(state, f'features.{place}.0', arrays, f'conv2d_{number}')
    _convolution(state, 'structure.scoring.convolution', arrays, 'conv2d_7')
    _dense(state, 'structure.rows', arrays, 'dense_1')
    _dense(state, 'structure.mixing', arrays, 'dense_2')
    state['aggregation.weight'] = torch.from_numpy(arrays['caps/W'].astype(np.float32))
    for k in range(3):
        _dense(state, f'regression.scale.{k}', arrays, f'delta_s{k + 1}')
        _dense(state, f'regression.shift.{k}', arrays, f'local_delta_stage{k + 1}')
        _dense(state, f'regression.bins.{k}', arrays, f'dense_{k + 3}')
    return state


def _separable(state: StateDict, block: str, arrays: dict[str, Any], number: int) -> None:
    layer, norm = f'separable_conv2d_{number}', f'batch_normalization_{number}'
    # Keras: height, width, in, multiplier; PyTorch with groups: in, 1, height, width.
    state[f'{block}.depthwise.weight'] = _tensor(
        arrays[f'{layer}/depthwise_kernel'].transpose(2, 3, 0, 1)
    )
    state[f'{block}.pointwise.weight'] = _tensor(
        arrays[f'{layer}/pointwise_kernel'].transpose(3, 2, 0, 1)
    )
    state[f'{block}.pointwise.bias'] = _tensor(arrays[f'{layer}/bias'])
    for ours, keras in (
        ('weight', 'gamma'),
        ('bias', 'beta'),
        ('running_mean', 'moving_mean'),
        ('running_var', 'moving_variance'),
    ):
        state[f'{block}.norm.{ours}'] = _tensor(arrays[f'{norm}/{keras}'])
    state[f'{block}.norm.num_batches_tracked'] = torch.tensor(0)


def _convolution(state: StateDict, place: str, arrays: dict[str, Any], layer: str) -> None:
    state[f'{place}.weight'] = _tensor(arrays[f'{layer}/kernel'].transpose(3, 2, 0, 1))
    state[f'{place}.bias'] = _tensor(arrays[f'{layer}/bias'])


def _dense(state: StateDict, place: str, arrays: dict[str, Any], layer: str) -> None:
    state[f'{place}.weight'] = _tensor(arrays[f'{layer}/kernel'].T)
    state[f'{place}.bias'] = _tensor(arrays[f'{layer}/bias'])


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))
