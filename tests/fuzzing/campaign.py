"""Inputs for a target until their number or the time is up, and what they found."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fuzzing.damage import Damaged

ROOT = Path(__file__).parents[2]
# Of CPU time: no input of a few kilobytes may take longer.
SLOW_S = 1.0
_WITHOUT = 9


@dataclass(frozen=True)
class Target:
    """
    Something that reads what others wrote.

    ``check`` is called with each input of ``inputs``; it returns where the input was read, or
    refused as it should be, and raises where it was not. ``round``: how many inputs a run of
    hypothesis makes; damaged bytes are then also made without it, nine times as many. ``share``:
    of a campaign's inputs.
    """

    name: str
    inputs: st.SearchStrategy[Any] | Damaged
    check: Callable[[Any], object]
    round: int = 1000
    share: float = 1.0


@dataclass
class Finding:
    """What an input did that it should not, and the smallest input that does."""

    key: str
    text: str
    example: str


@dataclass
class Result:
    """What came of a campaign against one target."""

    target: str
    inputs: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)


class Campaign:
    """Tries a target; what was found once is not reported again, and does not end it."""

    def __init__(self, target: Target, kept: Path | None, last_input: Path | None) -> None:
        """
        Start with nothing found.

        :param kept: a folder for what fails, which is tried first
        :param last_input: a file for the input that is being tried, for what ends the process
        """
        self.result = Result(target.name)
        self._target = target
        made = target.inputs
        self._strategy = made.strategy() if isinstance(made, Damaged) else made
        self._kept = None if kept is None else kept / target.name.replace(' ', '_')
        self._last_input = None if last_input is None else last_input.open('wb', buffering=0)
        self._keys: set[str] = set()
        self._failed: tuple[Finding, Any] | None = None

    def run(self, inputs: int, seconds: float, seed: int) -> Result:
        """Try inputs until there were so many, or the time is up."""
        begin_s = time.monotonic()
        for path in sorted(self._kept.glob('*')) if self._kept is not None else ():
            with contextlib.suppress(Exception):  # it has been noted
                self._try(pickle.loads(path.read_bytes()))
            self._take_finding()
        while self.result.inputs < inputs and self.result.seconds < seconds:
            count = min(self._target.round, inputs - self.result.inputs)
            self._run_round(count, seed)
            if isinstance(self._target.inputs, Damaged):
                end = min(self.result.inputs + _WITHOUT * count, inputs)
                self._run_without(self._target.inputs, Random(seed), end, begin_s + seconds)
            seed += 1
            self.result.seconds = time.monotonic() - begin_s
        return self.result

    def _run_round(self, count: int, seed: int) -> None:
        run = hypothesis.seed(seed)(
            settings(
                max_examples=count,
                database=None,
                deadline=None,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
                report_multiple_bugs=False,
            )(given(self._strategy)(self._try))
        )
        with contextlib.suppress(Exception):  # it has been noted
            run()
        self._take_finding()

    def _run_without(self, inputs: Damaged, random: Random, end: int, end_s: float) -> None:
        while self.result.inputs < end and time.monotonic() < end_s:
            with contextlib.suppress(Exception):  # it has been noted
                self._try(inputs.draw(random))
            self._take_finding()

    def _take_finding(self) -> None:
        if self._failed is None:
            return
        (finding, value), self._failed = self._failed, None
        self._keys.add(finding.key)
        self.result.findings.append(finding)
        if self._kept is not None:
            self._kept.mkdir(parents=True, exist_ok=True)
            content = pickle.dumps(value)
            (self._kept / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)

    def _try(self, value: Any) -> None:
        self.result.inputs += 1
        self._note(value)
        try:
            # Whatever is imported or made on first use is not the input's.
            if self._seconds_of(value) > SLOW_S and (again_s := self._seconds_of(value)) > SLOW_S:
                raise TimeoutError(f'took {again_s:.1f} s')
        except Exception as error:
            key = _key(error)
            if key in self._keys:
                return
            text = ''.join(traceback.format_exception(error))
            self._failed = Finding(key, text, repr(value)[:3000]), value
            raise

    def _seconds_of(self, value: Any) -> float:
        begin_s = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            self._target.check(value)
        return time.process_time() - begin_s

    def _note(self, value: Any) -> None:
        if self._last_input is not None:
            self._last_input.seek(0)
            self._last_input.write(pickle.dumps((self.result.inputs, value)))


def _key(error: Exception) -> str:
    """Return what two failures of the same cause have in common: the kind and the place."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if 'fsanet_ros' in frame.filename] or frames
    frame = ours[-1]
    return f'{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}'
