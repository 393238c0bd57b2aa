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
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.ros.video_source_settings import VideoSourceSettings

ROOT = Path(__file__).resolve().parents[1]
LAUNCH_FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
DEBUG_TOPICS = {1: {'/debug_image'}, 2: {'/debug_image_0', '/debug_image_1'}}  # by cameras
SETTINGS = {'head_pose': HeadPoseSettings, 'video_source': VideoSourceSettings}
PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
MODULES = (
    'ament_index_python',
    'ament_index_python.packages',
    'launch',
    'launch.actions',
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


class Context(dict):
    """Stands in for launch's context: the arguments, and the environment that launch has."""

    def __init__(self, arguments, environment):
        super().__init__(arguments)
        self.environment = environment


def stand_in(name, prefixes):
    """Return a module of launch, or of ament_index_python with packages by their prefixes."""
    module = types.ModuleType(name)
    module.__path__ = []
    if name.startswith('ament_index_python'):
        module.PackageNotFoundError = KeyError
        module.get_package_prefix = prefixes.__getitem__
    else:
        module.__getattr__ = lambda kind: type(kind, (Recorded,), {})
    return module


@pytest.fixture(scope='module')
def everything(tmp_path_factory):
    """A prefix that has the programs of other packages which launch files start."""
    prefix = tmp_path_factory.mktemp('ros')
    program = prefix / 'lib' / 'rviz2' / 'rviz2'
    program.parent.mkdir(parents=True)
    program.touch()
    return {'rviz2': str(prefix), 'tf2_ros': str(prefix)}


@pytest.fixture(autouse=True)
def prefixes(monkeypatch, everything):
    """The packages that are installed, by name; a test may take some away."""
    monkeypatch.setattr(Launch, 'prefixes', dict(everything))
    monkeypatch.setattr(Launch, 'environment', {'ROS_DISTRO': 'jazzy'})
    return Launch.prefixes


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
    """A launch file, read with stand-ins: its arguments, nodes, lines and included files."""

    prefixes = environment = None  # see the fixture of that name

    def __init__(self, path, monkeypatch, **given):
        with monkeypatch.context() as patch:
            for name in MODULES:
                patch.setitem(sys.modules, name, stand_in(name, self.prefixes))
            spec = importlib.util.spec_from_file_location(path.name.replace('.', '_'), path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            (entities,) = module.generate_launch_description().args
        self.arguments = {
            entity.args[0]: entity.kwargs for entity in of_kind(entities, 'DeclareLaunchArgument')
        }
        assert set(given) <= set(self.arguments)
        values = {name: a['default_value'] for name, a in self.arguments.items()} | given
        self.context = Context(values, self.environment)
        for entity in of_kind(entities, 'OpaqueFunction'):
            entities = [*entities, *entity.kwargs['function'](self.context)]
        self.nodes = [node.kwargs for node in of_kind(entities, 'Node', 'LifecycleNode')]
        self.lifecycle_nodes = [node.kwargs for node in of_kind(entities, 'LifecycleNode')]
        self.lines = [line.kwargs['msg'] for line in of_kind(entities, 'LogInfo')]
        self.ends = of_kind(entities, 'Shutdown')
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
            assert (node['package'], node['executable']) in {
                ('rviz2', 'rviz2'),
                ('tf2_ros', 'static_transform_publisher'),
            }


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
    launch = head_pose_launch(monkeypatch, image='/a/image,/b/image', camera_info='/calibration')
    (line,) = launch.lines
    assert re.search(r'/calibration.*2 cameras.*SetRemap', line)
    # Launch ends what it has started, which it does not do after an exception.
    assert launch.ends and not launch.nodes


def test_a_size_that_is_no_number_is_refused(monkeypatch):
    launch = Launch(ROOT / 'launch' / 'demo.launch.py', monkeypatch, width='wide')
    assert "'wide'" in launch.lines[0] and launch.ends
    assert 'video_source' not in {node['executable'] for node in launch.nodes}


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


def test_a_prefix_of_ids_is_passed_on(monkeypatch):
    launch = head_pose_launch(monkeypatch, id_prefix='front')
    assert launch.parameters('head_pose') == {'tracking.id_prefix': 'front'}


def test_a_node_that_dies_is_started_again_on_request(monkeypatch):
    assert not head_pose_launch(monkeypatch).node('head_pose')['respawn']
    assert head_pose_launch(monkeypatch, respawn='true').node('head_pose')['respawn'] is True


def all_nodes(monkeypatch, name='demo'):
    """Return the nodes of a launch file and of those that it includes, RViz too."""
    launch = Launch(ROOT / 'launch' / f'{name}.launch.py', monkeypatch)
    nodes = [*launch.nodes]
    while launch.includes:
        launch = launch.included(monkeypatch, rviz='true')
        nodes += launch.nodes
    return nodes


@pytest.mark.parametrize('name', ['demo', 'webcam', 'head_pose', 'several_cameras'])
@pytest.mark.parametrize(
    ('distro', 'variables'),
    [('humble', PROFILES[:1]), ('jazzy', PROFILES[:1]), ('kilted', PROFILES[1:]), ('', PROFILES)],
)
def test_every_node_gets_room_for_images(monkeypatch, name, distro, variables):
    monkeypatch.setattr(Launch, 'environment', {'ROS_DISTRO': distro})
    nodes = all_nodes(monkeypatch, name)
    assert nodes
    for node in nodes:
        assert set(node['additional_env']) == set(variables), node['executable']
        assert all(Path(file).is_file() for file in node['additional_env'].values())


@pytest.mark.parametrize('variable', PROFILES)
def test_a_profile_of_the_users_own_stays(monkeypatch, variable):
    monkeypatch.setattr(Launch, 'environment', {'ROS_DISTRO': 'jazzy', variable: '/my/profile.xml'})
    assert all(node['additional_env'] == {} for node in all_nodes(monkeypatch))


def test_without_rviz_the_rest_runs_and_a_line_says_what_to_install(monkeypatch, prefixes):
    del prefixes['rviz2']
    launch = head_pose_launch(monkeypatch, rviz='true')
    assert [node['executable'] for node in launch.nodes] == ['head_pose']
    (line,) = launch.lines
    assert 'rviz2 is not installed' in line and 'ros-jazzy-rviz2' in line
    assert not head_pose_launch(monkeypatch).lines


def test_a_package_without_its_program_counts_as_missing(monkeypatch, prefixes, tmp_path):
    prefixes['rviz2'] = str(tmp_path)
    assert head_pose_launch(monkeypatch, rviz='true').lines


@pytest.mark.parametrize('given', ['true', 'false'])
def test_rviz_has_the_time_of_the_node(monkeypatch, given):
    launch = head_pose_launch(monkeypatch, rviz='true', use_sim_time=given)
    assert launch.parameters('rviz2') == {'use_sim_time': given == 'true'}
    assert launch.parameters('head_pose') == launch.parameters('rviz2')
    # Else an outer launch file's SetParameter counts.
    assert not head_pose_launch(monkeypatch, rviz='true').parameters('rviz2')


def test_the_demos_camera_has_a_frame_with_z_up(monkeypatch, prefixes):
    demo = Launch(ROOT / 'launch' / 'demo.launch.py', monkeypatch)
    arguments = demo.node('static_transform_publisher')['arguments']
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert given['--child-frame-id'] == VideoSourceSettings().frame_id
    assert given['--frame-id'] == head_pose_launch(monkeypatch).context['fixed_frame']
    x, y, z, w = (float(given[f'--q{axis}']) for axis in 'xyzw')
    # Where the optical frame's z and y point to, columns of its rotation matrix.
    ahead = 2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)
    down = 2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)
    assert ahead == (1, 0, 0) and down == (0, 0, -1)
    del prefixes['tf2_ros']
    nodes = Launch(ROOT / 'launch' / 'demo.launch.py', monkeypatch).nodes
    assert [node['executable'] for node in nodes] == ['video_source']


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
    [('head_pose', 1, 'camera_link'), ('several_cameras', 2, 'base_link')],
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
    rviz = head_pose_launch(monkeypatch, rviz='true').node('rviz2')
    assert {(topic, topic.lstrip('/')) for topic in topics} <= set(rviz['remappings'])
    assert config['Visualization Manager']['Global Options']['Fixed Frame'] == frame
    # Its panels are in the window.
    images = {
        d['Name'] for d in config['Visualization Manager']['Displays'] if 'Image' in d['Class']
    }
    assert images <= set(config['Window Geometry'])


