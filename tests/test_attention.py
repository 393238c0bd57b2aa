"""What people are turned to is found from geometry, held against noise, and as sure as it says."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processor_time import least_processor_s
from scipy.spatial.transform import Rotation
from scipy.stats import ncx2

from fsanet_ros.attention import AttentionEstimator
from fsanet_ros.geometry.directions import angle_to_target, probability_in_disc
from fsanet_ros.geometry.rotations import nose_direction
from fsanet_ros.tracking.tracker import TrackedHead
from fsanet_ros.types import Box, Face, Head, Square

FACE = Face(Box(0, 0, 100, 100), 0.9, Square(50, 50, 140))
ROTATION_COVARIANCE = np.diag(np.radians([4.0, 3.0, 3.0]) ** 2)
POSITION_COVARIANCE = np.diag([0.01, 0.01, 0.1]) ** 2
CAMERA = (0.0, 0.0, 0.0)


def rotation_towards(direction, roll_deg=10.0):
    """Return R_optical of a head whose nose points there."""
    z = -np.asarray(direction, float) / np.linalg.norm(direction)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    upright = np.column_stack([x, np.cross(z, x), z])
    return upright @ Rotation.from_euler('z', roll_deg, degrees=True).as_matrix()


def turned(rotation, angle_deg, axis=(0.0, 1.0, 0.0)):
    """Return the rotation, turned about an axis of the camera's frame."""
    axis = np.asarray(axis) / np.linalg.norm(axis)
    return Rotation.from_rotvec(np.radians(angle_deg) * axis).as_matrix() @ rotation


def person(id_='h1', position=(0.0, 0.0, 2.0), looks_at=CAMERA, off_deg=0.0, certain=True):
    """Return a head that looks at a point, or so many degrees beside it."""
    position = np.array(position, float)
    to_target = np.asarray(looks_at) - position
    away = np.cross(to_target, [0.3, 1.0, 0.2])
    rotation = turned(rotation_towards(to_target), off_deg, away)
    covariances = (ROTATION_COVARIANCE, POSITION_COVARIANCE) if certain else (None, None)
    return TrackedHead(id_, Head(FACE, rotation, position, *covariances), 1.0)


def sideways(angle_deg):
    """Return the direction so far beside that of the camera's axis."""
    return np.array([math.sin(math.radians(angle_deg)), 0.0, -math.cos(math.radians(angle_deg))])


def ids(heads):
    return [t.id for t in heads]


def look(estimator, heads, targets, time_s=0.0):
    return estimator.update(heads, ids(heads), targets, time_s)


def test_people_round_a_table_look_where_they_look():
    targets = {'camera': CAMERA, 'screen': (1.5, -0.5, 1.0), 'cup': (0.0, 0.3, 1.5)}
    places = {'h1': (-0.6, 0.0, 2.0), 'h2': (0.5, -0.1, 1.8), 'h3': (0.0, -0.1, 3.0)}
    looks_at = {'h1': 'screen', 'h2': 'camera', 'h3': 'cup'}
    heads = [person(i, places[i], targets[looks_at[i]], off_deg=8.0) for i in places]
    states = look(AttentionEstimator(), heads, targets)
    for head, state in zip(heads, states, strict=True):
        assert (state.id, state.target) == (head.id, looks_at[head.id])
        assert state.candidates == ('camera', 'screen', 'cup')
        nose = nose_direction(head.head.rotation_optical)
        for name, angle in zip(state.candidates, state.angles_rad, strict=True):
            way = np.asarray(targets[name]) - head.head.position_m
            assert math.cos(angle) == pytest.approx(nose @ way / np.linalg.norm(way))
        chosen = state.candidates.index(state.target)
        assert np.degrees(state.angles_rad[chosen]) == pytest.approx(8.0)
        assert state.probabilities[chosen] == state.probabilities.max() > 0.9


