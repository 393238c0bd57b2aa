"""The launch files start what exists, with names that exist; also where launch is not installed."""

import ast
import importlib.util
import re
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml
from ros_helpers import NodeProcess, until

from fsanet_ros.ros.parameters import defaults_of
from fsanet_ros.ros.settings import HeadPoseSettings, VideoSourceSettings

ROOT = Path(__file__).resolve().parents[1]
LAUNCH_FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
SETTINGS = {'head_pose': HeadPoseSettings, 'video_source': VideoSourceSettings}
MODULES = (
    'launch',
    'launch.actions',
    'launch.conditions',
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
    if kind == 'ParameterValue':
        return value.kwargs['value_type'](text(value.args[0], context))
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
        self.nodes = [node.kwargs for node in of_kind(entities, 'Node')]
        self.includes = of_kind(entities, 'IncludeLaunchDescription')

    def node(self, executable):
        (node,) = (node for node in self.nodes if node['executable'] == executable)
        return node

    def parameters(self, executable):
        """Return {name: value} of a node, later ones over earlier ones, files read."""
        values = {}
        for source in self.node(executable).get('parameters', []):
            if isinstance(source, dict):
                values |= {
                    name: value if isinstance(value, (bool, int, float)) else
                    text(value, self.context) for name, value in source.items()
                }  # fmt: skip
            else:
                content = yaml.safe_load(Path(text(source, self.context)).read_text())
                values |= content['/**']['ros__parameters']
        return values


def of_kind(entities, kind):
    return [entity for entity in entities if type(entity).__name__ == kind]


def test_there_are_launch_files():
    assert {path.name for path in LAUNCH_FILES} == {'head_pose.launch.py', 'demo.launch.py'}


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
    assert launch.nodes
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
        assert values and set(values) <= set(defaults)
        assert all(type(values[name]) is type(defaults[name]) for name in values)


def test_remapped_topics_are_those_of_the_node(launch):
    ours = topics_in_sources('node.py', 'outputs.py')
    for node in launch.nodes:
        topics = {source.lstrip('/') for source, _ in node.get('remappings', [])}
        assert topics <= ours


def topics_in_sources(*names):
    strings = set()
    for name in names:
        tree = ast.parse((ROOT / 'fsanet_ros' / 'ros' / name).read_text())
        strings |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return strings


def test_files_named_as_defaults_exist(launch):
    for argument in launch.arguments.values():
        if not isinstance(argument['default_value'], str):
            assert Path(text(argument['default_value'], launch.context)).is_file()


def test_included_files_exist_and_take_the_arguments(monkeypatch):
    demo = Launch(ROOT / 'launch' / 'demo.launch.py', monkeypatch)
    (include,) = demo.includes
    (source,) = include.args
    path = Path(text(source.args[0], demo.context))
    assert path.is_file()
    taken = Launch(path, monkeypatch).arguments
    assert {name for name, _ in include.kwargs['launch_arguments']} <= set(taken)


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        ({}, ('image', 'camera_info')),
        (
            {'image': '/camera/image_raw'},
            ('/camera/image_raw', '/camera/camera_info'),
        ),
        (
            {'image': 'rgb/image', 'camera_info': '/calibration'},
            ('rgb/image', '/calibration'),
        ),
    ],
)
def test_topics_follow_the_image_topic(monkeypatch, given, expected):
    launch = Launch(ROOT / 'launch' / 'head_pose.launch.py', monkeypatch, **given)
    remappings = dict(launch.node('head_pose')['remappings'])
    assert tuple(remappings[name] for name in ('image', 'camera_info')) == expected


def test_empty_arguments_hide_no_parameter(monkeypatch):
    path = ROOT / 'launch' / 'head_pose.launch.py'
    assert len(Launch(path, monkeypatch).node('head_pose')['parameters']) == 1
    launch = Launch(path, monkeypatch, image_transport='compressed', use_sim_time='true')
    assert launch.node('head_pose')['parameters'][1] == {
        'image_transport': 'compressed', 'use_sim_time': True
    }  # fmt: skip


