"""Only whole, known or self-describing weights are used, and none can carry code."""

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from fsanet_ros.inference import weight_files
from fsanet_ros.inference.description import METADATA_KEY, Description, WeightsError
from fsanet_ros.inference.network_config import NetworkConfig
from fsanet_ros.inference.onnx_runtime import OnnxRuntime
from fsanet_ros.inference.rotation_error import RotationErrorModel
from fsanet_ros.inference.torch_fallback import torch_runtime
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS, FORMATS, find_weights, weight_names

OTHER_ONNX = (
    Path(__file__).parents[2] / 'shared' / 'weights' / 'omasaht' / 'fsanet-1x1-iter-688590.onnx'
)


def noise(path):
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    return path


def test_default_weights_come_with_the_package():
    assert DEFAULT_WEIGHTS in weight_names()
    for suffix in FORMATS:
        assert find_weights(DEFAULT_WEIGHTS, suffix).suffix == suffix


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """Return a folder with a set of weights of its own in place of the package's."""
    path = tmp_path / 'mine.onnx'
    path.write_bytes(find_weights(DEFAULT_WEIGHTS, '.onnx').read_bytes())
    index = {'mine': {'.onnx': hashlib.sha256(path.read_bytes()).hexdigest()}}
    (tmp_path / 'index.json').write_text(json.dumps(index))
    monkeypatch.setattr(weight_files, '_FOLDER', tmp_path)
    monkeypatch.setattr(weight_files, '_INDEX', tmp_path / 'index.json')
    return tmp_path


def test_a_known_file_is_found_by_name(copied):
    assert find_weights('mine', '.onnx') == copied / 'mine.onnx'


def test_a_known_file_that_changed_by_a_bit_is_refused(copied):
    content = bytearray((copied / 'mine.onnx').read_bytes())
    content[len(content) // 2] ^= 1
    (copied / 'mine.onnx').write_bytes(content)
    with pytest.raises(WeightsError, match=r'mine\.onnx has the SHA-256 .* expected .* damaged'):
        OnnxRuntime('mine')


def test_a_known_file_that_is_gone_is_missed_by_name(copied):
    (copied / 'mine.onnx').unlink()
    with pytest.raises(FileNotFoundError, match=r'mine\.onnx is missing'):
        find_weights('mine', '.onnx')


def test_known_weights_without_this_format_are_refused(copied):
    with pytest.raises(WeightsError, match=r'mine come as \.onnx, not as \.safetensors'):
        find_weights('mine', '.safetensors')


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(FileNotFoundError, match=f'no weights better.*{DEFAULT_WEIGHTS}'):
        find_weights('better', '.onnx')


def test_a_file_for_the_other_runtime_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r'ends in \.safetensors, this runtime reads \.onnx'):
        find_weights(noise(tmp_path / 'a.safetensors'), '.onnx')
    with pytest.raises(WeightsError, match='ends in nothing'):
        find_weights(noise(tmp_path / 'a'), '.onnx')


def test_random_bytes_are_refused(tmp_path):
    pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    with pytest.raises(WeightsError, match=r'a\.onnx is not a readable ONNX network'):
        OnnxRuntime(noise(tmp_path / 'a.onnx'))
    pytest.importorskip('torch', reason='PyTorch is not installed')
    with pytest.raises(WeightsError, match=r'a\.safetensors does not hold an FSA-Net'):
        torch_runtime(noise(tmp_path / 'a.safetensors'))


def test_empty_files_are_refused(tmp_path):
    for suffix, kind in (('.onnx', OnnxRuntime), ('.safetensors', torch_runtime)):
        pytest.importorskip('torch' if suffix == '.safetensors' else 'onnxruntime')
        (tmp_path / f'a{suffix}').touch()
        with pytest.raises(WeightsError):
            kind(tmp_path / f'a{suffix}')


@pytest.mark.skipif(not OTHER_ONNX.is_file(), reason=f'{OTHER_ONNX} is not there')
def test_an_onnx_network_of_somebody_else_is_refused():
    with pytest.raises(WeightsError, match='export the network with this package'):
        OnnxRuntime(OTHER_ONNX)


def test_an_onnx_network_without_description_is_refused(tmp_path):
    onnx = pytest.importorskip('onnx', reason='onnx is not installed')
    model = onnx.load(find_weights(DEFAULT_WEIGHTS, '.onnx'))
    del model.metadata_props[:]
    onnx.save(model, tmp_path / 'a.onnx')
    with pytest.raises(WeightsError, match='does not say which crop it wants'):
        OnnxRuntime(tmp_path / 'a.onnx')


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path('exploded'),)


def test_a_pickle_is_never_loaded(tmp_path, monkeypatch):
    torch = pytest.importorskip('torch', reason='PyTorch is not installed')
    monkeypatch.chdir(tmp_path)
    torch.save({'weights': Bomb()}, 'zipped.safetensors')
    Path('plain.safetensors').write_bytes(pickle.dumps(Bomb()))
    for name in ('zipped', 'plain'):
        with pytest.raises(WeightsError, match=f'{name}.safetensors does not hold an FSA-Net'):
            torch_runtime(f'{name}.safetensors')
    assert not Path('exploded').exists()


def test_tensors_of_another_network_are_refused(tmp_path):
    torch = pytest.importorskip('torch', reason='PyTorch is not installed')
    from safetensors.torch import save_file

    path = tmp_path / 'a.safetensors'
    save_file({'layer.weight': torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match='does not say which crop it wants'):
        torch_runtime(path)
    save_file({'layer.weight': torch.zeros(3)}, path, Description('a', 0.9).to_metadata())
    with pytest.raises(WeightsError, match='does not hold an FSA-Net'):
        torch_runtime(path)


def test_a_description_comes_back_as_it_was():
    model = RotationErrorModel(((0.1,) * 6,) * 3, ((0.2,) * 9,) * 3, ((1.5, 2.0, 0.0),) * 3)
    for error in (None, model):
        description = Description('a', 0.85, 127.5, 128.0, error)
        assert Description.from_metadata(description.to_metadata(), Path('a')) == description
    networks = (NetworkConfig('none', 'netvlad'), NetworkConfig(architecture='ssrnet'))
    fusion = Description('b', 1.0, crop='official', networks=networks, fusion_mean='rotations')
    assert Description.from_metadata(fusion.to_metadata(), Path('b')) == fusion


@pytest.mark.parametrize(
    'text',
    [
        'no json',
        '[]',
        '{}',
        '{"name": "a"}',
        '{"name": "a", "crop_scale": 0}',
        '{"name": "a", "crop_scale": "large"}',
        '{"name": "a", "crop_scale": 0.9, "pixel_scale": 0}',
        '{"name": "a", "crop_scale": 0.9, "rotation_error": 3}',
        '{"name": "a", "crop_scale": 0.9, "rotation_error": {"labels": [[1, 2, 3]]}}',
        '{"name": "a", "crop_scale": 0.9, "colour": "rgb"}',
        '{"name": "a", "crop_scale": 0.9, "crop": "round"}',
        '{"name": "a", "crop_scale": 0.9, "networks": [{"scoring": "2x2"}]}',
        '{"name": "a", "crop_scale": 0.9, "networks": 3}',
        '{"name": "a", "crop_scale": 0.9, "fusion_mean": "median"}',
    ],
)
def test_a_description_that_says_too_little_is_refused(text):
    with pytest.raises(WeightsError, match='which crop it wants'):
        Description.from_metadata({METADATA_KEY: text}, Path('a.onnx'))
