"""
Parameters as data: frozen dataclasses whose fields carry default, description and limits.

Declaration, descriptors, checks, the YAML file and the docs are all made from them::

    @dataclass(frozen=True)
    class CameraSettings:
        rate_hz: float = parameter(10.0, 'How often.', low=0.1, high=100.0, live=True)

    @dataclass(frozen=True)
    class Settings:
        camera: CameraSettings = group(CameraSettings)  # the parameter camera.rate_hz

    declare(node, Settings)
    settings = read(node, Settings)
"""

from __future__ import annotations

import array
import dataclasses
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from fsanet_ros.files.texts import one_line

if TYPE_CHECKING:
    # At run time where they are needed: the docs are made, and checked, without ROS too.
    from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
    from rclpy.node import Node
    from rclpy.parameter import Parameter

Settings = TypeVar('Settings')
_KEY = 'parameter'
_SIMILAR = 0.75  # of difflib; names that are less alike are not suggested


@dataclass(frozen=True)
class Limits:
    """
    What a parameter is for and which values it takes.

    ``live``: it may change at any time. ``number``: a string that may be given as a whole number.
    ``choices``: of a list, of each of its entries, as text. ``one_for_all``: a list that may be
    given as a single value.
    """

    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False
    number: bool = False
    one_for_all: bool = False


def parameter(default: Any, description: str, **limits: Any) -> Any:
    """Return a dataclass field for a parameter; for the rest see Limits."""
    metadata = {_KEY: Limits(description, **limits)}
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def group(settings: type) -> Any:
    """Return a dataclass field for a group of parameters, itself such a dataclass."""
    return dataclasses.field(default_factory=settings)


def limits_of(settings: type) -> dict[str, Limits]:
    """Return the limits of all parameters by their full names."""
    limits = {}
    for field in dataclasses.fields(settings):
        if _KEY in field.metadata:
            limits[field.name] = field.metadata[_KEY]
        else:
            inner = limits_of(_kind(field))
            limits |= {f'{field.name}.{name}': limit for name, limit in inner.items()}
    return limits


def values_of(settings: Any) -> dict[str, Any]:
    """Return the values of all parameters by their full names."""
    values = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if _KEY in field.metadata:
            values[field.name] = value
        else:
            values |= {f'{field.name}.{name}': inner for name, inner in values_of(value).items()}
    return values


def defaults_of(settings: type) -> dict[str, Any]:
    """Return the defaults of all parameters by their full names."""
    return values_of(settings())


def settings_from(settings: type[Settings], values: Mapping[str, Any]) -> Settings:
    """Return settings with values by their full names; those that are missing are defaults."""
    given: dict[str, Any] = {}
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]
        if _KEY not in field.metadata:
            start = f'{field.name}.'
            inner = {n.removeprefix(start): v for n, v in values.items() if n.startswith(start)}
            given[field.name] = settings_from(_kind(field), inner)
        elif field.name in values:
            given[field.name] = values[field.name]
    return settings(**given)


def declare(node: Node, settings: type) -> None:
    """
    Declare all parameters of a node, with the values that it was started with.

    :raises ValueError: if one of those values is not possible, naming it and what is
    """
    from rclpy.exceptions import ParameterException, ParameterUninitializedException
    from rclpy.parameter import Parameter

    limits = limits_of(settings)
    for name, default in defaults_of(settings).items():
        try:
            node.declare_parameter(name, default, _descriptor(default, limits[name]))
            value = node.get_parameter(name).value
        except ParameterUninitializedException as error:  # [] on the command line
            raise ValueError(f'{name} has no value, expected one like {default!r}') from error
        except ParameterException as error:
            raise ValueError(f'{error}') from error
        if isinstance(default, list) and (value is None or (_is_list(value) and not len(value))):
            # rclpy takes an empty list for one of bytes, and on the command line for nothing.
            node.set_parameters([Parameter(name, Parameter.Type.STRING_ARRAY, [])])
            value = []
        if reason := problem(name, value, default, limits[name]):
            raise ValueError(reason)


def read(node: Node, settings: type[Settings]) -> Settings:
    """Return the parameters' values."""
    values = {
        name: _plain(node.get_parameter(name).value, default)
        for name, default in defaults_of(settings).items()
    }
    return settings_from(settings, values)


def updated(settings: Settings, changes: Sequence[Parameter]) -> Settings:
    """Return settings with the new values of rclpy parameters; other names are left out."""
    values = values_of(settings)
    values |= {c.name: _plain(c.value, values[c.name]) for c in changes if c.name in values}
    return settings_from(type(settings), values)


def check(settings: Any, changes: Sequence[Parameter], only_live: str = '') -> SetParametersResult:
    """
    Say whether parameters may take new values, for on-set callbacks.

    :param settings: the present ones; a value that stays the same is never refused
    :param changes: rclpy parameters; names that are not of these settings are not judged
    :param only_live: when not empty, changes of others than live ones are refused, with this as
        the advice
    """
    from rcl_interfaces.msg import SetParametersResult

    limits, values = limits_of(type(settings)), values_of(settings)
    for change in changes:
        name = change.name
        if name not in limits:
            continue
        reason = problem(name, change.value, values[name], limits[name])
        is_fixed = bool(only_live) and not limits[name].live
        if not reason and is_fixed and _plain(change.value, values[name]) != values[name]:
            reason = f'{name} cannot change now: {only_live}'
        if reason:
            return SetParametersResult(successful=False, reason=reason)
    return SetParametersResult(successful=True)


