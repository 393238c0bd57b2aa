"""The official Keras weights, read into these networks, give the official angles."""

import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='PyTorch is not installed')
h5py = pytest.importorskip('h5py', reason='h5py is not installed')

from fsanet_ros.inference.description import WeightsError  # noqa: E402
from fsanet_ros.inference.network_config import NetworkConfig  # noqa: E402
from fsanet_ros.network.fusion import Fusion  # noqa: E402
from fsanet_ros.network.keras_weights import (  # noqa: E402
    config_from_name,
    load_keras_network,
)

SHARED = Path(__file__).parents[2] / 'shared'
GOLDEN = SHARED / 'golden' / 'fsanet_official.npz'
FILES = SHARED / 'weights' / 'fsanet_official'
CAPSULES = {
    'capsule_1x1': 'fsanet_capsule_3_16_2_21_5.h5',
    'capsule_var': 'fsanet_var_capsule_3_16_2_21_5.h5',
    'capsule_nos': 'fsanet_noS_capsule_3_16_2_192_5.h5',
}
# Published with NaN for weights: its training had diverged.
NAN_FILE = '300W_LP/fsanet_var_netvlad_3_16_2_21_5.h5'
ALL_FILES = sorted(str(path.relative_to(FILES)) for path in FILES.glob('*/*.h5'))

torch.set_num_threads(1)


def official(training_set, file='fsanet_capsule_3_16_2_21_5.h5'):
    path = FILES / training_set / file
    if not path.is_file():
        pytest.skip(f'the official weights are not at {path}')
    return path


@pytest.fixture(scope='module')
def golden():
    if not GOLDEN.is_file():
        pytest.skip(f'the official angles are not at {GOLDEN}')
    return dict(np.load(GOLDEN, allow_pickle=False))


def angles(network, crops):
    with torch.inference_mode():
        return network(torch.from_numpy(crops).permute(0, 3, 1, 2).float()).numpy()


@pytest.mark.parametrize('training_set', ['300W_LP', 'BIWI'])
@pytest.mark.parametrize('variant', CAPSULES)
def test_official_weights_give_the_official_angles(golden, training_set, variant):
    network = load_keras_network(official(training_set, CAPSULES[variant]))
    found = angles(network, golden['bgr'])
    assert np.abs(found - golden[f'{training_set}__{variant}']).max() < 1e-3


@pytest.mark.parametrize('training_set', ['300W_LP', 'BIWI'])
def test_official_fusion_gives_the_official_angles(golden, training_set):
    members = [load_keras_network(official(training_set, file)) for file in CAPSULES.values()]
    found = angles(Fusion(members).eval(), golden['bgr'])
    assert np.abs(found - golden[f'{training_set}__fusion']).max() < 1e-3


@pytest.mark.skipif(not ALL_FILES, reason=f'the official weights are not at {FILES}')
@pytest.mark.parametrize('file', [file for file in ALL_FILES if file != NAN_FILE])
def test_every_official_network_sees_what_the_official_fusion_sees(golden, file):
    # No angles are published for metric, NetVLAD and SSR-Net-MD: a layer in the wrong place
    # would be off by tens of degrees.
    found = angles(load_keras_network(FILES / file), golden['bgr'])
    fusion = golden[f'{Path(file).parent}__fusion']
    assert np.median(np.abs(found - fusion)) < 3.0
    assert all(np.corrcoef(found[:, i], fusion[:, i])[0, 1] > 0.9 for i in range(3))
    alone = np.concatenate([angles(load_keras_network(FILES / file), golden['bgr'][:1])])
    assert np.abs(alone - found[:1]).max() < 1e-4


@pytest.mark.skipif(not ALL_FILES, reason=f'the official weights are not at {FILES}')
@pytest.mark.parametrize('file', ALL_FILES)
def test_a_files_name_says_which_network_it_holds(file):
    path = FILES / file
    held = load_keras_network(path).config
    assert config_from_name(path.name) == (None if held.architecture == 'ssrnet' else held)


@pytest.mark.parametrize(
    ('file', 'held'),
    [
        ('fsanet_var_capsule_3_16_2_21_5.h5', 'FSA-Net variance capsule'),
        ('fsanet_metric_3_16_2_21_5.h5', 'FSA-Net 1x1 metric'),
        ('fsanet_noS_capsule_3_16_2_192_5.h5', 'FSA-Net w/o capsule'),
        ('ssrnet_mt.h5', 'SSR-Net-MD'),
    ],
)
def test_weights_of_another_network_are_refused(file, held):
    path = official('300W_LP', file)
    with pytest.raises(
        WeightsError, match=f'{file} holds the weights of {held}, expected FSA-Net 1x1 capsule$'
    ):
        load_keras_network(path, NetworkConfig())


@pytest.mark.parametrize('share', [0.02, 0.5, 0.9, 0.999])
def test_truncated_files_are_refused_in_a_line(tmp_path, share):
    content = official('300W_LP').read_bytes()
    path = tmp_path / 'cut.h5'
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match=r'cut\.h5 is not a readable HDF5 file') as error:
        load_keras_network(path)
    assert '\n' not in str(error.value)


def test_files_that_are_no_weights_are_refused_by_name(tmp_path):
    noise = tmp_path / 'noise.h5'
    noise.write_bytes(np.random.default_rng(0).bytes(2000))
    with pytest.raises(WeightsError, match=r'noise\.h5 is not a readable HDF5 file'):
        load_keras_network(noise)
    empty = tmp_path / 'empty.h5'
    with h5py.File(empty, 'w') as file:
        file['something'] = np.zeros(3)
    with pytest.raises(WeightsError, match=r'empty\.h5 has no layer .* expected the official'):
        load_keras_network(empty)
    with pytest.raises(FileNotFoundError):
        load_keras_network(tmp_path / 'nowhere.h5')


def test_layers_of_another_size_and_missing_layers_are_named(tmp_path):
    path = tmp_path / 'changed.h5'
    layer = 'ssr_S_model/dense_2/kernel:0'
    shutil.copyfile(official('300W_LP'), path)
    path.chmod(0o644)
    with h5py.File(path, 'a') as file:
        del file[layer]
        file[layer] = np.zeros((192, 40), np.float32)
    with pytest.raises(
        WeightsError, match=r'structure\.mixing\.weight is \[40, 192\], not'
    ) as error:
        load_keras_network(path)
    assert '\n' not in str(error.value)
    with h5py.File(path, 'a') as file:
        del file[layer]
    with pytest.raises(WeightsError, match=r'changed\.h5 has no layer dense_2/kernel'):
        load_keras_network(path)
