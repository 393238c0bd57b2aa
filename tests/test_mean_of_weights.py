"""``models fuse --mean weights``: one network of several of one kind."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('safetensors')

from safetensors.numpy import load_file

from fsanet_ros.inference.runtime import make_runtime
from fsanet_ros.inference.weight_files import find_weights
from fsanet_ros.network.fusion import build, mean_weights
from fsanet_ros.network.published_weights import fuse
from fsanet_ros.tools import models


def test_each_weight_is_the_mean_and_the_network_is_as_large_as_one(tmp_path):
    written = fuse(['fsanet_1x1', 'fsanet_free'], 'mean', tmp_path, mean='weights')
    first, second = (
        load_file(find_weights(name, '.safetensors')) for name in ('fsanet_1x1', 'fsanet_free')
    )
    mean = load_file(tmp_path / 'mean.safetensors')
    assert set(mean) == set(first) and written.difference_deg < 1e-3
    for name, values in mean.items():
        if values.dtype.kind == 'f':
            assert np.allclose(values, (first[name] + second[name]) / 2, atol=1e-6), name
    assert len(written.networks) == 1


def test_the_mean_of_a_network_with_itself_is_that_network(tmp_path):
    fuse(['fsanet_1x1', 'fsanet_1x1'], 'same', tmp_path, mean='weights')
    crops = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    same = make_runtime(str(tmp_path / 'same.onnx'))
    assert np.allclose(same(crops), make_runtime('fsanet_1x1')(crops), atol=1e-3)


def test_networks_of_different_kinds_are_refused(tmp_path, capsys):
    kinds = [build(make_runtime(f'fsanet_{k}').description.configs) for k in ('1x1', 'fusion')]
    with pytest.raises(ValueError, match='expected one kind'):
        mean_weights(kinds)
    words = ['fuse', 'fsanet_1x1', 'fsanet_fusion', '--mean', 'weights', '--name', 'x']
    assert models.main([*words, '--output', str(tmp_path)]) == 1
    assert 'fsanet_fusion is a fusion itself' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
