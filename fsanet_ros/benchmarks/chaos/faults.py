"""What a fault is, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsanet_ros.benchmarks.chaos.world import World


class ChaosError(RuntimeError):
    """A node that did not do its part; the text says how."""


@dataclass(frozen=True)
class Fault:
    """
    A fault, and what is expected of the node.

    ``make`` makes it and takes it away again; it may return in how many seconds heads came again,
    where it has made them stay away elsewhere. ``limit_s``: within which heads come again after
    that. ``says``: what diagnostics have to say meanwhile, one of these texts; none: nothing is
    wrong for a node. ``obstacle`` returns why it cannot be made here.
    """

    name: str
    what: str
    make: Callable[[World], float | None]
    limit_s: float = 10.0
    says: tuple[str, ...] = ()
    obstacle: Callable[[], str] = lambda: ''


@dataclass(frozen=True)
class Outcome:
    """
    What came of a fault.

    ``failure`` is empty where the node recovered; ``skipped`` where the fault was made.
    ``recovery_s``: from its end to heads in five answers in a row. ``answers``: while it lasted.
    ``said``: by diagnostics meanwhile. ``lines``: in the log meanwhile.
    """

    name: str
    what: str
    limit_s: float
    recovery_s: float = float('nan')
    answers: int = 0
    said: tuple[str, ...] = field(default_factory=tuple)
    lines: int = 0
    failure: str = ''
    skipped: str = ''
