"""The launch files start what exists, with names that exist; read with stand-ins for launch."""

import ast
import importlib.util
import re
import sys
import types
from pathlib import Path

import pytest
import yaml

from fsanet_ros.ros.parameters import defaults_of, settings_from
from fsanet_ros.ros.settings import HeadPoseSettings, VideoSourceSettings

ROOT = Path(__file__).resolve().parents[1]
LAUNCH_FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
DEBUG_TOPICS = {1: {'/debug_image'}, 2: {'/debug_image_0', '/debug_image_1'}}  # by cameras
SETTINGS = {'head_pose': HeadPoseSettings, 'video_source': VideoSourceSettings}
MODULES = (
    'launch',
    'launch.actions',
    'launch.conditions',
    'launch.events',
    'launch.events.process',
    'launch.launch_description_sources',
    'launch.substitutions',
    'launch_ros',
    'launch_ros.actions',
    'launch_ros.parameter_descriptions',
    'launch_ros.substitutions',
)


class Recorded:
    """Stands in for every class of launch: remembers what it was made with."""

    def __init__(self, *args, **kwargs):
        self.args, self.kwargs = args, kwargs

    def perform(self, context):
        return text(self, context)


def stand_in(name):
    module = types.ModuleType(name)
    module.__path__ = []
    module.__getattr__ = lambda kind: type(kind, (Recorded,), {})
    return module


def text(value, context):
    """Return what a substitution stands for; package shares are the repository."""
    if isinstance(value, str):
        return value
    kind = type(value).__name__
    if kind == 'LaunchConfiguration':
        return text(context[value.args[0]], context)
    if kind == 'FindPackageShare':
        assert value.args == ('fsanet_ros',)
        return str(ROOT)
    assert kind == 'PathJoinSubstitution', kind
    return '/'.join(text(part, context) for part in value.args[0])


