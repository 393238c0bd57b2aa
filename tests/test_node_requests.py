"""Requests that cannot be carried out are refused with a reason; the node stays as it is."""

import random

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from head_pose_rig import Rig, grey_picture, start_unharmed
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from std_srvs.srv import SetBool

pytestmark = pytest.mark.ros

GREY = grey_picture()
ACTIVE = State.PRIMARY_STATE_ACTIVE


@pytest.fixture(scope='module')
def process():
    with start_unharmed() as node:
        yield node


@pytest.fixture(scope='module')
def rig(process):
    with Rig('head_poses') as rig:
        rig.ask(GREY)
        yield rig


@pytest.fixture(autouse=True)
def alive(process, rig):
    yield
    assert process.running, process.output
    assert state(rig) == ACTIVE
    rig.ask(GREY)


def state(rig):
    return rig.call(GetState, 'get_state', GetState.Request()).current_state.id


def change(rig, **transition):
    request = ChangeState.Request(transition=Transition(**transition))
    return rig.call(ChangeState, 'change_state', request).success


def set_values(rig, *values):
    parameters = [Parameter(name=name, value=value) for name, value in values]
    request = SetParameters.Request(parameters=parameters)
    return rig.call(SetParameters, 'set_parameters', request).results


def test_a_transition_that_the_state_does_not_allow_is_refused_with_those_it_does(process, rig):
    assert not change(rig, id=Transition.TRANSITION_ACTIVATE)
    process.wait_for_output(
        'request refused: no transition 3 from the state active, '
        'possible: deactivate (4), shutdown (7)'
    )


def test_no_number_or_label_of_a_transition_ends_it(process, rig):
    allowed = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVE_SHUTDOWN
    for number in set(range(256)) - set(allowed):
        assert not change(rig, id=number)
    for label in ('activate', 'explode', 'on_activate_success', 'x' * 100_000, "'", '\n'):
        assert not change(rig, id=Transition.TRANSITION_DEACTIVATE, label=label)
    assert process.output.count('request refused') <= 8
    assert max(map(len, process.output.splitlines())) < 2000


def test_a_parameter_of_a_type_that_does_not_exist_is_refused_and_the_others_are_set(rig):
    strange, usual = ParameterValue(type=99), ParameterValue(type=ParameterType.PARAMETER_DOUBLE)
    usual.double_value = 0.5
    before, result = set_values(rig, ('tracking.keep_s', usual), ('tracking.keep_s', strange))
    assert before.successful
    assert not result.successful and '99' in result.reason


@pytest.mark.parametrize('kind', range(11))
def test_an_empty_value_of_any_type_is_taken_or_refused_with_a_reason(rig, kind):
    request = GetParameters.Request(names=['attention.targets'])
    for name in ('attention.targets', 'input.depth_topics', 'detection.size', 'autostart', 'no'):
        (result,) = set_values(rig, (name, ParameterValue(type=kind)))
        assert result.successful or result.reason
    assert len(rig.call(GetParameters, 'get_parameters', request).values) == 1


def test_sets_of_many_parameters_are_refused_as_a_whole(rig):
    values = [ParameterValue(type=kind) for kind in (4, 99, 0, 3, 200)]
    names = ['network.weights', '', 'use_sim_time', 'detection.size', 'x' * 10_000]
    parameters = [Parameter(name=n, value=v) for n, v in zip(names, values, strict=True)]
    for count in range(len(parameters) + 1):
        request = SetParametersAtomically.Request(parameters=parameters[:count])
        answer = rig.call(SetParametersAtomically, 'set_parameters_atomically', request)
        assert answer.result.successful == (count == 0)


def test_questions_about_what_does_not_exist_are_answered(rig):
    names = ['', 'no', 'x' * 10_000, 'detection.', 'detection.size']
    rig.call(DescribeParameters, 'describe_parameters', DescribeParameters.Request(names=names))
    rig.call(GetParameterTypes, 'get_parameter_types', GetParameterTypes.Request(names=names))
    rig.call(GetParameters, 'get_parameters', GetParameters.Request(names=names))
    for depth in (0, 1, 2**63):
        request = ListParameters.Request(prefixes=names, depth=depth)
        rig.call(ListParameters, 'list_parameters', request)


def test_a_thousand_random_sets_leave_it_answering(process, rig):
    chance = random.Random(0)
    names = rig.call(ListParameters, 'list_parameters', ListParameters.Request()).result.names
    client = rig.client(SetParameters, 'set_parameters')
    futures = []
    for _ in range(1000):
        value = ParameterValue(
            type=chance.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 99]),
            bool_value=chance.random() < 0.5,
            integer_value=chance.choice([-1, 0, 1, 640, 2**40]),
            double_value=chance.choice([0.0, -1.0, 0.5, 1e300, float('nan'), float('inf')]),
            string_value=chance.choice(['', 'none', 'camera', 'x' * 1000]),
            string_array_value=chance.choice([[], [''], ['camera', 'screen']]),
        )
        # Not those that would leave it without images or listeners.
        name = chance.choice([n for n in names if n != 'use_sim_time'])
        request = SetParameters.Request(parameters=[Parameter(name=name, value=value)])
        futures.append(client.call_async(request))
        if len(futures) % 5 == 0:
            assert rig.until(lambda: futures[-1].done())
    # A lost answer is the middleware's affair: what counts is that it goes on.
    assert sum(future.done() for future in futures) > 900


def test_asking_to_be_disabled_and_enabled_in_a_hurry_ends_enabled(rig):
    client = rig.client(SetBool, 'enable')
    for number in range(100):
        future = client.call_async(SetBool.Request(data=bool(number % 2)))
    assert rig.until(future.done)
    rig.let_images_be_lost()
