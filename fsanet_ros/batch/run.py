"""A whole run: from the inputs to tables and annotated copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TextIO

import numpy as np

from fsanet_ros import __version__
from fsanet_ros.batch.annotation import annotate_picture, annotate_video, copy_name
from fsanet_ros.batch.bag_writer import BagWriter
from fsanet_ros.batch.estimation_job import WHOLE, estimate_job
from fsanet_ros.batch.head_arrays import FrameHeads, joined
from fsanet_ros.batch.inputs import Input
from fsanet_ros.batch.jobs import EstimationSettings, Job, jobs_of
from fsanet_ros.batch.live import sightings_live
from fsanet_ros.batch.report import RunReport
from fsanet_ros.batch.sightings import Sighting, TrackingSettings, sightings_in
from fsanet_ros.batch.tables import TableFile, TableWriter, row_of, text_table
from fsanet_ros.batch.work_folder import WorkFolder
from fsanet_ros.batch.workers import Workers

# Called with the frames that are done since the last call.
Advance = Callable[[int], object]


@dataclass(frozen=True)
class Outputs:
    """
    What a run writes.

    ``tables``: files that end in .csv, .jsonl or .parquet. ``stream``: for CSV, or None.
    ``copies``: the folder of annotated pictures and videos, and of new bags, or None.
    ``bag_topics``: of the input bags that the new ones have too; None: all.
    """

    tables: Sequence[Path] = ()
    stream: TextIO | None = None
    copies: Path | None = None
    bag_topics: Sequence[str] | None = ()


@dataclass
class Plan:
    """The jobs of a run. ``unreadable``: inputs that are not, and why."""

    jobs: list[Job] = field(default_factory=list)
    unreadable: list[tuple[Input, str]] = field(default_factory=list)

    @property
    def frames(self) -> int:
        """About how many frames there are."""
        return sum(job.frames for job in self.jobs)


def make_plan(inputs: Sequence[Input]) -> Plan:
    """Cut the inputs into jobs."""
    plan = Plan()
    for found in jobs_of(inputs):
        if isinstance(found, Job):
            plan.jobs.append(found)
        else:
            plan.unreadable.append(found)
    return plan


def estimate_heads(
    plan: Plan,
    settings: EstimationSettings,
    workers: Workers,
    folder: WorkFolder,
    advance: Advance,
) -> None:
    """
    Work on all jobs that are not done yet.

    :raises ValueError, OSError, ImportError: if the settings are wrong, or the folder is full
    """
    keys = {job: job.key(settings.fingerprint()) for job in plan.jobs}
    open_jobs = []
    for job in plan.jobs:
        if folder.has(keys[job]):
            advance(job.frames)
        else:
            open_jobs.append(job)
    if not open_jobs:
        return
    work = partial(estimate_job, settings=settings)
    for job, result in workers.run(work, open_jobs):
        if isinstance(result, (ValueError, OSError, ImportError)):
            raise result
        if isinstance(result, Exception):
            result = FrameHeads.empty({WHOLE: str(result)}).to_bytes()
        folder.keep(keys[job], result)
        advance(job.frames)


def write_results(
    plan: Plan,
    settings: EstimationSettings,
    tracking: TrackingSettings,
    folder: WorkFolder,
    outputs: Outputs,
    live: Input | None = None,
    advance: Advance = lambda _: None,
) -> RunReport:
    """
    Write the tables and copies of finished jobs, input by input, then what a live input shows.

    :param live: a camera or stream; it is read until it ends or is interrupted, after which the
        tables are whole
    :raises OSError: if something cannot be written
    :raises ValueError: if what a job left is damaged
    """
    report = RunReport()
    about = {
        'detector': settings.detector,
        'weights': Path(settings.weights).name,
        'version': __version__,
    }
    with ExitStack() as stack:
        tables = _open_tables(outputs, stack)
        for one, heads in _by_input(plan, settings, folder):
            sightings = list(sightings_in(heads, tracking, ids=one.kind != 'picture'))
            for table in tables:
                table.write(row_of(sighting, one.name, about) for sighting in sightings)
            _count(report, one, heads, len(sightings))
            if outputs.copies is not None and len(heads.number):
                _write_copy(one, heads, sightings, outputs.copies, outputs.bag_topics)
        if live is not None:
            with suppress(KeyboardInterrupt):
                for found in sightings_live(live, settings, tracking, advance):
                    for table in tables:
                        table.write(row_of(sighting, live.name, about) for sighting in found)
                    report.frames += 1
                    report.heads += len(found)
            report.done += 1
    report.unreadable += [(one.name, reason) for one, reason in plan.unreadable]
    return report


def _open_tables(outputs: Outputs, stack: ExitStack) -> list[TableWriter]:
    tables: list[TableWriter] = [stack.enter_context(TableFile(path)) for path in outputs.tables]
    if outputs.stream is not None:
        tables.append(text_table(outputs.stream, '.csv'))
    return tables


def _write_copy(
    one: Input,
    heads: FrameHeads,
    sightings: list[Sighting],
    folder: Path,
    bag_topics: Sequence[str] | None,
) -> None:
    target = folder / copy_name(one)
    if target.resolve() == Path(one.address).resolve():
        raise ValueError(f'{target} is an input: choose another folder for the annotated copies')
    if one.kind == 'bag':
        BagWriter(Path(one.address), bag_topics).write(heads, sightings, target)
    elif one.kind == 'picture':
        annotate_picture(one, sightings, target)
    else:
        annotate_video(one, sightings, target)


def _by_input(
    plan: Plan, settings: EstimationSettings, folder: WorkFolder
) -> Iterator[tuple[Input, FrameHeads]]:
    """Yield each input with the heads of all its frames, in the order of the jobs."""
    waiting: list[FrameHeads] = []
    for index, job in enumerate(plan.jobs):
        heads = folder.load(job.key(settings.fingerprint()))
        if job.inputs[0].kind == 'picture':
            yield from zip(job.inputs, _one_by_one(heads, len(job.inputs)), strict=True)
            continue
        waiting.append(heads)
        if index + 1 == len(plan.jobs) or plan.jobs[index + 1].inputs != job.inputs:
            yield job.inputs[0], joined(waiting)
            waiting = []


def _one_by_one(heads: FrameHeads, count: int) -> Iterator[FrameHeads]:
    """Yield the heads of each of a job's pictures as those of an input of its own."""
    ends = heads.count.cumsum()
    for n in range(count):
        text = heads.problems.get(n) or heads.problems.get(WHOLE)
        problems = {WHOLE: text} if text else {}
        # Not there: the job ended before it; without a size: it could not be decoded.
        if n >= len(heads.number) or not heads.size[n].any():
            yield FrameHeads.empty(problems)
            continue
        yield FrameHeads(
            number=np.zeros(1, np.int64),
            time_s=heads.time_s[n : n + 1],
            stamp_ns=heads.stamp_ns[n : n + 1],
            recorded_ns=heads.recorded_ns[n : n + 1],
            size=heads.size[n : n + 1],
            topic=heads.topic[n : n + 1],
            count=heads.count[n : n + 1],
            rows=heads.rows[ends[n] - heads.count[n] : ends[n]],
            topics=heads.topics,
            frame_ids=heads.frame_ids,
            problems=problems,
        )


def _count(report: RunReport, one: Input, heads: FrameHeads, found: int) -> None:
    report.frames += len(heads.number)
    report.heads += found
    whole = heads.problems.get(WHOLE, '')
    if not len(heads.number):
        reasons = list(dict.fromkeys(heads.problems.values())) or ['no frames']
        report.unreadable.append((one.name, '; '.join(reasons[:3])))
    elif heads.damaged:
        places = [f'frame {n}: {text}' for n, text in sorted(heads.problems.items()) if n != WHOLE]
        more = f' and {len(places) - 3} more places' if len(places) > 3 else ''
        report.damaged.append((one.name, '; '.join(places[:3]) + more))
    else:
        report.done += 1
        if whole:
            report.notes.append((one.name, whole))