def test_two_people_in_conversation_look_at_each_other_and_never_at_themselves():
    left, right = (-0.5, 0.0, 2.0), (0.5, 0.1, 2.1)
    heads = [person('h1', left, right), person('h2', right, left)]
    states = look(AttentionEstimator(heads_as_targets=True), heads, {'camera': CAMERA})
    assert [s.target for s in states] == ['h2', 'h1']
    assert [s.candidates for s in states] == [('camera', 'h2'), ('camera', 'h1')]
    states = look(AttentionEstimator(), heads, {'camera': CAMERA})
    assert [s.candidates for s in states] == [('camera',)] * 2


def test_a_head_that_an_image_misses_stays_a_target_as_long_as_it_is_followed():
    estimator = AttentionEstimator(heads_as_targets=True)
    left, right = (-0.5, 0.0, 2.0), (0.5, 0.1, 2.1)
    looker, other = person('h1', left, right), person('h2', right)
    look(estimator, [looker, other], {}, 0.0)
    (state,) = estimator.update([looker], ['h1', 'h2'], {}, 0.1)
    assert (state.target, state.duration_s) == ('h2', 0.1)
    (state,) = estimator.update([looker], ['h1'], {}, 0.2)
    assert (state.target, state.candidates, state.duration_s) == ('', (), 0.0)


def test_a_head_that_an_image_misses_is_a_target_where_it_was_last():
    estimator = AttentionEstimator(heads_as_targets=True)
    left, before, last = (-0.5, 0.0, 2.0), (0.5, 0.1, 2.1), (0.5, 0.8, 1.5)
    looker = person('h1', left, last)
    look(estimator, [looker, person('h2', before)], {}, 0.0)
    look(estimator, [looker, person('h2', last)], {}, 0.1)
    (state,) = estimator.update([looker], ['h1', 'h2'], {}, 0.2)
    assert state.target == 'h2' and np.degrees(state.angles_rad) == pytest.approx(0.0, abs=1e-4)


def test_a_target_that_is_named_as_a_head_stands_for_it():
    estimator = AttentionEstimator(heads_as_targets=True)
    heads = [person('h1', (-0.5, 0.0, 2.0)), person('h2', (0.5, 0.1, 2.1))]
    for state in look(estimator, heads, {'h1': CAMERA}):
        assert state.target == 'h1'
    assert [s.candidates for s in look(estimator, heads, {'h1': CAMERA})] == [('h1', 'h2'), ('h1',)]


@pytest.mark.filterwarnings('error')
def test_a_frame_on_the_head_itself_is_no_target():
    head = person(looks_at=(1.0, 0.0, 1.0))
    near = head.head.position_m + nose_direction(head.head.rotation_optical) * 0.09
    far = head.head.position_m + nose_direction(head.head.rotation_optical) * 0.11
    targets = {'own': head.head.position_m, 'nose': near, 'hand': far}
    (state,) = look(AttentionEstimator(), [head], targets)
    assert (state.target, state.candidates) == ('hand', ('hand',))


def test_without_calibration_looking_into_the_camera_is_still_seen():
    targets = {'screen': (1.0, 0.0, 0.0), 'camera': CAMERA}
    for off_deg, target in ((12.0, 'camera'), (40.0, '')):
        rotation = turned(np.eye(3), off_deg)
        head = TrackedHead('h1', Head(FACE, rotation, None, ROTATION_COVARIANCE), 0.0)
        other = person('h2', (0.3, 0.0, 2.0))
        estimator = AttentionEstimator(heads_as_targets=True)
        state = look(estimator, [head, other], targets)[0]
        assert (state.target, state.candidates) == (target, ('camera',))
        assert np.degrees(state.angles_rad) == pytest.approx(off_deg)
        assert np.isfinite(state.probabilities).all()
        assert (state.probabilities[0] > 0.5) == bool(target)


def test_probability_is_nan_where_the_covariance_is_unknown():
    (state,) = look(AttentionEstimator(), [person(certain=False)], {'camera': CAMERA})
    assert state.target == 'camera' and np.isnan(state.probabilities).all()
    heads = [person('h1'), person('h2', (0.7, 0.0, 2.0), certain=False)]
    states = look(AttentionEstimator(heads_as_targets=True), heads, {'camera': CAMERA})
    assert np.isfinite(states[0].probabilities[0])
    assert np.isnan([states[0].probabilities[1], *states[1].probabilities]).all()


