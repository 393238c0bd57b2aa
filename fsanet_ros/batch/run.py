"""A whole run: from the inputs to tables and annotated copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TextIO

from fsanet_ros import __version__
from fsanet_ros.batch.annotation import annotate_picture, annotate_video
from fsanet_ros.batch.bag_writer import BagWriter
from fsanet_ros.batch.estimation_job import WHOLE, estimate_job
from fsanet_ros.batch.finished import FinishedInput, Summary, finished_inputs
from fsanet_ros.batch.head_arrays import FrameHeads
from fsanet_ros.batch.inputs import Input
from fsanet_ros.batch.jobs import EstimationSettings, Job, jobs_of
from fsanet_ros.batch.live import sighted_frames_live
from fsanet_ros.batch.report import RunReport
from fsanet_ros.batch.sightings import SightedFrame, TrackingSettings, sighted_frames
from fsanet_ros.batch.tables import TableFile, TableWriter, rows_of, text_table
from fsanet_ros.batch.work_folder import WorkFolder
from fsanet_ros.batch.workers import Workers
from fsanet_ros.files.bags import BagError

# Called with the frames that are done since the last call.
Advance = Callable[[int], object]


@dataclass(frozen=True)
class Outputs:
    """
    What a run writes.

    ``tables``: files that end in .csv, .jsonl or .parquet. ``stream``: for CSV, or None.
    ``copies``: where the annotated copy of each input goes, and of bags the new one; may be empty.
    ``bag_topics``: of the input bags that the new ones have too; None: all.
    """

    tables: Sequence[Path] = ()
    stream: TextIO | None = None
    copies: Mapping[Input, Path] = field(default_factory=dict)
    bag_topics: Sequence[str] | None = ()


@dataclass
class Plan:
    """
    The jobs of a run, each with its key, see Job.key. ``unreadable``: inputs that are, and why.

    Keys are worked out once: a file that changes meanwhile is estimated anew by the next run.
    """

    jobs: dict[Job, str] = field(default_factory=dict)
    unreadable: list[tuple[Input, str]] = field(default_factory=list)

    @property
    def frames(self) -> int:
        """About how many frames there are."""
        return sum(job.frames for job in self.jobs)


def make_plan(inputs: Sequence[Input], settings: EstimationSettings) -> Plan:
    """Cut the inputs into jobs."""
    plan = Plan()
    for found in jobs_of(inputs, whole=settings.as_node):
        if isinstance(found, Job):
            plan.jobs[found] = found.key(settings.fingerprint())
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
    open_jobs = []
    for job, key in plan.jobs.items():
        if folder.has(key):
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
        folder.keep(plan.jobs[job], result)
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
        written = folder.copies()
        for done in finished_inputs(plan.jobs, folder):
            summary = done.summary()
            report.add(done.input.name, summary)

            def frames(
                done: FinishedInput = done, summary: Summary = summary
            ) -> Iterator[SightedFrame]:
                is_picture = done.input.kind == 'picture'
                return sighted_frames(done.parts(), tracking, summary.topics, not is_picture)

            _write_rows(frames(), done.input.name, about, tables, report)
            target = outputs.copies.get(done.input)
            key = repr((list(done.keys), done.place, tracking, outputs.bag_topics))
            if target is not None and summary.frames and written.get(target) != key:
                topics = summary.topics
                if problem := _write_copy(done.input, frames(), topics, target, outputs.bag_topics):
                    report.damaged.append((done.input.name, problem))
                else:
                    folder.mark_copy(target, key)
        if live is not None:
            found = sighted_frames_live(live, settings, tracking, advance)
            with suppress(KeyboardInterrupt):
                _write_rows(found, live.name, about, tables, report)
            report.done += 1
    report.unreadable += [(one.name, reason) for one, reason in plan.unreadable]
    return report


def _open_tables(outputs: Outputs, stack: ExitStack) -> list[TableWriter]:
    tables: list[TableWriter] = [stack.enter_context(TableFile(path)) for path in outputs.tables]
    if outputs.stream is not None:
        tables.append(text_table(outputs.stream, '.csv'))
    return tables


def _write_rows(
    frames: Iterable[SightedFrame],
    name: str,
    about: Mapping[str, str],
    tables: Sequence[TableWriter],
    report: RunReport,
) -> None:
    for frame in frames:
        for table in tables:
            table.write(rows_of(frame, name, about))
        report.frames += 1
        report.heads += len(frame.sightings)


def _write_copy(
    one: Input,
    frames: Iterable[SightedFrame],
    topics: Sequence[str],
    target: Path,
    bag_topics: Sequence[str] | None,
) -> str:
    """Write an annotated copy; return why its input cannot be read any more, empty if it can."""
    try:
        _make_copy(one, frames, topics, target, bag_topics)
    except (ValueError, BagError, OSError) as error:
        # An input that has changed or gone since is no reason to end; a full disk is.
        if isinstance(error, OSError) and error.filename != one.address:
            raise
        return f'no annotated copy: {error}'
    return ''


def _make_copy(
    one: Input,
    frames: Iterable[SightedFrame],
    topics: Sequence[str],
    target: Path,
    bag_topics: Sequence[str] | None,
) -> None:
    if one.kind == 'bag':
        BagWriter(Path(one.address), bag_topics).write(frames, topics, target)
    elif one.kind == 'picture':
        annotate_picture(one, frames, target)
    else:
        annotate_video(one, frames, target)