def problem(name: str, value: Any, default: Any, limits: Limits) -> str:
    """
    Return why a parameter cannot have a value, empty if it can.

    :param default: a value of the right type
    """
    if isinstance(default, list):
        return _problem_of_list(name, value, default, limits)
    if limits.number and (isinstance(value, bool) or not isinstance(value, (str, int))):
        return f'{name} is {value!r}, expected a string or a whole number'
    if limits.choices and value not in limits.choices:
        return f'{name} is {value!r}, expected one of: {", ".join(limits.choices)}'
    if limits.low is None or limits.high is None:
        return ''
    # Written so that NaN is refused too, and nothing at all, to which a parameter can be set.
    is_number = isinstance(value, (int, float)) and math.isfinite(value)
    if not (is_number and limits.low <= value <= limits.high):
        return f'{name} is {value}, expected {limits.low:g} to {limits.high:g}'
    return ''


def _problem_of_list(name: str, value: Any, default: list[Any], limits: Limits) -> str:
    entries = value if _is_list(value) else [value] if limits.one_for_all else None
    kind = _kind_of_entries(default)
    if entries is None or not all(type(entry) is kind for entry in entries):
        return f'{name} is {_shown(value)}, expected {_list_of(kind, limits)}'
    if limits.choices and not all(str(entry) in limits.choices for entry in entries):
        choices = ', '.join(limits.choices)
        return f'{name} is {_shown(value)}, expected for each camera one of: {choices}'
    return ''


def _kind_of_entries(default: list[Any]) -> type:
    return type(default[0]) if default else str


def _list_of(kind: type, limits: Limits) -> str:
    several, one = ('strings', 'one') if kind is str else ('whole numbers', 'a single one')
    return f'a list of {several}' + (f', or {one} for all cameras' if limits.one_for_all else '')


def _shown(value: Any) -> str:
    return repr(list(value) if isinstance(value, array.array) else value)


def nearest_name(name: str, known: Sequence[str], former_names: Mapping[str, str]) -> str:
    """
    Return the parameter that was most likely meant, empty if none is like it.

    Groups may be left out or joined by an underscore: keep_s and tracking_keep_s are
    tracking.keep_s.

    :param former_names: names of earlier versions and today's
    """
    if former_names.get(name) in known:
        return former_names[name]
    by_form: dict[str, str] = {}
    for full in known:
        for form in (full.rpartition('.')[2], full.replace('.', '_'), full):
            by_form[form] = full
    close = difflib.get_close_matches(name.lower(), by_form, 1, _SIMILAR)
    return by_form[close[0]] if close else ''


def warn_of_unknown(
    node: Node, settings: type, given: Sequence[str], former_names: Mapping[str, str]
) -> None:
    """
    Warn once of parameters that a node was given and does not have, naming those that were meant.

    A warning and no refusal: a file for several nodes, under ``/**``, has parameters of others.

    :param given: the names of the parameters that it was started with
    """
    known = list(limits_of(settings))
    unknown = []
    for name in given:
        if node.has_parameter(name) or name.startswith('qos_overrides.'):
            continue
        meant = nearest_name(name, known, former_names)
        unknown.append(f'{name} (did you mean {meant}?)' if meant else name)
    if unknown:
        node.get_logger().warning(
            f'ignored, as {node.get_name()} has no such parameters: {one_line(", ".join(unknown))}'
        )


def _kind(field: dataclasses.Field[Any]) -> type[Any]:
    """Return the dataclass of a group."""
    return field.default_factory  # type: ignore[return-value]


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, array.array))


def _plain(value: Any, default: Any) -> Any:
    """Return a value in the type that the settings have."""
    if isinstance(default, list):
        return list(value) if _is_list(value) else [value]
    return str(value) if isinstance(default, str) else value


def _descriptor(default: Any, limits: Limits) -> ParameterDescriptor:
    from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

    descriptor = ParameterDescriptor(description=limits.description)
    constraints = []
    if isinstance(default, list):
        # An empty list has no type; the strings are checked here.
        descriptor.dynamic_typing = True
        kind = _list_of(_kind_of_entries(default), limits)
        constraints.append(f'{kind[0].upper()}{kind[1:]}.')
    if limits.number:
        descriptor.dynamic_typing = True
        constraints.append('A string or a whole number.')
    if limits.choices:
        constraints.append(f'One of: {", ".join(limits.choices)}.')
    if not limits.live:
        constraints.append('Not live.')
    descriptor.additional_constraints = ' '.join(constraints)
    if limits.low is None or limits.high is None:
        return descriptor
    if isinstance(default, int):
        descriptor.integer_range = [
            IntegerRange(from_value=int(limits.low), to_value=int(limits.high), step=1)
        ]
    else:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(limits.low), to_value=float(limits.high))
        ]
    return descriptor
