"""The layout for Foxglove shows what the node publishes, and nothing else."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYOUT = json.loads((ROOT / 'config' / 'foxglove_layout.json').read_text(encoding='utf-8'))
PANELS = LAYOUT['configById']
NUMBERS = r'(?:float|int|uint)\d+'
# What each kind of panel can show.
SHOWN = {
    'Image': {'sensor_msgs/Image', 'sensor_msgs/CompressedImage'},
    '3D': {'visualization_msgs/MarkerArray', 'sensor_msgs/CameraInfo', 'geometry_msgs/PoseArray'},
    'DiagnosticSummary': {'diagnostic_msgs/DiagnosticArray'},
}


def published():
    """Return {topic: type} as the README has them."""
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    rows = re.findall(r'^\| `(/?\w+)` \| (\w+/\w+) \|', readme, re.M)
    return {f'/{topic.lstrip("/")}': kind for topic, kind in rows}


def topics_of(panel):
    """Yield the topics that a panel's settings name."""
    yield from panel.get('topics', {})
    for name in ('topicToRender', 'imageTopic'):
        for settings in (panel, panel.get('imageMode', {})):
            if name in settings:
                yield settings[name]


def paths_of(panel):
    return [path['value'] for path in panel.get('paths', [])]


def leaves(node):
    if isinstance(node, str):
        return [node]
    assert node['direction'] in ('row', 'column') and 0 < node['splitPercentage'] < 100
    return [*leaves(node['first']), *leaves(node['second'])]


def type_of(kind, fields):
    """Return the type at the end of a path, such as heads[:].yaw, by our .msg files."""
    for field in fields:
        name, index = re.fullmatch(r'(\w+)(\[(?::|\d+)\])?', field).groups()
        file = ROOT / 'msg' / f'{kind.rpartition("/")[2]}.msg'
        assert file.is_file(), f'{kind} has no {name}'
        found = re.search(rf'^([\w/]+)(\[\])? {name}$', file.read_text(), re.M)
        assert found, f'{kind} has no {name}'
        assert bool(index) == bool(found[2]), field
        kind = found[1]
    return kind


def test_every_panel_has_its_place_and_its_settings():
    places = leaves(LAYOUT['layout'])
    assert sorted(places) == sorted(PANELS) and len(set(places)) == len(places)
    assert set(LAYOUT) == {
        'configById',
        'globalVariables',
        'userNodes',
        'playbackConfig',
        'layout',
    }


@pytest.mark.parametrize('name', PANELS)
def test_panels_show_topics_of_the_node_that_they_can_show(name):
    topics, known = list(topics_of(PANELS[name])), published()
    assert topics or paths_of(PANELS[name])
    for topic in topics:
        assert known[topic] in SHOWN[name.partition('!')[0]]


@pytest.mark.parametrize('name', [name for name in PANELS if paths_of(PANELS[name])])
def test_paths_lead_to_fields_that_can_be_plotted(name):
    for path in paths_of(PANELS[name]):
        topic, *fields = path.split('.')
        if fields[-1].startswith('@'):
            assert fields.pop() == '@rad2deg'
        kind = type_of(published()[topic], fields)
        assert re.fullmatch(NUMBERS if name.startswith('Plot') else 'string', kind)


def test_the_view_stands_in_a_frame_that_the_launch_files_publish():
    followed = PANELS['3D!heads']['followTf']
    assert followed == PANELS['3D!heads']['layers']['floor']['frameId']
    launched = ''.join(path.read_text(encoding='utf-8') for path in (ROOT / 'launch').glob('*.py'))
    assert f"'{followed}'" in launched


def test_foxglove_is_served_what_the_layout_needs():
    """The SDK takes our messages by their definitions, and tells clients so."""
    foxglove = pytest.importorskip('foxglove', reason='the package foxglove-sdk is not installed')
    client = pytest.importorskip('websockets.sync.client')
    known = published()
    topics = {topic for panel in PANELS.values() for topic in topics_of(panel)}
    topics |= {path.partition('.')[0] for panel in PANELS.values() for path in paths_of(panel)}
    server = foxglove.start_server(host='127.0.0.1', port=0)
    channels = []
    try:
        for topic in topics:
            package, _, name = known[topic].partition('/')
            file = ROOT / 'msg' / f'{name}.msg'
            schema = foxglove.Schema(
                name=f'{package}/msg/{name}',
                encoding='ros2msg',
                data=file.read_bytes() if file.is_file() else b'',
            )
            channels.append(foxglove.Channel(topic, schema=schema, message_encoding='cdr'))
        advertised = {}
        address = f'ws://127.0.0.1:{server.port}'
        with client.connect(address, subprotocols=['foxglove.sdk.v1']) as connection:
            while set(advertised) < topics:
                message = connection.recv(timeout=30)
                if isinstance(message, str) and json.loads(message)['op'] == 'advertise':
                    for channel in json.loads(message)['channels']:
                        advertised[channel['topic']] = channel['schemaName'].replace('/msg/', '/')
        assert {topic: advertised[topic] for topic in topics} == {t: known[t] for t in topics}
    finally:
        for channel in channels:
            channel.close()
        server.stop()
