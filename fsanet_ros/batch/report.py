"""What a run says at its end, and its exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fsanet_ros.batch.estimation_job import WHOLE
from fsanet_ros.batch.finished import Summary
from fsanet_ros.batch.inputs import PassedOver

# Exit codes of ``estimate``; documented in its help.
ALL_READ, ERROR, SOME_DAMAGED, INTERRUPTED = 0, 1, 3, 130
_SHOWN = 20


@dataclass
class RunReport:
    """
    What became of each input.

    ``damaged``: read in part: name and what is missing. ``unreadable``: not read at all: name and
    reason. ``passed``: not tried. ``notes``: what was read, but not as one may expect.
    """

    done: int = 0
    frames: int = 0
    heads: int = 0
    damaged: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    passed: Sequence[PassedOver] = ()

    def add(self, name: str, summary: Summary) -> None:
        """Take in what was read of an input."""
        whole = summary.problems.get(WHOLE, '')
        if not summary.frames:
            reasons = list(dict.fromkeys(summary.problems.values())) or ['no frames']
            self.unreadable.append((name, '; '.join(reasons[:3])))
        elif summary.damaged:
            places = [f'frame {n}: {t}' for n, t in sorted(summary.problems.items()) if n != WHOLE]
            more = f' and {summary.damaged - 3} more places' if summary.damaged > 3 else ''
            self.damaged.append((name, '; '.join(places[:3]) + more))
        else:
            self.done += 1
            if whole:
                self.notes.append((name, whole))

    @property
    def exit_code(self) -> int:
        """0 if all was read, 1 if nothing was, 3 if something is missing or damaged."""
        if not self.done and not self.damaged:
            return ERROR
        missing = any(one.missing for one in self.passed)
        return SOME_DAMAGED if self.damaged or self.unreadable or missing else ALL_READ

    def lines(self) -> list[str]:
        """Return the report for people."""
        total = f'{self.done} read, {self.frames} frames, {self.heads} heads'
        for count, what in (
            (len(self.damaged), 'damaged'),
            (len(self.unreadable), 'unreadable'),
            (len(self.passed), 'passed over'),
        ):
            if count:
                total += f'; {count} {what}'
        lines = [total]
        lines += _listed('damaged', self.damaged)
        lines += _listed('unreadable', self.unreadable)
        lines += _listed('note', self.notes)
        lines += _listed('passed over', [(one.name, one.reason) for one in self.passed])
        return lines


def _listed(what: str, found: Sequence[tuple[str, str]]) -> list[str]:
    shown = [(name, reason.removeprefix(f'{name} ')) for name, reason in found[:_SHOWN]]
    lines = [f'  {what}: {name}: {reason}' for name, reason in shown]
    if len(found) > _SHOWN:
        lines.append(f'  ... and {len(found) - _SHOWN} more {what}')
    return lines
