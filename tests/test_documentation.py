"""What is written about the package is what the package does."""

import re

import pytest
import yaml
from pages import PAGES, ROOT, blocks_of, name_of, text_of

from fsanet_ros.ros.parameters import defaults_of
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.ros.video_source_settings import VideoSourceSettings
from fsanet_ros.tools import write_parameter_docs, write_reference_docs


def test_config_and_parameter_page_are_those_of_the_settings(capsys):
    assert write_parameter_docs.main(['--check', '--root', str(ROOT)]) == 0, capsys.readouterr().err


def test_a_stale_page_is_found_and_written_anew(tmp_path):
    root = ['--root', str(tmp_path)]
    assert write_parameter_docs.main(['--check', *root]) == 1
    assert write_parameter_docs.main(root) == 0
    assert write_parameter_docs.main(['--check', *root]) == 0
    page = tmp_path / 'docs' / 'reference' / 'parameters.md'
    page.write_text(page.read_text().replace('lockstep', 'lock'))
    assert write_parameter_docs.main(['--check', *root]) == 1


def flat(values, prefix=''):
    """Return the parameters of a file by their full names."""
    full = {}
    for name, value in values.items():
        full |= (
            flat(value, f'{prefix}{name}.') if isinstance(value, dict) else {prefix + name: value}
        )
    return full


def test_config_has_every_parameter_with_its_default():
    content = yaml.safe_load((ROOT / 'config' / 'head_pose.yaml').read_text())
    given = flat(content['/**']['ros__parameters'])
    defaults = defaults_of(HeadPoseSettings)
    assert given == defaults
    assert all(type(given[name]) is type(defaults[name]) for name in defaults)


@pytest.mark.parametrize('settings', [HeadPoseSettings, VideoSourceSettings])
def test_every_parameter_is_in_the_page(settings):
    page = (ROOT / 'docs' / 'reference' / 'parameters.md').read_text()
    for name in defaults_of(settings):
        assert f'| `{name}` |' in page


def test_the_reference_is_that_of_messages_commands_and_docstrings(capsys):
    pytest.importorskip('torch', reason='train and export need PyTorch to show their arguments')
    assert write_reference_docs.main(['--check']) == 0, capsys.readouterr().err


def test_every_field_of_every_message_is_in_the_reference():
    page = text_of(ROOT / 'docs' / 'reference' / 'messages.md')
    for path in (ROOT / 'msg').glob('*.msg'):
        assert f'## {path.stem}\n' in page
        for name in re.findall(r'^[\w/]+(?:\[\])? (\w+)', path.read_text(), re.M):
            assert re.search(rf'^\| `{name}\b', page, re.M), (path.stem, name)


def test_commands_in_the_pages_exist():
    arms = re.findall(r'^  ([a-z| -]+)\)', (ROOT / 'run').read_text(), re.M)
    commands = {name.strip() for arm in arms for name in arm.split('|')}
    assert {'demo', 'test', 'shell'} <= commands
    for page in PAGES:
        text = text_of(page)
        assert set(re.findall(r'\./run ([a-z]+)', text)) <= commands, page.name
        executables = re.findall(r'ros2 run fsanet_ros (\w+)', text)
        listed = (ROOT / 'CMakeLists.txt').read_text()
        assert all(re.search(rf'^  {name} ', listed, re.M) for name in executables), page.name


def arguments_of_launch_files():
    """Return {file: names of its arguments}, those of the file that it includes among them."""
    texts = {path.name: path.read_text() for path in (ROOT / 'launch').glob('*.launch.py')}
    own = {
        name: set(re.findall(r"DeclareLaunchArgument\(\s*'(\w+)'", text))
        for name, text in texts.items()
    }
    included = {name: re.findall(r"'(\w+\.launch\.py)'", text) for name, text in texts.items()}

    def all_of(name):
        return own[name].union(*(all_of(other) for other in included[name]))

    return {name: all_of(name) for name in texts}


def launches_in(page):
    """Return the launch files that a page starts, and what stands behind each."""
    text = text_of(page).replace('\\\n', ' ')
    return re.findall(r'fsanet_ros (\w+\.launch\.py)([^`#\n]*)', text)


WITH_LAUNCHES = [page for page in PAGES if launches_in(page)]


@pytest.mark.parametrize('page', WITH_LAUNCHES, ids=name_of)
def test_launch_files_and_their_arguments_exist(page):
    arguments = arguments_of_launch_files()
    for file, given in launches_in(page):
        assert set(re.findall(r'(\w+):=', given)) <= arguments[file]


