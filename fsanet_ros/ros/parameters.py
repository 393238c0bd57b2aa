"""
Parameters as data: a frozen dataclass whose fields carry default, description and limits.

Declaration, descriptor, validation, the config file's check and the docs are all made from it::

    @dataclass(frozen=True)
    class Settings:
        rate_hz: float = parameter(10.0, 'How often.', low=0.1, high=100.0, live=True)

    declare(node, Settings)
    settings = read(node, Settings)
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    # At run time where they are needed: the docs are made, and checked, without ROS too.
    from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult

Settings = TypeVar('Settings')
_KEY = 'parameter'


@dataclass(frozen=True)
class Limits:
    """What a parameter is for and which values it takes; ``live``: it may change at any time."""

    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False


def parameter(default: Any, description: str, **limits: Any) -> Any:
    """Return a dataclass field for a parameter; for the rest see Limits."""
    metadata = {_KEY: Limits(description, **limits)}
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def limits_of(settings: type) -> dict[str, Limits]:
    """Return the limits of all parameters by name."""
    return {f.name: f.metadata[_KEY] for f in dataclasses.fields(settings)}


def defaults_of(settings: type) -> dict[str, Any]:
    """Return the default of all parameters by name."""
    return {name: getattr(settings(), name) for name in limits_of(settings)}


def declare(node: Any, settings: type, read_only: bool = False) -> None:
    """
    Declare all parameters of a node, with the values that it was started with.

    :param read_only: parameters that are not live never change, as in a node without a lifecycle
    :raises ValueError: if one of those values is not possible, naming it and what is
    """
    from rclpy.exceptions import ParameterException

    limits = limits_of(settings)
    for name, default in defaults_of(settings).items():
        descriptor = _descriptor(default, limits[name])
        descriptor.read_only = read_only and not limits[name].live
        try:
            node.declare_parameter(name, default, descriptor)
        except ParameterException as error:
            raise ValueError(f'{error}') from error
        reason = problem(name, node.get_parameter(name).value, limits[name])
        if reason:
            raise ValueError(reason)


def read(node: Any, settings: type[Settings]) -> Settings:
    """Return the parameters' values."""
    return settings(**{name: node.get_parameter(name).value for name in defaults_of(settings)})


def updated(settings: Settings, changes: list[Any]) -> Settings:
    """Return settings with the new values of rclpy parameters; other names are left out."""
    known = defaults_of(type(settings))
    return dataclasses.replace(  # type: ignore[type-var]
        settings, **{change.name: change.value for change in changes if change.name in known}
    )


def check(settings: type, changes: list[Any], only_live: str = '') -> SetParametersResult:
    """
    Say whether parameters may take new values, for on-set callbacks.

    :param changes: rclpy parameters; names that are not of these settings are not judged
    :param only_live: when not empty, others than live ones are refused, with this as the advice
    """
    from rcl_interfaces.msg import SetParametersResult

    limits = limits_of(settings)
    for change in changes:
        if change.name not in limits:
            continue
        reason = problem(change.name, change.value, limits[change.name])
        if not reason and only_live and not limits[change.name].live:
            reason = f'{change.name} can not change now: {only_live}'
        if reason:
            return SetParametersResult(successful=False, reason=reason)
    return SetParametersResult(successful=True)


def problem(name: str, value: Any, limits: Limits) -> str:
    """Return why a parameter can not have a value, empty if it can."""
    if limits.choices and value not in limits.choices:
        return f'{name} is {value!r}, expected one of: {", ".join(limits.choices)}'
    if limits.low is None or limits.high is None:
        return ''
    # Written so that NaN is refused too.
    if not (math.isfinite(value) and limits.low <= value <= limits.high):
        return f'{name} is {value}, expected {limits.low:g} to {limits.high:g}'
    return ''


def _descriptor(default: Any, limits: Limits) -> ParameterDescriptor:
    from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

    descriptor = ParameterDescriptor(description=limits.description)
    if limits.choices:
        descriptor.additional_constraints = f'One of: {", ".join(limits.choices)}'
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
