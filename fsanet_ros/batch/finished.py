"""The finished jobs of each input, read part by part: a recording of days fits in no memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from fsanet_ros.batch.estimation_job import WHOLE
from fsanet_ros.batch.head_arrays import FrameHeads
from fsanet_ros.batch.inputs import Input
from fsanet_ros.batch.jobs import Job
from fsanet_ros.batch.work_folder import WorkFolder

_PROBLEMS_KEPT = 100


@dataclass
class Summary:
    """
    What was read of an input.

    ``damaged``: at how many places something is missing. ``problems``: by frame number, the first
    of them; under WHOLE what holds for the input. ``topics``: of a bag's images.
    """

    frames: int = 0
    damaged: int = 0
    problems: dict[int, str] = field(default_factory=dict)
    topics: list[str] = field(default_factory=list)

    def add(self, part: FrameHeads) -> None:
        """Take the next part in."""
        for number, text in part.problems.items():
            if len(self.problems) < _PROBLEMS_KEPT:
                self.problems.setdefault(number + self.frames if number >= 0 else WHOLE, text)
        self.frames += len(part.number)
        self.damaged += part.damaged
        self.topics += [topic for topic in dict.fromkeys(part.topics) if topic not in self.topics]


@dataclass(frozen=True)
class FinishedInput:
    """
    An input whose jobs are done.

    ``place``: of a picture, its place in the job that it shares with others, else -1.
    """

    input: Input
    keys: Sequence[str]
    folder: WorkFolder
    place: int = -1

    def parts(self) -> Iterator[FrameHeads]:
        """
        Yield the heads of its frames, part by part, in order.

        :raises ValueError: if the file of a part is damaged; it is removed
        :raises OSError: if it cannot be read
        """
        for key in self.keys:
            heads = self.folder.load(key)
            yield heads if self.place < 0 else _of_picture(heads, self.place)

    def summary(self) -> Summary:
        """Return what was read of it; see parts for errors."""
        summary = Summary()
        for part in self.parts():
            summary.add(part)
        return summary


def finished_inputs(jobs: Mapping[Job, str], folder: WorkFolder) -> Iterator[FinishedInput]:
    """
    Yield the inputs of finished jobs in the order of the jobs.

    :param jobs: each with its key
    """
    for inputs, parts in groupby(jobs, key=lambda job: job.inputs):
        keys = [jobs[job] for job in parts]
        if inputs[0].kind == 'picture':
            for place, one in enumerate(inputs):
                yield FinishedInput(one, keys, folder, place)
        else:
            yield FinishedInput(inputs[0], keys, folder)


def _of_picture(heads: FrameHeads, place: int) -> FrameHeads:
    """Return the heads of one of a job's pictures as those of an input of its own."""
    text = heads.problems.get(place) or heads.problems.get(WHOLE)
    problems = {WHOLE: text} if text else {}
    # Not there: the job ended before it; without a size: it could not be decoded.
    if place >= len(heads.number) or not heads.size[place].any():
        return FrameHeads.empty(problems)
    end = int(heads.count[: place + 1].sum())
    one = slice(place, place + 1)
    return FrameHeads(
        number=np.zeros(1, np.int64),
        time_s=heads.time_s[one],
        stamp_ns=heads.stamp_ns[one],
        recorded_ns=heads.recorded_ns[one],
        size=heads.size[one],
        topic=heads.topic[one],
        count=heads.count[one],
        rows=heads.rows[end - int(heads.count[place]) : end],
        topics=heads.topics,
        frame_ids=heads.frame_ids,
        problems=problems,
    )