def test_both_rviz_files_differ_in_images_floor_and_view_only():
    first, second = (
        yaml.safe_load((ROOT / 'rviz' / f'{name}.rviz').read_text())['Visualization Manager']
        for name in ('head_pose', 'several_cameras')
    )
    for config in (first, second):
        config['Displays'] = [
            {key: value for key, value in display.items() if key != 'Name'}
            for display in config['Displays']
            if display['Class'].rpartition('/')[2] not in {'Image', 'Grid'}
        ]
        del config['Views'], config['Global Options']['Fixed Frame']
    assert first == second


@pytest.fixture(params=['head_pose', 'several_cameras'])
def rviz_config(request):
    return yaml.safe_load((ROOT / 'rviz' / f'{request.param}.rviz').read_text())


# From RViz's sources (14.1, Jazzy): what it knows besides Class, Name, Enabled and Value.
TOPIC = {'Depth', 'Durability Policy', 'History Policy', 'Reliability Policy'}
PROPERTIES = {
    'Grid': {
        *('Alpha', 'Cell Size', 'Color', 'Line Style', 'Line Width', 'Normal Cell Count'),
        *('Offset', 'Plane', 'Plane Cell Count', 'Reference Frame', 'X', 'Y', 'Z'),
    },
    'MarkerArray': {'Namespaces', 'Topic', *TOPIC},
    'TF': {
        *('All Enabled', 'Frame Timeout', 'Frames', 'Marker Scale', 'Show Arrows', 'Show Axes'),
        *('Show Names', 'Update Interval'),
    },
    'PoseArray': {'Arrow Length', 'Color', 'Shape', 'Topic', *TOPIC},
    'Image': {'Max Value', 'Median window', 'Min Value', 'Normalize Range', 'Topic', *TOPIC},
    'Orbit': {
        *('Distance', 'Focal Point', 'Focal Shape Fixed Size', 'Focal Shape Size'),
        *('Invert Z Axis', 'Near Clip Distance', 'Pitch', 'Target Frame', 'Yaw', 'X', 'Y', 'Z'),
    },
    **{tool: set() for tool in ('MoveCamera', 'Select', 'FocusCamera')},
    'Measure': {'Line color'},
}


