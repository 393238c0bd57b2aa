"""ONNX files are changed without the package onnx, and what is none is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsanet_ros.files.onnx_files import onnx_session, with_free_size
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS, find_weights

pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')


@pytest.fixture(scope='module')
def fixed_size():
    """Return a network written down for pictures of 4 x 6: it doubles them, and adds a Relu."""
    onnx = pytest.importorskip('onnx', reason='onnx is not installed')
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node('Add', ['picture', 'picture'], ['twice']),
            helper.make_node('Relu', ['twice'], ['result']),
        ],
        'doubles',
        [helper.make_tensor_value_info('picture', kind, [1, 3, 4, 6])],
        [helper.make_tensor_value_info('result', kind, [1, 3, 4, 6])],
        value_info=[helper.make_tensor_value_info('twice', kind, [1, 3, 4, 6])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=7)
    return model.SerializeToString()


def run(content, shape):
    pixels = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    (result,) = onnx_session(content).run(['result'], {'picture': pixels})
    return result, pixels


def test_a_network_of_one_size_takes_any_other(fixed_size):
    with pytest.raises(Exception, match=r'(?i)invalid dimensions'):
        run(fixed_size, (1, 3, 7, 5))
    for shape in ((1, 3, 7, 5), (1, 3, 4, 6), (1, 3, 40, 200)):
        result, pixels = run(with_free_size(fixed_size), shape)
        assert (result == 2 * pixels).all()
    assert with_free_size(with_free_size(fixed_size)) == with_free_size(fixed_size)


def test_the_change_is_what_onnx_would_make(fixed_size):
    onnx = pytest.importorskip('onnx', reason='onnx is not installed')
    model = onnx.load_model_from_string(with_free_size(fixed_size))
    (picture,) = model.graph.input
    sizes = [d.dim_param or d.dim_value for d in picture.type.tensor_type.shape.dim]
    assert (picture.name, sizes) == ('picture', [1, 3, 'height', 'width'])
    before = onnx.load_model_from_string(fixed_size)
    assert list(model.graph.node) == list(before.graph.node)
    assert model.opset_import == before.opset_import


def test_half_a_file_is_refused_or_no_network(fixed_size):
    refused = 0
    for end in range(1, len(fixed_size)):
        try:
            run(with_free_size(fixed_size[:end]), (1, 3, 4, 6))
        except Exception as error:
            refused += isinstance(error, ValueError)
        else:
            # What is left out at the end can be of no importance.
            assert len(fixed_size) - end < 20
    assert refused > len(fixed_size) / 2


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_one_kind_of_error(content):
    try:
        with_free_size(content)
    except ValueError as error:
        assert 'ONNX' in str(error)


def test_networks_of_this_package_are_read():
    content = Path(find_weights(DEFAULT_WEIGHTS, '.onnx')).read_bytes()
    assert len(with_free_size(content)) == pytest.approx(len(content), abs=300)
