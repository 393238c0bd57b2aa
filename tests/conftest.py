"""The head model that several files of tests render with."""

from pathlib import Path

import pytest

from fsanet_ros.rendering import Figure, HeadModel

MODEL_PATH = Path(__file__).parents[2] / 'shared/data/ict_facekit/ict_face_model_light.npz'


@pytest.fixture(scope='session')
def model():
    if not MODEL_PATH.is_file():
        pytest.skip('the head model ../shared/data/ict_facekit is not here')
    return HeadModel.load(MODEL_PATH)


@pytest.fixture(scope='session')
def figure(model):
    return Figure(model, sky_directions=0)