def property_names(thing):
    names = set()
    for name, value in thing.items():
        names.add(name)
        if isinstance(value, dict) and name != 'Namespaces':
            names |= property_names(value)
    return names


def test_rviz_knows_every_class_and_property(rviz_config):
    manager = rviz_config['Visualization Manager']
    views = [manager['Views']['Current'], *manager['Views']['Saved']]
    for thing in [*manager['Displays'], *manager['Tools'], *views]:
        room, _, kind = thing['Class'].partition('/')
        assert room == 'rviz_default_plugins'
        known = PROPERTIES[kind] | {'Class', 'Name', 'Enabled', 'Value'}
        assert property_names(thing) <= known, thing['Name']


def test_the_world_stands_on_a_floor_and_frames_are_off(rviz_config):
    manager = rviz_config['Visualization Manager']
    shown = {d['Name']: d for d in manager['Displays'] if d['Enabled']}
    assert 'optical' not in manager['Global Options']['Fixed Frame']
    assert shown['Floor']['Plane'] == 'XY' and not shown.keys() & {'Frames', 'Poses'}
    assert not any(shown['Heads']['Namespaces'].values())


def test_it_can_be_looked_at_from_the_side_from_above_and_from_the_camera(rviz_config):
    views = rviz_config['Visualization Manager']['Views']
    side, above, camera = views['Saved']
    assert {view['Name'].split()[0] for view in views['Saved']} == {'From'}
    assert above['Pitch'] > 1.5 and abs(side['Yaw'] - 1.57) < 0.01
    # From behind the camera, along its x axis.
    assert abs(camera['Yaw'] - 3.1416) < 0.001 and camera['Pitch'] < 0.3


def test_pictures_have_a_third_of_the_window_and_a_panel_of_their_name(rviz_config):
    images = [
        display['Name']
        for display in rviz_config['Visualization Manager']['Displays']
        if display['Class'].endswith('/Image')
    ]
    geometry = rviz_config['Window Geometry']
    assert geometry['Width'] >= 1200 and not geometry['Hide Left Dock']
    state = bytes.fromhex(geometry['QMainWindow State'])
    for name in (*images, 'Displays', 'Views'):
        assert name.encode('utf-16-be') in state and geometry[name] == {'collapsed': False}
    # Qt: a byte for the area (0 is the left), its width and height.
    left = state.index(bytes.fromhex('fd')) + 5
    width = int.from_bytes(state[left + 4 : left + 8], 'big')
    assert width >= geometry['Width'] / 3
