"""The same angles from onnxruntime and PyTorch, in any batch, and the right one chosen."""

import importlib.util

import numpy as np
import pytest

from fsanet_ros.inference import runtime
from fsanet_ros.inference.description import Description
from fsanet_ros.inference.onnx_runtime import OnnxRuntime
from fsanet_ros.inference.rotation_error import RotationErrorModel
from fsanet_ros.inference.runtime import make_runtime
from fsanet_ros.inference.torch_fallback import torch_runtime
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS

pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')

ERRORS = RotationErrorModel(((0.1,) * 6,) * 3, ((0.2,) * 9,) * 3, ((1.5, 2.0, 0.0),) * 3)
DESCRIPTION = Description('random', 0.85, 127.5, 128.0, ERRORS)


def crops(count):
    return np.random.default_rng(count).integers(0, 256, (count, 64, 64, 3), np.uint8)


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """Return a folder with an untrained network as random.onnx and random.safetensors."""
    torch = pytest.importorskip('torch', reason='PyTorch is not installed')
    pytest.importorskip('onnx', reason='onnx is not installed')
    from fsanet_ros.network.onnx_export import export_onnx
    from fsanet_ros.network.state_files import save_network
    from fsanet_ros.network.variants import build_network

    torch.manual_seed(5)
    network = build_network(DESCRIPTION.configs[0])
    # Statistics that are not the initial ones, so that a mistake in them shows.
    network.train()
    network(torch.from_numpy(crops(16)).permute(0, 3, 1, 2).float())
    folder = tmp_path_factory.mktemp('weights')
    difference = export_onnx(network.eval(), DESCRIPTION, folder / 'random.onnx')
    assert difference < 1e-3
    save_network(network, DESCRIPTION, folder / 'random.safetensors')
    return folder


@pytest.fixture(params=['shipped', 'random'])
def both(request):
    pytest.importorskip('torch', reason='PyTorch is not installed')
    if request.param == 'shipped':
        return OnnxRuntime(DEFAULT_WEIGHTS), torch_runtime(DEFAULT_WEIGHTS)
    folder = request.getfixturevalue('exported')
    return OnnxRuntime(folder / 'random.onnx'), torch_runtime(folder / 'random.safetensors')


def test_both_runtimes_give_the_same_angles(both):
    with_onnxruntime, with_torch = both
    assert np.abs(with_onnxruntime(crops(32)) - with_torch(crops(32))).max() < 1e-3


def test_both_runtimes_read_the_same_description(both):
    assert both[0].description == both[1].description


@pytest.mark.parametrize('which', [0, 1])
def test_angles_do_not_depend_on_the_batch(both, which):
    network = both[which]
    faces = crops(16)
    together = network(faces)
    assert together.shape == (16, 3) and together.dtype == np.float64
    for size in (1, 2, 5):
        parts = [network(faces[i : i + size]) for i in range(0, 16, size)]
        assert np.abs(np.concatenate(parts) - together).max() < 1e-4
    assert network(faces[:0]).shape == (0, 3)


@pytest.mark.parametrize('threads', [2, 3])
def test_faces_that_threads_share_keep_their_angles_and_order(threads):
    alone, shared = OnnxRuntime(), OnnxRuntime(threads=threads)
    for count in (0, 1, 7, 8, 13, 16):
        expected, found = (n.with_expected_error(crops(count)) for n in (alone, shared))
        for one, other in zip(expected, found, strict=True):
            assert one.shape == other.shape and np.abs(one - other).max(initial=0.0) < 1e-4


@pytest.mark.parametrize('which', [0, 1])
def test_crops_may_be_views_of_a_larger_array(both, which):
    faces = crops(6)
    expected = both[which](np.ascontiguousarray(faces[::-2]))
    assert both[which](faces[::-2]) == pytest.approx(expected, abs=1e-6)


def test_description_survives_the_file(exported):
    assert OnnxRuntime(exported / 'random.onnx').description == DESCRIPTION


def test_exported_network_is_readable_by_old_onnxruntimes(exported):
    import onnx

    model = onnx.load(exported / 'random.onnx')
    assert [o.version for o in model.opset_import if o.domain in ('', 'ai.onnx')] == [13]
    assert model.ir_version <= 8
    (batch, *sides) = model.graph.input[0].type.tensor_type.shape.dim
    assert batch.dim_param and [s.dim_value for s in sides] == [64, 64, 3]


def without(monkeypatch, *missing):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        runtime.importlib.util,
        'find_spec',
        lambda name, *rest: None if name in missing else find_spec(name, *rest),
    )


def test_auto_takes_onnxruntime():
    assert make_runtime(name='auto').name == 'onnxruntime'


def test_auto_takes_torch_where_there_is_no_onnxruntime(monkeypatch):
    pytest.importorskip('torch', reason='PyTorch is not installed')
    without(monkeypatch, 'onnxruntime')
    assert make_runtime(name='auto').name == 'torch'


def test_auto_takes_the_runtime_that_the_file_is_for(exported):
    assert make_runtime(exported / 'random.safetensors').name == 'torch'
    assert make_runtime(exported / 'random.onnx').name == 'onnxruntime'


@pytest.mark.parametrize('name', ['auto', 'onnxruntime', 'torch'])
def test_without_a_runtime_the_error_says_what_to_install(monkeypatch, name):
    without(monkeypatch, 'onnxruntime', 'torch')
    wanted = 'torch' if name == 'torch' else 'onnxruntime'
    with pytest.raises(ImportError, match=f'pip install {wanted}'):
        make_runtime(name=name)


def test_an_unknown_runtime_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'tensorrt'.*auto, onnxruntime, torch"):
        make_runtime(name='tensorrt')