def test_the_pages_that_live_by_launch_files_show_some():
    assert {name_of(page) for page in WITH_LAUNCHES} >= {
        'README.md',
        'docs/tutorials/bag.md',
        'docs/tutorials/two_cameras.md',
        'docs/tutorials/your_robot.md',
    }
    given = ' '.join(after for page in WITH_LAUNCHES for _, after in launches_in(page))
    assert given.count(':=') >= 5


def test_topics_that_are_listened_to_are_those_of_the_node():
    names = set(re.findall(r'^\| `([\w/]+)` \|', text_of(ROOT / 'README.md'), re.M))
    listened = [t for page in PAGES for t in re.findall(r'ros2 topic echo (\S+)', text_of(page))]
    assert len(listened) >= 3 and len(names) >= 5
    for topic in listened:
        assert {topic, topic.lstrip('/')} & names or topic.startswith('/humans/')


@pytest.mark.parametrize('page', PAGES, ids=name_of)
def test_relative_links_lead_somewhere(page):
    text = re.sub(r'```.*?```', '', text_of(page), flags=re.S)
    targets = re.findall(r'\]\(([^)\s]+)\)', text)
    files = [t.partition('#')[0] for t in targets if not re.match(r'[a-z]+:|#', t)]
    missing = [name for name in files if not (page.parent / name).exists()]
    assert not missing


def test_pages_named_in_the_code_exist():
    folders = ('fsanet_ros', 'launch', 'config', 'sros2', 'scripts', 'tests')
    files = [path for folder in folders for path in (ROOT / folder).rglob('*.*')]
    named = [
        (path.name, page)
        for path in files
        if path.suffix in ('.py', '.yaml', '.json', '.xml', '.sh')
        for page in re.findall(r'docs/[\w/]+\.md', path.read_text(encoding='utf-8'))
    ]
    assert len(named) >= 10
    assert [(name, page) for name, page in named if not (ROOT / page).is_file()] == []


def source_texts():
    """Return the constant parts of all texts in the sources of what runs."""
    return '\n'.join(
        path.read_text(encoding='utf-8') for path in (ROOT / 'fsanet_ros').rglob('*.py')
    )


def test_messages_in_troubleshooting_are_those_of_the_code():
    page = text_of(ROOT / 'docs' / 'troubleshooting.md')
    tables = re.findall(r'^\| the log says \|.*?(?=\n\n|\Z)', page, re.M | re.S)
    quoted = [
        text
        for table in tables
        for row in table.splitlines()[2:]
        for text in re.findall(r'`([^`]+)`', row.split('|')[1])
    ]
    assert len(quoted) > 10
    sources = re.sub(r"'\s*\n\s*f?'", '', source_texts())  # texts that go on in the next line
    for text in quoted:
        for part in re.split(r"\.\.\.|'screen'", text):
            assert part.strip(' :') in sources, text


def parameters_in(page):
    """Give the names of parameters of our nodes that a page mentions."""
    text = text_of(page)
    for line in text.replace('\\\n', ' ').splitlines():
        if re.search(r'\./run (node|source)|ros2 run fsanet_ros|^Without launch', line):
            yield from re.findall(r'-p ([\w.]+):=', line)
    yield from re.findall(r'ros2 param set /\S*head_pose (\S+)', text)
    groups = {name.partition('.')[0] for name in defaults_of(HeadPoseSettings) if '.' in name}
    for name in re.findall(r'`([a-z_]+\.[a-z_0-9]+)(?:: [^`]*)?`', text):
        if name.partition('.')[0] in groups:
            yield name
    for block in blocks_of(page, 'yaml'):
        for content in (yaml.safe_load(block.text) or {}).values():
            yield from flat(content.get('ros__parameters', {}))


def test_parameters_in_the_pages_exist():
    known = {*defaults_of(HeadPoseSettings), *defaults_of(VideoSourceSettings), 'use_sim_time'}
    named = {name for page in PAGES for name in parameters_in(page)}
    assert len(named) > 20
    assert named <= known


def test_who_cites_the_package_cites_its_version():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text(encoding='utf-8'))
    package = text_of(ROOT / 'package.xml')
    assert f'<version>{citation["version"]}</version>' in package
    assert f'>{citation["license"]}</license>' in package


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