def test_rviz_shows_topics_of_the_node(monkeypatch):
    config = yaml.safe_load((ROOT / 'rviz' / 'head_pose.rviz').read_text())
    displays = config['Visualization Manager']['Displays']
    topics = {display['Topic']['Value'] for display in displays if 'Topic' in display}
    assert {'/markers', '/debug_image'} <= topics
    assert {topic.lstrip('/') for topic in topics} <= topics_in_sources('outputs.py')
    # Each is moved into the namespace of the node.
    rviz = Launch(ROOT / 'launch' / 'head_pose.launch.py', monkeypatch).node('rviz2')
    assert set(rviz['remappings']) == {(topic, topic.lstrip('/')) for topic in topics}
    frame = config['Visualization Manager']['Global Options']['Fixed Frame']
    assert frame == VideoSourceSettings().frame_id


# ---- for real, where launch and the built package are installed


@pytest.fixture
def installed():
    pytest.importorskip('launch_ros', reason='launch_ros is not installed (not on PyPI)')
    from ament_index_python.packages import PackageNotFoundError, get_package_share_path

    try:
        share = get_package_share_path('fsanet_ros')
    except PackageNotFoundError:
        pytest.skip('fsanet_ros is not installed')
    if not (share / 'launch' / 'demo.launch.py').is_file():
        pytest.skip(f'the launch files are not installed in {share}')
    return share


@pytest.mark.ros
@pytest.mark.parametrize('name', [path.name for path in LAUNCH_FILES])
def test_arguments_can_be_shown(installed, name):
    code = (
        'import sys; from ros2launch.api.api import print_arguments_of_launch_file as p; '
        'p(launch_file_path=sys.argv[1])'
    )
    pytest.importorskip('ros2launch')
    shown = subprocess.run(
        [sys.executable, '-c', code, str(installed / 'launch' / name)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert shown.returncode == 0, shown.stderr
    assert "'params_file':" in shown.stdout and 'Parameters of the node' in shown.stdout


@pytest.mark.ros
@pytest.mark.slow
def test_the_demo_is_launched(installed, tmp_path):
    rclpy = pytest.importorskip('rclpy')
    np, cv2 = pytest.importorskip('numpy'), pytest.importorskip('cv2')
    from rclpy.executors import SingleThreadedExecutor

    from fsanet_ros.msg import HeadPoseArray

    cv2.imwrite(str(tmp_path / 'grey.png'), np.full((120, 160, 3), 90, np.uint8))
    code = (
        'import sys; from launch import LaunchDescription, LaunchService; '
        'from launch.actions import IncludeLaunchDescription as I; '
        'service = LaunchService(); '
        'from launch.launch_description_sources import PythonLaunchDescriptionSource as P; '
        'pairs = [word.split(":=") for word in sys.argv[2:]]; '
        'service.include_launch_description(LaunchDescription('
        '[I(P(sys.argv[1]), launch_arguments=pairs)])); sys.exit(service.run())'
    )
    arguments = ['-c', code, str(installed / 'launch' / 'demo.launch.py')]
    arguments += [f'video:={tmp_path}', 'rviz:=false', 'namespace:=robot']
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('listener', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    came = []
    node.create_subscription(HeadPoseArray, '/robot/head_poses', came.append, 10)
    try:
        with NodeProcess(arguments) as process:
            until(
                lambda: len(came) >= 3 or not process.running,
                timeout_s=60.0,
                step=lambda: executor.spin_once(timeout_sec=0.05),
            )
            assert len(came) >= 3, process.output
            process.send(signal.SIGINT)
            assert process.wait(20.0) == 0, process.output
            assert 'Traceback' not in process.output
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
    assert came[0].header.frame_id == 'camera_optical_frame'
