"""Weights that answer with what cannot be are refused when they are loaded, whatever the output."""

import json

import numpy as np
import pytest

pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')

from fsanet_ros.inference import runtime as runtime_module
from fsanet_ros.inference.description import METADATA_KEY, WeightsError
from fsanet_ros.inference.rotation_error import RotationErrorModel
from fsanet_ros.inference.runtime import make_runtime
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS, find_weights

NAN, INF = float('nan'), float('inf')
COUNT = 4  # pictures that a network is tried with


def answering(angles, errors):
    """Return the shipped network with other answers."""

    class Absurd(runtime_module.OnnxRuntime):
        def with_expected_error(self, crops):
            return angles, errors

    return Absurd


ANGLES, ERRORS = np.zeros((COUNT, 3)), np.full(COUNT, 3.0)
ABSURD = {
    'NaN angles': (np.full((COUNT, 3), NAN), ERRORS, 'no finite angles'),
    'one infinite angle': (np.where(np.eye(COUNT, 3), INF, 0.0), ERRORS, 'no finite angles'),
    'huge angles': (np.full((COUNT, 3), 1e9), ERRORS, 'an angle of 1e'),
    'two angles': (np.zeros((COUNT, 2)), ERRORS, 'angles of shape'),
    'one answer for all': (np.zeros((1, 3)), ERRORS, 'angles of shape'),
    'NaN errors': (ANGLES, np.full(COUNT, NAN), 'expected errors from nan'),
    'errors of 0': (ANGLES, np.zeros(COUNT), 'expected errors from 0'),
    'errors below 0': (ANGLES, -ERRORS, 'expected errors from -3'),
    'huge errors': (ANGLES, 1e6 * ERRORS, 'expected errors from 3e'),
    'errors for each axis': (ANGLES, np.ones((COUNT, 3)), 'expected errors of shape'),
    'no errors': (ANGLES, None, 'no expected errors'),
}


@pytest.mark.parametrize('name', ABSURD)
def test_absurd_answers_are_refused_with_what_they_are(name, monkeypatch):
    angles, errors, reason = ABSURD[name]
    monkeypatch.setattr(runtime_module, 'OnnxRuntime', answering(angles, errors))
    with pytest.raises(WeightsError, match=reason) as error:
        make_runtime(DEFAULT_WEIGHTS, 'onnxruntime')
    assert DEFAULT_WEIGHTS in str(error.value)


def test_a_network_that_fails_at_some_pictures_is_refused(monkeypatch):
    class Failing(runtime_module.OnnxRuntime):
        def with_expected_error(self, crops):
            raise RuntimeError('a batch of one only')

    monkeypatch.setattr(runtime_module, 'OnnxRuntime', Failing)
    with pytest.raises(WeightsError, match=r'no answer to 4 pictures .a batch of one only'):
        make_runtime(DEFAULT_WEIGHTS, 'onnxruntime')


@pytest.mark.parametrize('output', ['yaw_pitch_roll_deg', 'expected_error_deg'])
def test_a_file_with_one_nan_in_any_output_is_refused(output, tmp_path):
    onnx = pytest.importorskip('onnx')
    model = onnx.load(find_weights(DEFAULT_WEIGHTS, '.onnx'))
    for node in model.graph.node:
        for number, name in enumerate(node.output):
            if name == output:
                node.output[number] = 'as_it_was'
    nan = onnx.numpy_helper.from_array(np.array(NAN, np.float32), 'nan')
    model.graph.initializer.append(nan)
    model.graph.node.append(onnx.helper.make_node('Mul', ['as_it_was', 'nan'], [output]))
    path = tmp_path / 'nan.onnx'
    onnx.save(model, path)
    with pytest.raises(WeightsError, match=r'nan\.onnx give'):
        make_runtime(path, 'onnxruntime')


@pytest.mark.parametrize('value', [NAN, INF, 1e300])
def test_a_model_of_the_error_that_is_absurd_is_refused(value, tmp_path):
    onnx = pytest.importorskip('onnx')
    model = onnx.load(find_weights(DEFAULT_WEIGHTS, '.onnx'))
    for entry in model.metadata_props:
        if entry.key == METADATA_KEY:
            said = json.loads(entry.value)
            said['rotation_error']['mirrored_pass'][1][0] = value
            entry.value = json.dumps(said)
    path = tmp_path / 'absurd.onnx'
    onnx.save(model, path)
    with pytest.raises(WeightsError, match=r'absurd\.onnx'):
        make_runtime(path, 'onnxruntime')


@pytest.mark.parametrize('coefficient', [-1e4, 1e4])
def test_covariances_are_positive_and_finite_whatever_the_coefficients(coefficient):
    rows = np.full((3, 6), coefficient)
    model = RotationErrorModel(rows, np.full((3, 9), coefficient), np.zeros((3, 3)))
    known = np.random.default_rng(0).uniform(-1.0, 3.0, (50, 6))
    sigma = model.sigma_deg(known)
    assert np.isfinite(sigma).all() and (sigma > 0).all()