def test_nobody_and_no_targets_are_nothing_special():
    estimator = AttentionEstimator(heads_as_targets=True)
    assert look(estimator, [], {'camera': CAMERA}) == []
    (state,) = look(estimator, [person()], {})
    assert (state.target, state.candidates, state.duration_s) == ('', (), 0.0)
    assert state.angles_rad.shape == state.probabilities.shape == (0,)


def test_a_target_is_entered_at_the_threshold_and_left_beyond_the_hysteresis():
    estimator = AttentionEstimator(20.0, 5.0)
    seen = []
    for step, off_deg in enumerate((24.0, 21.0, 19.9, 21.0, 24.9, 25.1, 24.0, 20.1, 19.0)):
        (state,) = look(estimator, [person(off_deg=off_deg)], {'camera': CAMERA}, 10.0 + step)
        seen.append((state.target, state.duration_s))
    assert seen == [
        *(('', 0.0), ('', 1.0)),
        *(('camera', 0.0), ('camera', 1.0), ('camera', 2.0)),
        *(('', 0.0), ('', 1.0), ('', 2.0)),
        ('camera', 0.0),
    ]


def test_of_two_targets_the_present_one_is_kept_until_the_other_is_clearly_nearer():
    estimator = AttentionEstimator(20.0, 5.0)
    position = np.array([0.0, 0.0, 2.0])
    directions = {'left': -12.0, 'right': 12.0}
    targets = {name: position + sideways(angle) for name, angle in directions.items()}
    chosen = {}
    for step, toward_deg in enumerate((-3.0, 0.0, 2.4, 2.6, 0.0, -2.4, -2.6)):
        head = person(position=position, looks_at=position + sideways(toward_deg))
        (state,) = look(estimator, [head], targets, float(step))
        chosen[step] = state.target
    assert list(chosen.values()) == ['left'] * 3 + ['right'] * 3 + ['left']


@pytest.mark.parametrize('off_deg', [18.0, 20.0, 22.5, 25.0, 27.0])
def test_noise_smaller_than_the_hysteresis_never_flickers(off_deg):
    rng = np.random.default_rng(0)
    estimator, without = AttentionEstimator(20.0, 5.0), AttentionEstimator(20.0, 0.0)
    changes, changes_without = [], []
    for image in range(600):
        head = person(off_deg=off_deg + rng.uniform(-2.4, 2.4))
        for e, found in ((estimator, changes), (without, changes_without)):
            (state,) = look(e, [head], {'camera': CAMERA}, image / 30)
            found.append(state.target)
    assert np.count_nonzero(np.array(changes[1:]) != np.array(changes[:-1])) <= 1
    if off_deg == 20.0:
        swaps = np.count_nonzero(np.array(changes_without[1:]) != np.array(changes_without[:-1]))
        assert swaps > 100


def test_angles_can_be_changed_at_any_time():
    estimator = AttentionEstimator(20.0, 5.0)
    head, targets = person(off_deg=22.0), {'camera': CAMERA}
    assert look(estimator, [head], targets, 0.0)[0].target == ''
    estimator.threshold_deg = 25.0
    (state,) = look(estimator, [head], targets, 1.0)
    assert (state.target, state.probabilities[0] > 0.5) == ('camera', True)
    estimator.threshold_deg, estimator.hysteresis_deg = 15.0, 8.0
    (state,) = look(estimator, [head], targets, 2.0)
    assert (state.target, state.probabilities[0] < 0.5) == ('camera', True)
    estimator.hysteresis_deg = 5.0
    assert look(estimator, [head], targets, 3.0)[0].target == ''


def test_a_target_that_is_gone_is_left():
    estimator = AttentionEstimator()
    assert look(estimator, [person()], {'camera': CAMERA}, 0.0)[0].target == 'camera'
    assert look(estimator, [person()], {'screen': (1.0, 0.0, 0.0)}, 0.1)[0].target == ''


