"""
The official Keras weight files (.h5): what their names and layers mean, and how to read them.

A file is called ``fsanet_[SCORING_]AGGREGATION_3_16_2_FEATURES_5.h5``, with the stages, the size of
a stage's vector, the routings, the rows of Ũ and m; ``ssrnet_mt.h5`` is SSR-Net-MD. SCORING is var
or noS ("w/o"), or left out for 1x1.

Keras numbers its layers in the order in which the code makes them:

    separable_conv2d_1..7, batch_normalization_1..7    stream A
    separable_conv2d_8..14, batch_normalization_8..14  stream B
    conv2d_1, 3, 5                                     stream B's outputs: deep, middle, shallow
    conv2d_2, 4, 6                                     stream A's
    conv2d_7                                           1x1 scoring
    dense_1, dense_2                                   f_M, f_C; then the bins of each stage
    delta_s1..3, local_delta_stage1..3                 scale Δ, shift η
    caps, mat_mul_layer_1 and 2, net_vlad_1            aggregation
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fsanet_ros.inference.description import WeightsError
from fsanet_ros.inference.network_config import Aggregation, NetworkConfig, Scoring
from fsanet_ros.network.fsanet import STAGES, FSANet
from fsanet_ros.network.ssrnet import SSRNetMD
from fsanet_ros.network.state_files import fill
from fsanet_ros.network.variants import build_network

StateDict = dict[str, Tensor]
Arrays = Mapping[str, NDArray[Any]]

_NAME = re.compile(r'fsanet_(var_|noS_)?(capsule|metric|netvlad)_')
_SCORINGS: dict[str | None, Scoring] = {None: '1x1', 'var_': 'variance', 'noS_': 'none'}
# A layer that only this aggregation has.
_AGGREGATION_LAYERS: dict[str, Aggregation] = {
    'caps/W': 'capsule',
    'mat_mul_layer_1/kernel_type1': 'metric',
    'net_vlad_1/kernel_W1': 'netvlad',
}


def config_from_name(file_name: str) -> NetworkConfig | None:
    """Return the network that an official file's name promises; None for any other name."""
    match = _NAME.match(file_name)
    if match is None:
        return None
    choices: dict[str, Any] = {'scoring': _SCORINGS[match[1]], 'aggregation': match[2]}
    return NetworkConfig(**choices)


def load_keras_network(
    path: str | Path, expected: NetworkConfig | None = None
) -> FSANet | SSRNetMD:
    """
    Load an official .h5 file as a network in evaluation mode.

    :param path: a file from the folder pre-trained of the FSA-Net repository, or one that its
        code has trained
    :param expected: the network it must hold; None takes any
    :raises ImportError: if h5py is not installed
    :raises FileNotFoundError: if there is no such file
    :raises WeightsError: if it is not a readable official file, or holds another network
    """
    arrays = _read_arrays(Path(path))
    try:
        config = _config(arrays)
        if expected is not None and config != expected:
            raise WeightsError(f'{path} holds the weights of {config}, expected {expected}')
        state = _state_dict(arrays, config)
    except KeyError as error:
        raise WeightsError(
            f'{path} has no layer {error.args[0]}: expected the official weights of an FSA-Net or '
            'SSR-Net-MD, such as fsanet_capsule_3_16_2_21_5.h5'
        ) from None
    network = build_network(config)
    fill(network, state, path)
    return network.eval()


def _read_arrays(path: Path) -> Arrays:
    """Return every array of an .h5 file under LAYER/ARRAY, such as dense_1/kernel."""
    import h5py

    arrays: dict[str, NDArray[Any]] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            arrays['/'.join(name.split('/')[-2:]).removesuffix(':0')] = np.asarray(item[()])

    try:
        with h5py.File(path, 'r') as file:
            file.visititems(keep)
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        reason = ' '.join(str(error).split())
        raise WeightsError(
            f'{path} is not a readable HDF5 file ({reason}): expected the official weights, whole; '
            'download it again'
        ) from error
    return arrays


def _config(arrays: Arrays) -> NetworkConfig:
    """Tell which network a file is of; KeyError if it is none."""
    if arrays['delta_s1/kernel'].shape[0] == 6:
        return NetworkConfig(architecture='ssrnet')
    found = [name for layer, name in _AGGREGATION_LAYERS.items() if layer in arrays]
    if not found:
        raise KeyError(' or '.join(_AGGREGATION_LAYERS))
    scoring: Scoring = 'variance'
    if 'conv2d_7/kernel' in arrays:
        scoring = '1x1'
    elif 'dense_4/kernel' not in arrays:
        scoring = 'none'
    return NetworkConfig(scoring, found[0])


