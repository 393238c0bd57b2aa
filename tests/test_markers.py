"""Markers belong to heads for life, lie where the pose says, and neither blink nor stay behind."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')

from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from fsanet_ros.drawing import shapes as shapes_module
from fsanet_ros.drawing.colors import color_of
from fsanet_ros.drawing.shapes import above, attention_shapes, camera_shape, head_shapes
from fsanet_ros.geometry import face_model, head_mesh, rotations
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.ros.output import outputs
from fsanet_ros.ros.output.marker_output import MarkerOutput
from fsanet_ros.ros.output.markers import ShownMarkers
from fsanet_ros.tools.write_head_mesh import collada
from fsanet_ros.tracking.tracker import TrackedHead
from fsanet_ros.types import Box, Face, Head, Square

ROOT = Path(__file__).resolve().parents[1]
FACE = Face(Box(100, 100, 80, 90), 0.8, Square(140, 145, 120.0))
ANGLES = (30.0, -20.0, 10.0)
KINDS = {'head', 'gaze', 'axes', 'name', 'error'}
AXIS_M = 0.12
COVARIANCE = np.diag([0.01, 0.02, 0.005])


def a_head(position=(0.1, -0.2, 1.5), angles=ANGLES, covariance=COVARIANCE):
    rotation = rotations.matrix_from_yaw_pitch_roll_deg(angles)
    return Head(FACE, rotation, np.array(position), rotation_covariance_rad2=covariance)


def header(stamp_s=7.0):
    message = Header(frame_id='eye')
    message.stamp.sec, message.stamp.nanosec = divmod(round(stamp_s * 1e9), 10**9)
    return message


def shapes(*ids):
    return [shape for id_ in ids for shape in head_shapes(id_, a_head(), AXIS_M)]


def names(message, action=Marker.ADD):
    return {(m.ns, m.id) for m in message.markers if m.action == action}


def of_kind(kind, *found):
    (one,) = (shape for shape in found if shape.namespace == kind)
    return one


def rotation_of(shape):
    """Return the matrix of a shape's orientation, by another way than the package's."""
    x, y, z, w = shape.orientation
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


def points_of(shape):
    return np.array(shape.points) @ rotation_of(shape).T + shape.position


# ---- whose they are


def test_a_head_has_its_markers_wherever_it_stands_in_the_list():
    shown = ShownMarkers()
    first = names(shown.update(shapes('h1', 'h2'), header(1.0)))
    assert names(shown.update(shapes('h2', 'h1'), header(1.1))) == first
    assert first == {(kind, n) for kind in KINDS for n in (1, 2)}
    assert names(shown.update(shapes('h2'), header(1.2))) == {(kind, 2) for kind in KINDS}


def test_heads_of_cameras_and_nodes_on_one_topic_share_no_marker():
    ids = ('h1', 'ha1', 'hb1', 'ha11', 'robot1', 'h2', 'r2d21', 'r2d22', 'h123456789')
    found = [(shape.namespace, shape.number) for shape in shapes(*ids)]
    assert len(found) == len(set(found)) == len(ids) * len(KINDS)
    assert all(0 <= number < 2**31 for _, number in found)


def test_whoever_goes_is_deleted_with_the_first_image_without_them_and_only_then():
    shown = ShownMarkers()
    shown.update(shapes('h1', 'h2'), header(1.0))
    without = shown.update(shapes('h1'), header(1.1))
    assert names(without, Marker.DELETE) == {(kind, 2) for kind in KINDS}
    assert all(m.header == header(1.1) for m in without.markers)
    assert not names(shown.update(shapes('h1'), header(1.2)), Marker.DELETE)
    empty = shown.update([], header(1.3))
    assert names(empty, Marker.DELETE) == {(kind, 1) for kind in KINDS} and not names(empty)
    assert shown.update([], header(1.4)).markers == [] and shown.ends() is None


def test_a_head_whose_pose_gets_unknown_leaves_no_marker():
    unknown = Head(FACE, np.full((3, 3), np.nan), np.array([0.0, 0.0, 1.0]))
    no_position = Head(FACE, np.eye(3))
    for head in (unknown, no_position):
        assert head_shapes('h1', head, AXIS_M) == []
    no_error = head_shapes('h1', a_head(covariance=None), AXIS_M)
    assert {shape.namespace for shape in no_error} == KINDS - {'error'}


class Node:
    """A node whose one publisher is heard, and keeps what is published."""

    def __init__(self):
        self.heard, self.published = 1, []

    def create_lifecycle_publisher(self, kind, topic, qos):
        return self

    def get_subscription_count(self):
        return self.heard

    def publish(self, message):
        self.published.append(message)


def test_a_camera_that_falls_silent_takes_its_heads_along_and_no_others():
    node = Node()
    output = MarkerOutput(node, 'markers')
    output.publish('/left', header(), lambda: shapes('ha1'))
    output.publish('/right', header(), lambda: shapes('hb1'))
    output.forget('/left')
    assert names(node.published[-1], Marker.DELETE) == {(f'{kind}_ha', 1) for kind in KINDS}
    output.forget('/left')
    assert len(node.published) == 3
    output.clear()
    assert names(node.published[-1], Marker.DELETE) == {(f'{kind}_hb', 1) for kind in KINDS}
    output.clear()
    assert len(node.published) == 4


def test_nothing_is_made_where_nobody_listens():
    node = Node()
    node.heard = 0
    MarkerOutput(node, 'markers').publish('/left', header(), lambda: pytest.fail('made'))
    assert not node.published


# ---- how long they last


def lifetimes_s(stamps_s):
    shown = ShownMarkers()
    messages = [shown.update(shapes('h1'), header(stamp_s)) for stamp_s in stamps_s]
    return [m.markers[0].lifetime.sec + m.markers[0].lifetime.nanosec / 1e9 for m in messages]


@pytest.mark.parametrize('period_s', [0.2, 1.0, 4.0])
def test_markers_of_a_slow_camera_do_not_blink(period_s):
    first, *others = lifetimes_s([100 + n * period_s for n in range(8)])
    assert first >= 2.0 and all(lifetime > 2 * period_s for lifetime in others)


def test_markers_of_an_uneven_camera_do_not_blink():
    stamps = np.cumsum([0.1, 0.1, 0.1, 1.0, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 1.0, 0.1])
    lasting = lifetimes_s(stamps)
    # Those after the first long gap last until the next ones.
    ends = stamps + lasting
    assert (ends[3:-1] > stamps[4:]).all()


def test_markers_of_a_fast_camera_vanish_soon_when_it_dies():
    assert all(1.0 <= lifetime <= 2.0 for lifetime in lifetimes_s(np.arange(1, 20) / 30)[1:])


def test_stamps_that_stand_still_or_jump_back_give_a_lifetime_too():
    assert all(0.3 <= lifetime <= 60 for lifetime in lifetimes_s([0, 0, 0, 9, 9.1, 2, 2.1, 5000]))


# ---- what they show


def test_the_gaze_is_a_bright_unlit_line_out_of_the_face():
    head = a_head()
    gaze = of_kind('gaze', *shapes('h1'))
    start, end = points_of(gaze)
    np.testing.assert_allclose(start, head.position_m, atol=1e-9)
    np.testing.assert_allclose(
        (end - start) / np.linalg.norm(end - start), head.nose_direction, atol=1e-9
    )
    # Lines are drawn in their colour, whatever the light; arrows are dark from behind.
    marker = ShownMarkers().update([gaze], header()).markers[0]
    assert marker.type == Marker.LINE_LIST and marker.color.a == 1.0 and marker.scale.x >= 0.01
    assert max(marker.color.r, marker.color.g, marker.color.b) > 0.9


def test_a_gaze_into_the_camera_ends_before_it():
    for distance_m in (0.3, 0.6, 2.0):
        gaze = of_kind('gaze', *head_shapes('h1', a_head((0, 0, distance_m), (0, 0, 0)), AXIS_M))
        assert points_of(gaze)[1, 2] > 0.3 * distance_m


def test_a_head_has_the_colour_that_it_has_in_pictures():
    for id_ in ('h1', 'h2', 'hb7'):
        for kind in ('gaze', 'error'):
            found = next(s for s in shapes(id_) if s.namespace.startswith(kind))
            np.testing.assert_allclose(np.array(found.color[:3]) * 255, color_of(id_), atol=1e-6)
        # With white: what is half transparent and shaded is darker than lines on a dark ground.
        mesh = np.array(next(s for s in shapes(id_) if s.namespace.startswith('head')).color[:3])
        color = np.array(color_of(id_)) / 255
        assert np.all(mesh >= color) and np.argmax(mesh) == np.argmax(color)


def test_the_head_is_a_mesh_turned_as_the_head_is_that_can_be_looked_through():
    head, mesh = a_head(), of_kind('head', *shapes('h1'))
    marker = ShownMarkers().update([mesh], header()).markers[0]
    assert marker.type == Marker.MESH_RESOURCE and 0.2 < marker.color.a < 0.8
    assert not marker.mesh_use_embedded_materials
    np.testing.assert_allclose(mesh.position, head.position_m)
    face = rotation_of(mesh)
    np.testing.assert_allclose(face[:, 0], head.nose_direction, atol=1e-9)
    np.testing.assert_allclose(face[:, 2], -head.rotation_optical[:, 1], atol=1e-9)
    package, _, name = mesh.mesh.removeprefix('package://').partition('/')
    assert package == 'fsanet_ros' and (ROOT / name).is_file()
    assert f' {Path(name).parent} ' in (ROOT / 'CMakeLists.txt').read_text()


def test_axes_are_those_of_the_face_frame_in_rvizs_colours():
    axes = of_kind('axes', *shapes('h1'))
    points = points_of(axes)
    expected = a_head().rotation_optical @ rotations.HEAD_FROM_FACE
    np.testing.assert_allclose((points[1::2] - points[::2]).T, expected * AXIS_M, atol=1e-9)
    assert [int(np.argmax(color[:3])) for color in axes.colors] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize('angles', [(0, 0, 0), (60, 10, -30), (-20, -70, 80)])
def test_the_disc_at_the_lines_end_holds_two_thirds_of_the_expected_directions(angles):
    rng = np.random.default_rng(4)
    factor = rng.normal(size=(3, 3)) * np.radians([[3.0], [6.0], [2.0]])
    head = a_head(angles=angles, covariance=factor @ factor.T)
    found = head_shapes('h1', head, AXIS_M)
    disc, gaze = of_kind('error', *found), of_kind('gaze', *found)
    start, end = points_of(gaze)
    np.testing.assert_allclose(disc.position, end, atol=1e-9)
    axes = rotation_of(disc)
    np.testing.assert_allclose(np.abs(axes[:, 2] @ head.nose_direction), 1.0, atol=1e-9)
    errors = rng.multivariate_normal(np.zeros(3), head.rotation_covariance_rad2, 20000)
    moved = np.cross(errors, end - start) @ axes[:, :2] / (np.array(disc.scale[:2]) / 2)
    assert np.mean(np.sum(moved**2, axis=1) < 1) == pytest.approx(2 / 3, abs=0.02)


def test_texts_have_spaces_as_wide_as_people_are_used_to_and_stand_over_the_head():
    head = a_head()
    line = attention_shapes('h1', head, np.zeros(3), 'camera 0.4 s')
    for text in (of_kind('name', *shapes('h1')), of_kind('attention_text', *line)):
        marker = ShownMarkers().update([text], header()).markers[0]
        assert marker.type == Marker.TEXT_VIEW_FACING and marker.text
        assert 0.1 < marker.scale.x / marker.scale.z < 0.5
        from_head = np.array(text.position) - head.position_m
        assert from_head @ -head.rotation_optical[:, 1] > 0.11
    assert of_kind('name', *shapes('h7')).text == 'h7'


@pytest.mark.parametrize('roll', [0, 90, 180, -90])
def test_texts_over_a_head_are_apart_also_where_it_nods_or_the_camera_is_on_its_side(roll):
    turn = rotations.matrix_from_yaw_pitch_roll_deg((0, 0, roll))
    nod = rotations.matrix_from_yaw_pitch_roll_deg((0, -60, 0))
    head = replace(a_head(), rotation_optical=turn @ nod)
    low, high = np.array(above(head)), np.array(above(head, 0.24))
    up = turn @ [0, -1, 0]  # of the picture
    np.testing.assert_allclose(high - low, 0.08 * up, atol=1e-9)


def test_attention_ends_at_its_target_in_another_colour_than_the_gaze():
    target = np.array([0.4, 0.1, 0.0])
    gazes = {of_kind('gaze', *shapes(f'h{n}')).color for n in range(1, 9)}
    line, text = attention_shapes('h1', a_head(), target, 'door 1.0 s')
    np.testing.assert_allclose(points_of(line), [a_head().position_m, target])
    assert line.color == text.color not in gazes
    at_head, _ = attention_shapes('h1', a_head(), target, 'h2 1.0 s', other_id='h2')
    assert at_head.color == of_kind('gaze', *shapes('h2')).color


def test_a_calibrated_camera_is_a_pyramid_and_an_uncalibrated_one_nothing():
    camera = CameraModel.pinhole(640, 480, 500.0)
    points = points_of(camera_shape(camera, 'eye'))
    corners = {tuple(p) for p in np.round(points, 6) if np.linalg.norm(p) > 1e-6}
    assert len(corners) == 4 and all(z > 0 for _, _, z in corners)
    np.testing.assert_allclose(
        sorted(camera.project(np.array(sorted(corners))).round().tolist()),
        [[0, 0], [0, 480], [640, 0], [640, 480]],
        atol=1,
    )
    assert camera_shape(camera, 'eye').number != camera_shape(camera, 'other').number
    seen = outputs.Seen(header(), np.zeros((480, 640, 3), np.uint8), None, 0, '/image', [], [])
    assert outputs.shapes_of(seen, AXIS_M) == []


def test_what_is_seen_of_an_image_is_its_camera_and_its_heads():
    camera = CameraModel.pinhole(640, 480, 500.0)
    heads = [TrackedHead('h1', a_head(), 1.0), TrackedHead('h2', a_head(), 1.0)]
    image = np.zeros((480, 640, 3), np.uint8)
    seen = outputs.Seen(header(), image, camera, 0, '/image', heads, ['h1', 'h2'])
    found = outputs.shapes_of(seen, AXIS_M)
    assert [s.namespace for s in found].count('camera') == 1
    assert {s.namespace for s in found} == KINDS | {'camera'}


# ---- the head's mesh


def test_the_mesh_has_the_measures_of_the_mean_head():
    vertices, triangles = head_mesh.head_mesh()
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    landmarks = face_model.LANDMARKS_68_M @ rotations.HEAD_FROM_FACE
    tip, chin = landmarks[30], landmarks[8]
    assert np.linalg.norm(vertices - tip, axis=1).min() < 0.004
    assert np.linalg.norm(vertices - chin, axis=1).min() < 0.01
    assert np.linalg.norm(vertices, axis=1).min() < 0.006  # the sellion
    assert np.linalg.norm(landmarks[:, None] - vertices, axis=2).min(axis=1).max() < 0.02
    assert 0.18 < high[0] - low[0] < 0.23 and 0.15 < high[1] - low[1] < 0.19
    np.testing.assert_allclose(low[1], -high[1])
    assert len(triangles) < 2000


def test_nothing_inside_the_head_is_seen_through_it():
    vertices, triangles = head_mesh.head_mesh()
    # From the left, all that faces the viewer lies on the left, but for the chin and the neck.
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    facing = np.cross(b - a, c - a)[:, 1] > 1e-7
    middles = (a + b + c)[facing] / 3
    beyond = middles[middles[:, 1] < -0.02]
    assert not len(beyond), beyond


def test_the_mesh_is_seen_from_outside():
    vertices, triangles = head_mesh.head_mesh()
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    # The volume under the surface, with the sign of its triangles' sense.
    assert 0.003 < np.einsum('ij,ij->', a, np.cross(b, c)) / 6 < 0.006
    normals = head_mesh.mesh_normals(vertices, triangles)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0)
    assert normals[np.argmax(vertices[:, 0]), 0] > 0.5  # the tip of the nose looks ahead


def numbers(text, name):
    block = re.search(rf'<float_array id="{name}-array"[^>]*>([^<]*)<', text)[1]
    return np.array(block.split(), float)


def test_the_mesh_file_is_small_and_up_to_date():
    path = ROOT / shapes_module.HEAD_MESH.removeprefix('package://fsanet_ros/')
    written, expected = path.read_text(encoding='utf-8'), collada()
    assert path.stat().st_size < 60_000
    for name in ('positions', 'normals'):
        np.testing.assert_allclose(numbers(written, name), numbers(expected, name), atol=0.011)
    assert re.search(r'<p>.*</p>', written)[0] == re.search(r'<p>.*</p>', expected)[0]
    assert '<up_axis>Z_UP</up_axis>' in written and 'meter="1"' in written
