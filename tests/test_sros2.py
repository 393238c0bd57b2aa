"""The security policy allows what the nodes do, as the running nodes' graph tells, and no more."""

import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from fnmatch import fnmatchcase

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from head_pose_rig import Rig, TFMessage, camera_info, face_picture, ros_arguments, start
from hri_overlay import hri_msgs_importable
from node_graph import graph_of
from ros_helpers import ROOT, NodeProcess

from fsanet_ros.msg import AttentionArray

POLICY = ROOT / 'sros2' / 'policies' / 'head_pose.policy.xml'
YUNET = ROOT.parent / 'shared' / 'weights' / 'yunet' / 'yunet_n_320_320.onnx'
NODES = ('head_pose', 'video_source')
# How sros2 calls what NodeGraph has.
RULES = {
    ('topics', 'publish'): 'publishes',
    ('topics', 'subscribe'): 'subscribes',
    ('services', 'reply'): 'replies',
    ('services', 'request'): 'requests',
}
# sros2's schema (policy.xsd, version 0.2.0): the children and the attributes of each element.
CHILDREN = {
    'policy': {'enclaves'},
    'enclaves': {'enclave'},
    'enclave': {'profiles'},
    'profiles': {'profile'},
    'profile': {'topics', 'services', 'actions'},
    'topics': {'topic'},
    'services': {'service'},
    'actions': {'action'},
}
ATTRIBUTES = {
    'policy': {'version'},
    'enclave': {'path'},
    'profile': {'ns', 'node'},
    'topics': {'publish', 'subscribe'},
    'services': {'reply', 'request'},
    'actions': {'call', 'execute'},
}


def policy():
    return ElementTree.parse(POLICY).getroot()


def allowed(node):
    """Return {kind: patterns of full names} of a node; kinds are those of NodeGraph."""
    profile = policy().find(f'.//enclave[@path="/fsanet_ros/{node}"]/profiles/profile')
    assert (profile.get('ns'), profile.get('node')) == ('/', node)
    found = defaultdict(set)
    for rules in profile:
        for (tag, attribute), kind in RULES.items():
            if rules.tag == tag and rules.get(attribute) == 'ALLOW':
                found[kind] |= {full_name(name.text, node) for name in rules}
    return found


def full_name(name, node):
    if name.startswith('~/'):
        return f'/{node}{name[1:]}'
    return name if name.startswith('/') else f'/{name}'


def differences(found, patterns):
    """Return the names that are not allowed, and what is allowed for no name."""
    missing, needless = set(), set()
    for kind in RULES.values():
        names = set(found[kind])
        missing |= {
            (kind, name)
            for name in names
            if not any(fnmatchcase(name, pattern) for pattern in patterns[kind])
        }
        needless |= {
            (kind, pattern)
            for pattern in patterns[kind]
            if not any(fnmatchcase(name, pattern) for name in names)
        }
    return missing, needless


# ---- the file


def test_policy_keeps_to_the_schema():
    root = policy()
    assert root.tag == 'policy' and root.get('version') == '0.2.0'
    for element in root.iter():
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
        assert set(element.attrib) <= ATTRIBUTES.get(element.tag, set()), element.tag
        if element.tag in CHILDREN:
            assert len(element), f'{element.tag} is empty'
        if element.tag in ('topics', 'services'):
            assert element.attrib and set(element.attrib.values()) == {'ALLOW'}
        if element.tag in ('topic', 'service'):
            # What DDS Security knows of patterns (fnmatch) is used for * alone.
            assert re.fullmatch(r'(~/|/)?[a-z][\w*]*(/[\w*]+)*', element.text), element.text


def test_policy_has_one_enclave_for_each_node():
    paths = [enclave.get('path') for enclave in policy().iter('enclave')]
    assert paths == [f'/fsanet_ros/{node}' for node in NODES]


def test_nothing_is_allowed_twice():
    groups = [*policy().iter('topics'), *policy().iter('services')]
    assert len(groups) >= 2 * len(NODES)
    for rules in groups:
        names = [name.text for name in rules]
        assert len(set(names)) == len(names)