def _state_dict(arrays: Arrays, config: NetworkConfig) -> StateDict:
    state = _streams(arrays)
    if config.architecture == 'ssrnet':
        return state | _dense_stages(arrays)
    dense = 1  # the number of the next layer dense_...
    if config.scoring == '1x1':
        state |= _convolution('structure.scoring.convolution', arrays, 'conv2d_7')
    if config.scoring != 'none':
        state |= _dense('structure.rows', arrays, 'dense_1')
        state |= _dense('structure.mixing', arrays, 'dense_2')
        dense = 3
    state |= _aggregation(arrays, config.aggregation)
    for k in range(STAGES):
        state |= _dense(f'regression.scale.{k}', arrays, f'delta_s{k + 1}')
        state |= _dense(f'regression.shift.{k}', arrays, f'local_delta_stage{k + 1}')
        state |= _dense(f'regression.bins.{k}', arrays, f'dense_{k + dense}')
    return state


def _streams(arrays: Arrays) -> StateDict:
    state: StateDict = {}
    places = ['shallow.0', 'shallow.2', 'shallow.3', 'middle.0', 'middle.1', 'deep.0', 'deep.1']
    for stream, first in (('stream_a', 1), ('stream_b', 8)):
        for i, place in enumerate(places):
            state |= _separable(f'features.{stream}.{place}', arrays, first + i)
    for stream, first in (('stream_b', 1), ('stream_a', 2)):
        for i, place in enumerate(['out_deep', 'out_middle', 'out_shallow']):
            layer = f'conv2d_{first + 2 * i}'
            state |= _convolution(f'features.{stream}.{place}.0', arrays, layer)
    return state


def _dense_stages(arrays: Arrays) -> StateDict:
    """Return the heads of SSR-Net-MD: three dense layers a stage, and the two named ones."""
    state: StateDict = {}
    for k in range(STAGES):
        state |= _dense(f'stages.{k}.scale.0', arrays, f'dense_{3 * k + 1}')
        state |= _dense(f'stages.{k}.scale.2', arrays, f'delta_s{k + 1}')
        state |= _dense(f'stages.{k}.shift.0', arrays, f'dense_{3 * k + 2}')
        state |= _dense(f'stages.{k}.shift.2', arrays, f'local_delta_stage{k + 1}')
        state |= _dense(f'stages.{k}.bins.0', arrays, f'dense_{3 * k + 3}')
    return state


def _aggregation(arrays: Arrays, aggregation: Aggregation) -> StateDict:
    if aggregation == 'capsule':
        return {'aggregation.weight': _tensor(arrays['caps/W'])}
    if aggregation == 'metric':
        return {
            'aggregation.channels.weight': _tensor(arrays['mat_mul_layer_1/kernel_type1'].T),
            'aggregation.features.weight': _tensor(arrays['mat_mul_layer_2/kernel_type2'].T),
        }
    return {
        'aggregation.weight': _tensor(arrays['net_vlad_1/kernel_W1']),
        'aggregation.bias': _tensor(arrays['net_vlad_1/kernel_B1']),
        'aggregation.centres': _tensor(arrays['net_vlad_1/kernel_W2'][0]),
        'aggregation.hidden': _tensor(arrays['net_vlad_1/kernel_H1']),
    }


def _separable(block: str, arrays: Arrays, number: int) -> StateDict:
    layer, norm = f'separable_conv2d_{number}', f'batch_normalization_{number}'
    return {
        # Keras: height, width, in, multiplier; PyTorch with groups: in, 1, height, width.
        f'{block}.depthwise.weight': _tensor(
            arrays[f'{layer}/depthwise_kernel'].transpose(2, 3, 0, 1)
        ),
        f'{block}.pointwise.weight': _tensor(
            arrays[f'{layer}/pointwise_kernel'].transpose(3, 2, 0, 1)
        ),
        f'{block}.pointwise.bias': _tensor(arrays[f'{layer}/bias']),
        f'{block}.norm.weight': _tensor(arrays[f'{norm}/gamma']),
        f'{block}.norm.bias': _tensor(arrays[f'{norm}/beta']),
        f'{block}.norm.running_mean': _tensor(arrays[f'{norm}/moving_mean']),
        f'{block}.norm.running_var': _tensor(arrays[f'{norm}/moving_variance']),
        f'{block}.norm.num_batches_tracked': torch.tensor(0),
    }


def _convolution(place: str, arrays: Arrays, layer: str) -> StateDict:
    return {
        f'{place}.weight': _tensor(arrays[f'{layer}/kernel'].transpose(3, 2, 0, 1)),
        f'{place}.bias': _tensor(arrays[f'{layer}/bias']),
    }


def _dense(place: str, arrays: Arrays, layer: str) -> StateDict:
    return {
        f'{place}.weight': _tensor(arrays[f'{layer}/kernel'].T),
        f'{place}.bias': _tensor(arrays[f'{layer}/bias']),
    }


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))