class Launch:
    """A launch file, read with stand-ins: its arguments, nodes and included files."""

    def __init__(self, path, monkeypatch, **given):
        with monkeypatch.context() as patch:
            for name in MODULES:
                patch.setitem(sys.modules, name, stand_in(name))
            spec = importlib.util.spec_from_file_location(path.name.replace('.', '_'), path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            (entities,) = module.generate_launch_description().args
        self.arguments = {
            entity.args[0]: entity.kwargs for entity in of_kind(entities, 'DeclareLaunchArgument')
        }
        assert set(given) <= set(self.arguments)
        self.context = {name: a['default_value'] for name, a in self.arguments.items()} | given
        for entity in of_kind(entities, 'OpaqueFunction'):
            entities = [*entities, *entity.kwargs['function'](self.context)]
        self.nodes = [node.kwargs for node in of_kind(entities, 'Node', 'LifecycleNode')]
        self.lifecycle_nodes = [node.kwargs for node in of_kind(entities, 'LifecycleNode')]
        self.includes = of_kind(entities, 'IncludeLaunchDescription')

    def node(self, executable):
        (node,) = (node for node in self.nodes if node['executable'] == executable)
        return node

    def parameters(self, executable):
        """Return {name: value} of a node, later ones over earlier ones, files read."""
        values = {}
        for source in self.node(executable).get('parameters', []):
            if isinstance(source, dict):
                values |= source
            else:
                content = yaml.safe_load(Path(text(source, self.context)).read_text())
                values |= flat(content['/**']['ros__parameters'])
        return values

    def included(self, monkeypatch, **given):
        """Return the file that this one includes, with what it is given here and there."""
        (include,) = self.includes
        path = Path(text(include.args[0].args[0], self.context))
        passed = {
            name: text(value, self.context) for name, value in include.kwargs['launch_arguments']
        }
        # Launch knows what is given, and declared here, in the included file too.
        names = Launch(path, monkeypatch).arguments
        context = {name: value for name, value in self.context.items() if name in names}
        return Launch(path, monkeypatch, **context | given | passed)


def flat(values, prefix=''):
    """Return the parameters of a file by their full names."""
    full = {}
    for name, value in values.items():
        full |= (
            flat(value, f'{prefix}{name}.') if isinstance(value, dict) else {prefix + name: value}
        )
    return full


def of_kind(entities, *kinds):
    return [entity for entity in entities if type(entity).__name__ in kinds]


def test_there_are_launch_files():
    names = {path.name.removesuffix('.launch.py') for path in LAUNCH_FILES}
    assert names == {'head_pose', 'several_cameras', 'demo', 'webcam'}


@pytest.fixture(params=LAUNCH_FILES, ids=lambda path: path.name)
def launch(request, monkeypatch):
    return Launch(request.param, monkeypatch)


def test_every_argument_is_described_and_has_a_default(launch):
    assert launch.arguments
    for name, argument in launch.arguments.items():
        assert len(argument['description']) > 10 and argument['description'].endswith('.'), name
        assert 'default_value' in argument, name
        assert argument['default_value'] in argument.get('choices', [argument['default_value']])


def test_every_argument_is_used():
    for path in LAUNCH_FILES:
        strings = [
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        declared = re.findall(r"DeclareLaunchArgument\(\s*'(\w+)'", path.read_text())
        assert declared and all(strings.count(name) >= 2 for name in declared)


def test_executables_are_installed(launch):
    block = re.search(r'set\(executables\n(.*?)\)', (ROOT / 'CMakeLists.txt').read_text(), re.S)
    installed = {line.split()[0] for line in block[1].strip().splitlines()}
    assert launch.nodes or launch.includes
    for node in launch.nodes:
        if node['package'] == 'fsanet_ros':
            assert node['executable'] in installed
        else:
            assert (node['package'], node['executable']) == ('rviz2', 'rviz2')


def test_parameters_are_those_of_the_node(launch):
    for node in launch.nodes:
        if node['package'] != 'fsanet_ros':
            continue
        values = launch.parameters(node['executable'])
        defaults = defaults_of(SETTINGS[node['executable']])
        assert set(values) <= set(defaults)
        assert all(type(values[name]) is type(defaults[name]) for name in values)


def test_remapped_topics_are_those_of_the_node(launch):
    ours = topics_in_sources('attention_output.py', 'outputs.py')
    for node in launch.nodes:
        topics = {source for source, _ in node.get('remappings', [])}
        topics -= DEBUG_TOPICS[1] | DEBUG_TOPICS[2]
        assert {topic.lstrip('/') for topic in topics} <= ours


def test_debug_images_are_those_of_the_node():
    outputs = pytest.importorskip('fsanet_ros.ros.output.outputs')
    for cameras, topics in DEBUG_TOPICS.items():
        assert {f'/{topic}' for topic in outputs.debug_topics(cameras)} == topics


def topics_in_sources(*names):
    strings = set()
    for name in names:
        tree = ast.parse((ROOT / 'fsanet_ros' / 'ros' / 'output' / name).read_text())
        strings |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return strings


def test_files_named_as_defaults_exist(launch):
    for argument in launch.arguments.values():
        if not isinstance(argument['default_value'], str):
            assert Path(text(argument['default_value'], launch.context)).is_file()


@pytest.mark.parametrize('name', ['several_cameras', 'demo', 'webcam'])
def test_included_files_exist_and_take_the_arguments(name, monkeypatch):
    launch = Launch(ROOT / 'launch' / f'{name}.launch.py', monkeypatch)
    included = launch.included(monkeypatch)
    (include,) = launch.includes
    passed = dict(include.kwargs['launch_arguments'])
    assert passed and set(passed) <= set(included.arguments)


def head_pose_launch(monkeypatch, **given):
    return Launch(ROOT / 'launch' / 'head_pose.launch.py', monkeypatch, **given)


def test_the_node_is_one_that_launch_can_manage(monkeypatch):
    launch = head_pose_launch(monkeypatch, namespace='robot')
    (node,) = launch.lifecycle_nodes
    assert (node['name'], node['namespace']) == ('head_pose', 'robot')


@pytest.mark.parametrize(
    ('image', 'topics'),
    [
        ('/camera/image_raw', ['/camera/image_raw']),
        ('image', ['image']),
        ('/front/image, rear/image', ['/front/image', 'rear/image']),
        ("['/front/image','rear/image']", ['/front/image', 'rear/image']),
    ],
)
def test_images_are_one_topic_or_several(monkeypatch, image, topics):
    launch = head_pose_launch(monkeypatch, image=image)
    assert launch.parameters('head_pose')['input.image_topics'] == topics
    # The node finds the calibration beside the images.
    assert not launch.node('head_pose')['remappings']


def test_cameras_without_depth_are_left_out(monkeypatch):
    launch = head_pose_launch(monkeypatch, image='/a/image,/b/image', depth='/a/depth,')
    values = launch.parameters('head_pose')
    assert values['input.depth_topics'] == ['/a/depth', '']
    assert not settings_from(HeadPoseSettings, values).conflict()


@pytest.mark.parametrize(
    ('image', 'beside'),
    [
        ('', 'camera_info'),
        ('image', 'camera_info'),
        ('/image', '/camera_info'),
        ('/camera/image_raw', '/camera/camera_info'),
    ],
)
def test_another_calibration_takes_the_place_of_that_beside_the_images(monkeypatch, image, beside):
    launch = head_pose_launch(monkeypatch, image=image, camera_info='/calibration')
    assert launch.node('head_pose')['remappings'] == [(beside, '/calibration')]
    camera = pytest.importorskip('fsanet_ros.ros.input.topic_camera')
    assert camera.info_topic(image or 'image') == beside


def test_one_calibration_for_several_cameras_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r'/calibration.*2 cameras.*SetRemap'):
        head_pose_launch(monkeypatch, image='/a/image,/b/image', camera_info='/calibration')


def test_what_is_not_given_is_not_set_so_that_outer_launch_files_can_set_it(monkeypatch):
    # What a node is given here goes before SetParameter of whoever includes the file.
    assert head_pose_launch(monkeypatch).node('head_pose')['parameters'] == []
    demo = Launch(ROOT / 'launch' / 'demo.launch.py', monkeypatch)
    assert set(demo.parameters('video_source')) == {'loop', 'wait_for_subscriber_s'}
    for name in ('demo', 'webcam', 'several_cameras'):
        launch = Launch(ROOT / 'launch' / f'{name}.launch.py', monkeypatch)
        while launch.includes:
            launch = launch.included(monkeypatch)
        assert set(launch.parameters('head_pose')) <= {
            'input.image_topics', 'input.image_transport'
        }  # fmt: skip


def test_what_is_given_is_set_over_the_file(monkeypatch):
    file = str(ROOT / 'config' / 'head_pose.yaml')
    given = {'image_transport': 'compressed', 'use_sim_time': 'true', 'autostart': 'false'}
    launch = head_pose_launch(monkeypatch, params_file=file, **given)
    assert launch.node('head_pose')['parameters'] == [
        file,
        {'input.image_transport': 'compressed', 'use_sim_time': True, 'autostart': False},
    ]


def test_arguments_named_like_parameters_have_their_values(monkeypatch):
    launch = head_pose_launch(monkeypatch)
    switches = {n for n, a in launch.arguments.items() if a.get('choices') == ['', 'true', 'false']}
    assert {'autostart', 'hri', 'deterministic', 'use_sim_time'} <= switches
    defaults = defaults_of(HeadPoseSettings) | {'use_sim_time': False}
    for name in switches:
        (parameter,) = (full for full in defaults if full.rpartition('.')[2] == name)
        assert isinstance(defaults[parameter], bool)
        changed = head_pose_launch(monkeypatch, **{name: str(not defaults[parameter]).lower()})
        assert changed.parameters('head_pose')[parameter] is not defaults[parameter]


def test_an_enclave_is_passed_on(monkeypatch):
    assert '--enclave' not in head_pose_launch(monkeypatch).node('head_pose')['ros_arguments']
    launch = head_pose_launch(monkeypatch, enclave='/robot/eyes')
    assert launch.node('head_pose')['ros_arguments'][-2:] == ['--enclave', '/robot/eyes']


def test_a_webcam_is_a_demo_with_a_camera(monkeypatch):
    webcam = Launch(ROOT / 'launch' / 'webcam.launch.py', monkeypatch)
    demo = webcam.included(monkeypatch, width='1280', camera_info_url='webcam.yaml')
    source = demo.parameters('video_source')
    assert source['source'] == '0' and not source['loop']
    assert source['width'] == 1280 and source['camera_info_url'] == 'webcam.yaml'
    assert demo.context['rviz'] == 'true'
    assert demo.included(monkeypatch).parameters('head_pose')['input.image_topics'] == ['image']


def test_several_cameras_have_a_node_and_pictures_in_rviz(monkeypatch):
    launch = Launch(ROOT / 'launch' / 'several_cameras.launch.py', monkeypatch)
    included = launch.included(monkeypatch)
    topics = included.parameters('head_pose')['input.image_topics']
    assert topics == ['/front/image_raw', '/rear/image_raw']
    config = yaml.safe_load(Path(included.context['rviz_config']).read_text())
    shown = {topic for kind, topic in displays(config) if kind == 'Image'}
    assert shown == DEBUG_TOPICS[len(topics)]


def displays(config):
    """Return [(kind, topic)] of what RViz shows, topic None where there is none."""
    return [
        (display['Class'].rpartition('/')[2], display.get('Topic', {}).get('Value'))
        for display in config['Visualization Manager']['Displays']
    ]


@pytest.mark.parametrize(
    ('name', 'cameras', 'frame'),
    [('head_pose', 1, VideoSourceSettings().frame_id), ('several_cameras', 2, 'base_link')],
)
def test_rviz_shows_topics_of_the_node(monkeypatch, name, cameras, frame):
    config = yaml.safe_load((ROOT / 'rviz' / f'{name}.rviz').read_text())
    topics = {topic for _, topic in displays(config) if topic}
    common = {'/markers', '/attention_markers', '/poses'}
    assert topics == common | DEBUG_TOPICS[cameras]
    assert {topic.lstrip('/') for topic in common} <= topics_in_sources(
        'attention_output.py', 'outputs.py'
    )
    # Each is moved into the namespace of the node.
    rviz = head_pose_launch(monkeypatch).node('rviz2')
    assert {(topic, topic.lstrip('/')) for topic in topics} <= set(rviz['remappings'])
    assert config['Visualization Manager']['Global Options']['Fixed Frame'] == frame
    # Its panels are in the window.
    images = {
        d['Name'] for d in config['Visualization Manager']['Displays'] if 'Image' in d['Class']
    }
    assert images <= set(config['Window Geometry'])


def test_both_rviz_files_differ_in_images_and_view_only():
    first, second = (
        yaml.safe_load((ROOT / 'rviz' / f'{name}.rviz').read_text())['Visualization Manager']
        for name in ('head_pose', 'several_cameras')
    )
    for config in (first, second):
        config['Displays'] = [
            {key: value for key, value in display.items() if key != 'Name'}
            for display in config['Displays']
            if 'Image' not in display['Class']
        ]
        del config['Views'], config['Global Options']['Fixed Frame']
    assert first == second