def test_whole_namespaces_are_allowed_nowhere():
    for name in [*policy().iter('topic'), *policy().iter('service')]:
        assert '*' not in name.text or re.match(
            r'debug_(image|heat_maps)_\*$|/humans/faces/\*/\w+$', name.text
        )


def test_names_in_the_page_are_those_of_the_policy():
    page = (ROOT / 'docs' / 'how_to' / 'security.md').read_text(encoding='utf-8')
    enclaves = {enclave.get('path') for enclave in policy().iter('enclave')}
    assert set(re.findall(r'/fsanet_ros/\w+', page)) == enclaves
    assert POLICY.name in page


def test_sros2_reads_the_policy():
    sros2_policy = pytest.importorskip('sros2.policy', reason='sros2 is not installed')
    tree = sros2_policy.load_policy(POLICY)  # checks it against the schema
    assert tree.find('enclaves/enclave[@path="/fsanet_ros/head_pose"]') is not None


# ---- the nodes


def without(patterns, prefix):
    return {
        kind: {name for name in patterns[kind] if not name.startswith(prefix)}
        for kind in RULES.values()
    }


@pytest.fixture(scope='module')
def head_pose_graph():
    """One camera with all but hri, and several compressed ones."""
    if TFMessage is None:
        pytest.skip('tf2_msgs is not installed')
    with start(attention__targets='[camera, table]', use_sim_time=True), Rig('head_poses') as rig:
        rig.info = camera_info()
        rig.node.create_subscription(AttentionArray, 'attention', lambda message: None, 10)
        rig.ask(face_picture())
        one = graph_of(rig, 'head_pose', subscribes='/tf_static', publishes='/tf')
    several = {
        'input__image_topics': '[image, second/image]',
        'input__image_transport': 'compressed',
    }
    with start(**several), Rig() as rig:
        two = graph_of(rig, 'head_pose', subscribes='/second/image/compressed', publishes='/tf')
    return vars(one | two)


@pytest.mark.ros
def test_head_pose_is_allowed_what_it_does_and_no_more(head_pose_graph):
    missing, needless = differences(
        head_pose_graph, without(allowed('head_pose'), prefix='/humans/')
    )
    # Names that are given as parameters are added by whoever gives them.
    own = {('subscribes', f'/second/{name}') for name in ('image/compressed', 'camera_info')}
    assert missing == own
    # Humble has no such service.
    assert needless <= {('replies', '/head_pose/get_type_description')}


@pytest.mark.ros
def test_faces_for_ros4hri_are_allowed_and_no_more():
    patterns = allowed('head_pose')
    parameters = {
        'output.hri': True,
        'tracking.announce_s': 0.0,
        'tracking.keep_s': 60.0,
    }
    landmarks = YUNET.is_file()
    if landmarks:
        parameters |= {'detection.detector': 'yunet', 'detection.model_file': str(YUNET)}
    arguments = ['-m', 'fsanet_ros.ros.node', *ros_arguments(**parameters)]
    last = 'landmarks' if landmarks else 'aligned'
    with (
        hri_msgs_importable() as environment,
        NodeProcess(arguments, environment),
        Rig('head_poses') as rig,
    ):
        answer = rig.ask(face_picture())
        for _ in range(50):  # whichever answer has the face
            if answer.heads:
                break
            answer = rig.ask(face_picture())
        face = f'/humans/faces/{answer.heads[0].id}'
        found = vars(graph_of(rig, 'head_pose', publishes=f'{face}/{last}'))
    missing, needless = differences(found, patterns)
    assert not missing
    unused = {name for _, name in needless if name.startswith('/humans/')}
    assert unused <= (set() if landmarks else {'/humans/faces/*/landmarks'})


@pytest.mark.ros
def test_video_source_is_allowed_what_it_does_and_no_more():
    parameters = {'loop': True, 'lockstep': True, 'use_sim_time': True}
    arguments = ['-m', 'fsanet_ros.ros.video_source', *ros_arguments(**parameters)]
    with NodeProcess(arguments), Rig() as rig:
        found = vars(graph_of(rig, 'video_source', subscribes='/head_poses', publishes='/image'))
    missing, needless = differences(found, allowed('video_source'))
    assert not missing
    assert needless <= {('replies', '/video_source/get_type_description')}
