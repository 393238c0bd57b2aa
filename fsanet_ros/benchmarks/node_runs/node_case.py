"""One case of ``bench node``: camera, node, floor and collector, from start to figures."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fsanet_ros.benchmarks.machine import cpu_seconds, memory_mb, page_faults
from fsanet_ros.benchmarks.node_runs.collector import (
    BenchError,
    CameraProcess,
    Collector,
    Exchange,
)
from fsanet_ros.benchmarks.node_runs.topics import FLOOR, NODE
from fsanet_ros.benchmarks.rates import OVERLOAD, GreatestRate, Trial, search
from fsanet_ros.benchmarks.scenes import Scene
from fsanet_ros.benchmarks.timing import Spread, percentiles, spread
from fsanet_ros.ros.clients.processes import Process, node_process

STARTUP_S = 30.0
_WARM_UP_HZ = 15.0


@dataclass(frozen=True)
class Plan:
    """
    How a case is measured.

    ``seconds``: of images at ``rate_hz``, for the node and as many for the floor, in ``rounds``
    turns.
    ``top_hz``: the greatest rate is looked for up to here; 0: it is not looked for.
    ``parameters``: of the node.
    """

    seconds: float = 10.0
    rate_hz: float = 15.0
    rounds: int = 5
    top_hz: float = 400.0
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Round:
    """Images to one of the two nodes, and what it took of the machine for each answer."""

    exchange: Exchange
    cpu_s_per_frame: float
    page_faults_per_frame: float


class Bench:
    """The running processes of a case."""

    def __init__(self, collector: Collector, pids: Mapping[str, int], started_ns: int) -> None:
        """``pids``: of the processes that answer, by the topic of their images."""
        self._collector = collector
        self._pids = pids
        self._started_ns = started_ns

    def start_up(self) -> float:
        """
        Send images until both answer; return the seconds from start to the node's first answer.

        :raises BenchError: if they do not
        """
        startup_s = self._first_answer_s(NODE)
        self._collector.wait_for_subscribers(STARTUP_S)
        self._first_answer_s(FLOOR)
        for source in self._pids:  # caches, trackers, allocators
            self._collector.exchange(source, _WARM_UP_HZ, 1.0)
        return startup_s

    def round(self, source: str, rate_hz: float, seconds: float) -> Round:
        """Send images to one of them at a rate."""
        pid = self._pids[source]
        before_s, before_faults = cpu_seconds(pid), page_faults(pid)
        exchange = self._collector.exchange(source, rate_hz, seconds)
        used_s, faults = cpu_seconds(pid) - before_s, page_faults(pid) - before_faults
        count = max(len(exchange.answers), 1)
        return Round(exchange, used_s / count, faults / count)

    def memory_mb(self) -> dict[str, float]:
        """Return the memory of the node; see machine.memory_mb."""
        return memory_mb(self._pids[NODE])

    def _first_answer_s(self, source: str) -> float:
        end = time.monotonic() + STARTUP_S
        while time.monotonic() < end:
            exchange = self._collector.exchange(source, _WARM_UP_HZ, 0.5, settle_s=0.05)
            if exchange.answers:
                return (exchange.answers[0].received_ns - self._started_ns) / 1e9
        raise BenchError(f'no answer to images on {source} has come in {STARTUP_S:g} s')


@contextmanager
def bench_of(scene: Scene, parameters: Mapping[str, object]) -> Iterator[Bench]:
    """
    Start camera, floor, collector and node; leaving the block ends them.

    :param parameters: of the node
    """
    raw = scene.case.transport == 'raw'
    transport = 'raw' if raw else 'compressed'
    processes: dict[str, Process] = {}

    def check() -> None:
        for source, process in processes.items():
            if process.poll() is not None:
                name = {NODE: 'head_pose', FLOOR: 'the floor'}[source]
                raise BenchError(
                    f'{name} has ended with code {process.returncode}; its output is above'
                )

    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='fsanet_ros_bench_'))
        frames = Path(folder) / 'frames.npy'
        np.save(frames, np.stack(scene.images))
        camera = stack.enter_context(CameraProcess(frames, scene.case.transport))
        floor = node_process('benchmarks.node_runs.floor', {'image_transport': transport})
        processes[FLOOR] = stack.enter_context(floor)
        collector = stack.enter_context(Collector(camera, check))
        camera.order({'wait_s': 0.0}, STARTUP_S, lambda: time.sleep(0.02))  # it is there
        started_ns = time.time_ns()
        node = node_process('ros.node', {'input.image_transport': transport, **parameters})
        processes[NODE] = stack.enter_context(node)
        pids = {source: process.pid for source, process in processes.items()}
        yield Bench(collector, pids, started_ns)


def run_case(scene: Scene, plan: Plan) -> dict[str, Any]:
    """
    Measure a case; return its figures as docs/how_to/measure_speed.md describes them.

    :raises BenchError: if one of the processes does not do its part
    """
    with bench_of(scene, plan.parameters) as bench:
        startup_s = bench.start_up()
        figures = _latencies(bench, plan)
        if plan.top_hz:
            figures |= _rates(bench, plan, figures['latency_ms']['p50'])
        memory = bench.memory_mb()
    case = scene.case
    return {
        'name': case.name,
        **{name: getattr(case, name) for name in ('width', 'height', 'faces', 'transport')},
        **figures,
        'rss_mb': memory['rss'],
        'peak_rss_mb': memory['peak'],
        'private_mb': memory['private'],
        'startup_s': startup_s,
    }


def _latencies(bench: Bench, plan: Plan) -> dict[str, Any]:
    rounds: dict[str, list[Round]] = {NODE: [], FLOOR: []}
    for number in range(plan.rounds):
        for source in (FLOOR, NODE) if number % 2 else (NODE, FLOOR):
            found = bench.round(source, plan.rate_hz, plan.seconds / plan.rounds)
            if not found.exchange.answers:
                raise BenchError(f'no answer to images on {source} at {plan.rate_hz:g} Hz')
            rounds[source].append(found)
    medians = {
        source: [statistics.median(r.exchange.latencies_ms) for r in found]
        for source, found in rounds.items()
    }
    added = spread(a - b for a, b in zip(medians[NODE], medians[FLOOR], strict=True))
    sent = sum(r.exchange.sent for r in rounds[NODE])
    heads = [answer.heads for r in rounds[NODE] for answer in r.exchange.answers]
    figures: dict[str, Any] = {
        'rate_hz': plan.rate_hz,
        'sent': sent,
        'dropped': sent - len(heads),
        'heads_published': statistics.median(heads),
        'added_ms': added.median,
        'added_ms_quartiles': [added.low, added.high],
    }
    for source, prefix, latency in ((NODE, '', 'latency_ms'), (FLOOR, 'floor_', 'floor_ms')):
        values = [ms for r in rounds[source] for ms in r.exchange.latencies_ms]
        cpu = spread(r.cpu_s_per_frame for r in rounds[source])
        figures |= {
            latency: percentiles(values),
            f'{latency}_quartiles_of_rounds': _quartiles(spread(medians[source])),
            f'{prefix}cpu_s_per_frame': cpu.median,
            f'{prefix}cpu_s_per_frame_quartiles': _quartiles(cpu),
            f'{prefix}page_faults_per_frame': statistics.median(
                r.page_faults_per_frame for r in rounds[source]
            ),
        }
    return figures


def _rates(bench: Bench, plan: Plan, latency_ms: float) -> dict[str, Any]:
    """Return the greatest rate, and what comes of three times as many images."""
    trial_s = max(1.5, plan.seconds / 2.0)

    def attempt(rate_hz: float) -> Trial:
        exchange = bench.round(NODE, rate_hz, trial_s).exchange
        return Trial(rate_hz, exchange.seconds, exchange.sent, len(exchange.answers))

    # Somewhat below the rate at which one image is done when the next one comes.
    start_hz = min(max(plan.rate_hz, 600.0 / latency_ms), plan.top_hz)
    greatest = search(attempt, start_hz, plan.top_hz)
    flooded = bench.round(NODE, OVERLOAD * max(greatest.rate_hz, plan.rate_hz), plan.seconds)
    return {**_of_search(greatest), **_of_overload(flooded)}


def _of_search(greatest: GreatestRate) -> dict[str, Any]:
    return {
        'max_rate_hz': greatest.rate_hz,
        'max_rate_failed_hz': greatest.failed_hz,
        'max_rate_limited_by': greatest.limited_by,
        'trials': [
            {'sent_hz': t.sent_hz, 'answered_hz': t.answered_hz, 'lost': t.sent - t.answered}
            for t in greatest.trials
        ],
    }


def _of_overload(found: Round) -> dict[str, Any]:
    exchange = found.exchange
    return {
        'overload': {
            'sent_hz': exchange.sent / exchange.seconds,
            'answered_hz': len(exchange.answers) / exchange.seconds,
            'latency_ms': exchange.latency_ms if exchange.answers else None,
            'cpu_s_per_frame': found.cpu_s_per_frame,
        }
    }


def _quartiles(found: Spread) -> list[float]:
    return [found.low, found.high]
