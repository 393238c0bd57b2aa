"""The official Keras weights, read into this network, give the official angles."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='PyTorch is not installed')
h5py = pytest.importorskip('h5py', reason='h5py is not installed')

from fsanet_ros.fsanet.keras_weights import load_keras_weights  # noqa: E402
from fsanet_ros.fsanet.network import FSANet  # noqa: E402

SHARED = Path(__file__).parents[2] / 'shared'
GOLDEN = SHARED / 'golden' / 'fsanet_official.npz'
FILES = SHARED / 'weights' / 'fsanet_official'


def official(training_set, file='fsanet_capsule_3_16_2_21_5.h5'):
    path = FILES / training_set / file
    if not path.is_file():
        pytest.skip(f'the official weights are not at {path}')
    return path


@pytest.mark.parametrize('training_set', ['300W_LP', 'BIWI'])
def test_official_weights_give_the_official_angles(training_set):
    if not GOLDEN.is_file():
        pytest.skip(f'the official angles are not at {GOLDEN}')
    golden = np.load(GOLDEN, allow_pickle=False)
    network = FSANet().eval()
    network.load_state_dict(load_keras_weights(official(training_set)))
    with torch.inference_mode():
        crops = torch.from_numpy(golden['bgr']).permute(0, 3, 1, 2).float()
        found = network(crops).numpy()
    assert np.abs(found - golden[f'{training_set}__capsule_1x1']).max() < 1e-3


@pytest.mark.parametrize(
    'file',
    [
        'fsanet_var_capsule_3_16_2_21_5.h5',
        'fsanet_metric_3_16_2_21_5.h5',
        'fsanet_noS_capsule_3_16_2_192_5.h5',
        'ssrnet_mt.h5',
    ],
)
def test_weights_of_another_network_are_refused(file):
    path = official('300W_LP', file)
    with pytest.raises(ValueError, match=f'{file} has no .*: expected the official weights'):
        load_keras_weights(path)


def test_files_that_are_no_weights_are_refused_by_name(tmp_path):
    noise = tmp_path / 'noise.h5'
    noise.write_bytes(np.random.default_rng(0).bytes(2000))
    with pytest.raises(ValueError, match=r'noise\.h5 is not a readable HDF5 file'):
        load_keras_weights(noise)
    empty = tmp_path / 'empty.h5'
    with h5py.File(empty, 'w') as file:
        file['something'] = np.zeros(3)
    with pytest.raises(ValueError, match=r'empty\.h5 has no separable_conv2d_1'):
        load_keras_weights(empty)
    with pytest.raises(FileNotFoundError):
        load_keras_weights(tmp_path / 'nowhere.h5')
