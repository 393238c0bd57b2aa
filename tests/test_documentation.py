"""What is written about the package is what the package does."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from fsanet_ros.ros.parameters import defaults_of
from fsanet_ros.ros.settings import HeadPoseSettings, VideoSourceSettings
from fsanet_ros.tools import evaluate, write_parameter_docs

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]


def test_config_and_parameter_page_are_those_of_the_settings(capsys):
    assert write_parameter_docs.main(['--check']) == 0, capsys.readouterr().err


def test_a_stale_page_is_found_and_written_anew(tmp_path):
    root = ['--root', str(tmp_path)]
    assert write_parameter_docs.main(['--check', *root]) == 1
    assert write_parameter_docs.main(root) == 0
    assert write_parameter_docs.main(['--check', *root]) == 0
    page = tmp_path / 'docs' / 'parameters.md'
    page.write_text(page.read_text().replace('lockstep', 'lock'))
    assert write_parameter_docs.main(['--check', *root]) == 1


def test_config_has_every_parameter_with_its_default():
    content = yaml.safe_load((ROOT / 'config' / 'head_pose.yaml').read_text())
    given = content['/**']['ros__parameters']
    defaults = defaults_of(HeadPoseSettings)
    assert given == defaults
    assert all(type(given[name]) is type(defaults[name]) for name in defaults)


@pytest.mark.parametrize('settings', [HeadPoseSettings, VideoSourceSettings])
def test_every_parameter_is_in_the_page(settings):
    page = (ROOT / 'docs' / 'parameters.md').read_text()
    for name in defaults_of(settings):
        assert f'| `{name}` |' in page


def test_commands_in_the_pages_exist():
    arms = re.findall(r'^  ([a-z| -]+)\)', (ROOT / 'run').read_text(), re.M)
    commands = {name.strip() for arm in arms for name in arm.split('|')}
    assert {'demo', 'test', 'shell'} <= commands
    for page in PAGES:
        text = page.read_text(encoding='utf-8')
        assert set(re.findall(r'\./run ([a-z]+)', text)) <= commands, page.name
        executables = re.findall(r'ros2 run fsanet_ros (\w+)', text)
        listed = (ROOT / 'CMakeLists.txt').read_text()
        assert all(re.search(rf'^  {name} ', listed, re.M) for name in executables), page.name
        for name in re.findall(r'fsanet_ros (\w+\.launch\.py)', text):
            assert (ROOT / 'launch' / name).is_file(), page.name


@pytest.mark.parametrize('page', PAGES, ids=lambda path: path.name)
def test_relative_links_lead_somewhere(page):
    targets = re.findall(r'\]\(([^)\s]+)\)', page.read_text(encoding='utf-8'))
    files = [t.partition('#')[0] for t in targets if not re.match(r'[a-z]+:|#', t)]
    missing = [name for name in files if not (page.parent / name).exists()]
    assert not missing


def test_every_promise_has_its_tests():
    text = (ROOT / 'docs' / 'promises.md').read_text(encoding='utf-8')
    named = re.findall(r'`(test_\w+\.py)::(test_\w+)`', text)
    assert len(named) > 30
    missing = [
        f'{file}::{name}'
        for file, name in named
        if not re.search(rf'^def {name}\(', (ROOT / 'tests' / file).read_text(), re.M)
    ]
    assert not missing


@pytest.mark.parametrize('page', PAGES, ids=lambda path: path.name)
def test_commands_that_evaluate_are_understood(page):
    text = page.read_text(encoding='utf-8')
    for line in re.findall(r'\./run evaluate ([^`#\n]+)', text):
        evaluate.make_parser().parse_args(shlex.split(line))


def test_every_option_of_evaluate_is_told_of():
    text = (ROOT / 'docs' / 'results.md').read_text(encoding='utf-8')
    options = re.findall(r'--[a-z-]+', evaluate.make_parser().format_usage())
    assert {'--crop', '--protocol', '--flip', '--json', '--report'} <= set(options)
    assert not [option for option in options if option not in text]
    assert all(f'`{name}' in text or f' {name} ' in text for name in evaluate.READERS)