def test_a_head_that_comes_back_in_time_goes_on_and_one_that_ended_begins_again():
    estimator, targets = AttentionEstimator(), {'camera': CAMERA}
    look(estimator, [person()], targets, 0.0)
    assert estimator.update([], ['h1'], targets, 0.5) == []
    (state,) = look(estimator, [person()], targets, 0.9)
    assert state.duration_s == pytest.approx(0.9)
    estimator.update([], [], targets, 1.0)
    (state,) = look(estimator, [person(off_deg=23.0)], targets, 1.1)
    assert (state.target, state.duration_s) == ('', 0.0)


def test_time_that_jumps_back_begins_again():
    estimator, targets = AttentionEstimator(), {'camera': CAMERA}
    look(estimator, [person()], targets, 100.0)
    (state,) = look(estimator, [person(off_deg=23.0)], targets, 3.0)
    assert (state.target, state.duration_s) == ('', 0.0)
    (state,) = look(estimator, [person()], targets, 4.0)
    assert (state.target, state.duration_s) == ('camera', 0.0)


def test_reset_forgets_everybody():
    estimator, targets = AttentionEstimator(heads_as_targets=True), {'camera': CAMERA}
    look(estimator, [person(), person('h2', (0.7, 0.0, 2.0))], targets, 1.0)
    estimator.reset()
    # Beyond the threshold, where only who held it before still holds it; h2 is no target any more.
    (state,) = estimator.update([person(off_deg=23.0)], ['h1', 'h2'], targets, 2.0)
    assert (state.target, state.duration_s, state.candidates) == ('', 0.0, ('camera',))
    estimator.reset()
    # Also for who looks as before: a new clock may start earlier or later.
    for time_s in (3.0, 1.0, 5.0):
        (state,) = look(estimator, [person()], targets, time_s)
        assert (state.target, state.duration_s) == ('camera', 0.0)
        estimator.reset()


@pytest.mark.parametrize('threshold_deg', [10.0, 20.0, 35.0])
@pytest.mark.parametrize('off_deg', [0.0, 12.0, 20.0, 28.0, 45.0])
@pytest.mark.parametrize(
    ('rotation_deg', 'position_m', 'tolerance'),
    [((2, 2, 2), (0.01, 0.01, 0.05), 0.01), ((9, 5, 4), (0.03, 0.02, 0.3), 0.03)],
)
def test_probability_is_how_often_the_true_angle_is_below_the_threshold(
    threshold_deg, off_deg, rotation_deg, position_m, tolerance
):
    rng = np.random.default_rng(1)
    axes = Rotation.random(2, random_state=1).as_matrix()
    rotation_covariance, position_covariance = (
        a @ np.diag(np.square(sigma)) @ a.T
        for a, sigma in zip(axes, (np.radians(rotation_deg), position_m), strict=True)
    )
    target = np.array([0.8, -0.3, 0.4])
    head = person(position=(-0.3, 0.1, 1.9), looks_at=target, off_deg=off_deg).head
    tracked = TrackedHead(
        'h1',
        Head(
            FACE, head.rotation_optical, head.position_m, rotation_covariance, position_covariance
        ),
        0.0,
    )
    (state,) = look(AttentionEstimator(threshold_deg), [tracked], {'screen': target})

    count = 100_000
    errors = rng.multivariate_normal(np.zeros(3), rotation_covariance, count)
    noses = Rotation.from_rotvec(errors).apply(nose_direction(head.rotation_optical))
    ways = target - rng.multivariate_normal(head.position_m, position_covariance, count)
    cosines = np.einsum('ij,ij->i', noses, ways) / np.linalg.norm(ways, axis=1)
    share = np.mean(cosines > math.cos(math.radians(threshold_deg)))
    assert state.probabilities[0] == pytest.approx(share, abs=tolerance)


