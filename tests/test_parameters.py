"""Parameters are data: groups and full names say the same, and misspelt names are recognised."""

from dataclasses import dataclass

import pytest

from fsanet_ros.ros.parameters import (
    defaults_of,
    group,
    limits_of,
    nearest_name,
    parameter,
    problem,
    settings_from,
    values_of,
)
from fsanet_ros.ros.settings import FORMER_NAMES, HeadPoseSettings
from fsanet_ros.ros.video_source_settings import VideoSourceSettings


@dataclass(frozen=True)
class Inner:
    rate_hz: float = parameter(10.0, 'How often.', low=0.1, high=100.0, live=True)
    names: list[str] = parameter(['a'], 'Some names.')


@dataclass(frozen=True)
class Outer:
    on: bool = parameter(True, 'Whether.')
    inner: Inner = group(Inner)


def test_groups_are_names_with_dots():
    assert defaults_of(Outer) == {'on': True, 'inner.rate_hz': 10.0, 'inner.names': ['a']}
    assert limits_of(Outer)['inner.rate_hz'].live
    settings = settings_from(Outer, {'inner.rate_hz': 5.0, 'inner.names': [], 'other': 1})
    assert settings == Outer(inner=Inner(5.0, []))
    assert values_of(settings) == {'on': True, 'inner.rate_hz': 5.0, 'inner.names': []}


def test_two_settings_share_no_list():
    first, second = Outer(), Outer()
    first.inner.names.append('b')
    assert second.inner.names == ['a']


@pytest.mark.parametrize(
    ('value', 'taken'),
    [
        ([0, 180], True),
        (270, True),
        ([], True),
        ([45], False),
        (-90, False),
        ([0.0], False),
        (90.0, False),
        (True, False),
        (['90'], False),
        (None, False),
    ],
)
def test_mountings_are_quarter_turns_one_per_camera_or_one_for_all(value, taken):
    name = 'input.mounting_deg'
    reason = problem(name, value, [0], limits_of(HeadPoseSettings)[name])
    assert (reason == '') is taken
    assert taken or 'input.mounting_deg is ' in reason


@pytest.mark.parametrize('name', ['mounting_deg', 'frame_ids'])
def test_there_is_a_value_for_each_camera_or_one_for_all(name):
    good, missing = ([90], 0) if name == 'mounting_deg' else (['eye'], '')
    given = {'input.image_topics': ['a', 'b', 'c']}

    def settings(values):
        return settings_from(HeadPoseSettings, given | {f'input.{name}': values})

    of = 'mounting_deg_of' if name == 'mounting_deg' else 'frame_id_of'
    assert [getattr(settings(good).input, of)(i) for i in range(3)] == good * 3
    assert getattr(settings([]).input, of)(2) == missing
    last = 180 if name == 'mounting_deg' else 'last'
    assert getattr(settings([*good, *good, last]).input, of)(2) == last
    assert not settings([*good, *good, last]).conflict()
    reason = settings(good * 2).conflict()
    assert f'input.{name} has 2 entries, expected one for each of the 3' in reason


@pytest.mark.parametrize('value', [float('nan'), float('inf'), 0.0, 100.5, None, '10', []])
def test_a_number_out_of_range_is_a_problem(value):
    limits = limits_of(Outer)['inner.rate_hz']
    assert 'expected 0.1 to 100' in problem('inner.rate_hz', value, 10.0, limits)
    assert problem('inner.rate_hz', 100.0, 10.0, limits) == ''


@pytest.mark.parametrize(
    ('value', 'is_list'),
    [([], True), (['x'], True), ((), True), ([1], False), ('x', False), (None, False), (0, False)],
)
def test_only_lists_of_strings_are_lists(value, is_list):
    limits = limits_of(Outer)['inner.names']
    assert (problem('inner.names', value, ['a'], limits) == '') is is_list


@pytest.mark.parametrize(
    ('given', 'meant'),
    [
        # Misspelt, without the group or in it.
        ('detctor', 'detection.detector'),
        ('detection.detctor', 'detection.detector'),
        ('Detection.Detector', 'detection.detector'),
        ('image_topic', 'input.image_topics'),
        ('tracking.keep', 'tracking.keep_s'),
        # The flat names of before.
        ('image_topics', 'input.image_topics'),
        ('depth_topics', 'input.depth_topics'),
        ('image_transport', 'input.image_transport'),
        ('max_rate_hz', 'input.max_rate_hz'),
        ('deterministic', 'input.deterministic'),
        ('detector', 'detection.detector'),
        ('detector_model', 'detection.model_file'),
        ('detection_size', 'detection.size'),
        ('search_period_s', 'detection.search_period_s'),
        ('score_threshold', 'detection.score_threshold'),
        ('weights', 'network.weights'),
        ('weights_sha256', 'network.weights_sha256'),
        ('runtime', 'network.runtime'),
        ('threads', 'network.threads'),
        ('mirror', 'network.mirror'),
        ('mirror_max_faces', 'network.mirror_max_faces'),
        ('id_prefix', 'tracking.id_prefix'),
        ('announce_s', 'tracking.announce_s'),
        ('keep_s', 'tracking.keep_s'),
        ('smoothing', 'tracking.smoothing'),
        ('publish_tf', 'output.tf'),
        ('hri', 'output.hri'),
        ('axis_length_m', 'output.axis_length_m'),
        ('attention_targets', 'attention.targets'),
        ('attention_heads', 'attention.heads'),
        ('attention_angle_deg', 'attention.angle_deg'),
        ('attention_hysteresis_deg', 'attention.hysteresis_deg'),
        # Of another node.
        ('camera_name', ''),
        ('pixel_format', ''),
    ],
)
def test_a_name_that_the_node_does_not_have_leads_to_the_one_that_was_meant(given, meant):
    assert nearest_name(given, list(limits_of(HeadPoseSettings)), FORMER_NAMES) == meant


@pytest.mark.parametrize('given', ['video', 'camera', 'sources'])
def test_the_source_of_a_video_source_is_found_under_its_former_names(given):
    assert nearest_name(given, list(limits_of(VideoSourceSettings)), FORMER_NAMES) == 'source'


def test_every_former_name_leads_to_a_parameter():
    known = limits_of(HeadPoseSettings) | limits_of(VideoSourceSettings)
    assert set(FORMER_NAMES.values()) <= set(known)
    assert not set(FORMER_NAMES) & set(known)