offsets_deg = st.floats(0.0, 90.0)
sigmas_deg = st.floats(0.05, 25.0)
radii_deg = st.floats(1.0, 60.0)


@settings(max_examples=40, deadline=None)
@given(offsets_deg, st.tuples(sigmas_deg, sigmas_deg), st.floats(0.0, math.pi), radii_deg)
def test_the_share_of_a_gaussian_in_a_disc_is_that_of_its_points(offset, sigmas, turn, radius):
    offset, s1, s2, radius = np.radians([offset, *sigmas, radius])
    axes = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    points = np.random.default_rng(0).normal(size=(200_000, 2)) * (s1, s2) @ axes.T + (offset, 0)
    share = np.mean(np.square(points).sum(axis=1) < radius**2)
    covariance = axes @ np.diag([s1**2, s2**2]) @ axes.T
    assert probability_in_disc(offset, covariance, radius) == pytest.approx(share, abs=0.006)


@settings(max_examples=300, deadline=None)
@given(offsets_deg, sigmas_deg, radii_deg)
def test_the_share_of_a_round_gaussian_in_a_disc_is_a_chi_square(offset, sigma, radius):
    exact = ncx2.cdf((radius / sigma) ** 2, 2, (offset / sigma) ** 2)
    offset, sigma, radius = np.radians([offset, sigma, radius])
    found = probability_in_disc(offset, sigma**2 * np.eye(2), radius)
    assert found == pytest.approx(exact, abs=1e-5)


any_vector = st.tuples(*[st.floats(-2.0, 2.0)] * 3).map(np.array)


@settings(deadline=None)
@given(any_vector, any_vector.filter(lambda v: np.linalg.norm(v) > 0.1), any_vector, any_vector)
def test_the_covariance_of_an_angle_stays_positive(turn, target, sigmas, position_sigmas):
    rotation = Rotation.from_rotvec(turn).as_matrix()
    angle, covariance = angle_to_target(
        rotation[None],
        target[None, None],
        np.diag(np.square(sigmas))[None],
        np.diag(np.square(position_sigmas))[None, None],
    )
    cosine = -rotation[:, 2] @ target / np.linalg.norm(target)
    assert angle[0, 0] == pytest.approx(math.acos(np.clip(cosine, -1.0, 1.0)), abs=1e-6)
    assert covariance[0, 0] == pytest.approx(covariance[0, 0].T)
    assert (np.linalg.eigvalsh(covariance[0, 0]) > -1e-9).all()


def test_certain_directions_are_certain():
    covariance = np.zeros((3, 2, 2))
    found = probability_in_disc(np.array([0.0, 0.3, 0.4]), covariance, 0.35)
    assert found == pytest.approx([1.0, 1.0, 0.0])


def test_straight_at_a_target_and_straight_away_from_it_are_no_special_cases():
    rotation = np.array([rotation_towards((0.1, 0.2, -1.0))] * 2)
    nose = nose_direction(rotation[0])
    to_target = np.array([[2.0 * nose, -2.0 * nose]] * 2)
    angle, covariance = angle_to_target(
        rotation,
        to_target,
        np.array([ROTATION_COVARIANCE] * 2),
        np.zeros((2, 2, 3, 3)),
    )
    assert angle == pytest.approx(np.array([[0.0, math.pi]] * 2))
    assert np.isfinite(covariance).all()


def test_sixteen_heads_and_six_targets_cost_a_few_times_as_much_as_one():
    rng = np.random.default_rng(0)
    heads = [person(f'h{i}', rng.normal((0, 0, 2), 0.5)) for i in range(16)]
    targets = {f't{i}': rng.normal(0, 1, 3) for i in range(6)}
    many, one, images = AttentionEstimator(), AttentionEstimator(), itertools.count()
    works = {
        'many': lambda: look(many, heads, targets, next(images) / 30),
        'one': lambda: look(one, heads[:1], {'t0': targets['t0']}, next(images) / 30),
    }
    least = least_processor_s(works, repeat=50)
    # About 3 for 96 times as many pairs.
    assert least['many'] < 10 * least['one']
