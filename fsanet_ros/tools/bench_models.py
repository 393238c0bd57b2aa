"""Speed of every network at hand, in each runtime (``./run bench models``)."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from tqdm import tqdm

from fsanet_ros.benchmarks.bench_arguments import add_outputs, save, save_report
from fsanet_ros.benchmarks.bench_report import table
from fsanet_ros.benchmarks.machine import Machine
from fsanet_ros.inference.crops import NETWORK_SIZE
from fsanet_ros.inference.description import WeightsError
from fsanet_ros.inference.runtime import RUNTIME_NAMES, Runtime, make_runtime
from fsanet_ros.network import zoo
from fsanet_ros.tools.command_line import command_parser

BATCHES = (1, 4, 16)
THREADS = (1, 2)
WARM_UP = 3
HEADER = ('network', 'runtime', 'threads', 'faces', 'min, ms', 'mean', 'median', 'max')


@dataclass(frozen=True)
class Timing:
    """Milliseconds for one batch of crops through a network."""

    network: str
    runtime: str
    threads: int
    batch: int
    min_ms: float
    mean_ms: float
    median_ms: float
    max_ms: float


def bench_models(argv: Sequence[str]) -> int:
    """Measure from the command line; return 0, or 1 when no network could be measured."""
    parser = command_parser('bench models', __doc__)
    parser.add_argument('names', nargs='*', metavar='NAME', help='networks; none: all at hand')
    parser.add_argument('--repeat', type=int, default=20, help='how often each batch is timed')
    add_outputs(parser)
    arguments = parser.parse_args(argv)
    if arguments.repeat < 1:
        parser.error(f'--repeat is {arguments.repeat}: expected 1 or more')
    runtimes = [name for name in RUNTIME_NAMES if importlib.util.find_spec(name) is not None]
    machine = Machine()
    print(f'{machine.summary()}; milliseconds for a batch')
    print(f'{"network":34} {"runtime":12} threads batch {"min":>8} {"mean":>8} '
          f'{"median":>8} {"max":>8}')  # fmt: skip
    timings: list[Timing] = []
    for name in tqdm(arguments.names or zoo.networks_at_hand(), disable=None, leave=False):
        for runtime in runtimes:
            try:
                found = bench_network(name, runtime, arguments.repeat)
            except (WeightsError, FileNotFoundError) as error:
                tqdm.write(f'{name}: not measured: {error}')
                break
            timings += found
            for timing in found:
                tqdm.write(_row(timing))
    save(arguments, machine, {'models': [asdict(timing) for timing in timings]})
    if timings:
        save_report(arguments, machine, 'models', [table(HEADER, map(_cells, timings))])
    return 0 if timings else 1


def bench_network(name: str, runtime: str, repeat: int) -> list[Timing]:
    """Time a network for every number of threads and of crops."""
    crops = np.random.default_rng(0).integers(
        0, 256, (max(BATCHES), NETWORK_SIZE, NETWORK_SIZE, 3), np.uint8
    )
    timings = []
    for threads in THREADS:
        loaded = make_runtime(name, runtime, threads)
        for batch in BATCHES:
            times_ms = _times_ms(loaded, crops[:batch], repeat)
            timings.append(
                Timing(
                    name,
                    runtime,
                    threads,
                    batch,
                    min(times_ms),
                    statistics.mean(times_ms),
                    statistics.median(times_ms),
                    max(times_ms),
                )
            )
    return timings


def _times_ms(runtime: Runtime, crops: np.ndarray, repeat: int) -> list[float]:
    times_ms = []
    for _ in range(WARM_UP + repeat):
        start = time.perf_counter()
        runtime(crops)
        times_ms.append(1000.0 * (time.perf_counter() - start))
    return times_ms[WARM_UP:]


def _row(t: Timing) -> str:
    return (
        f'{t.network:34} {t.runtime:12} {t.threads:7} {t.batch:5} {t.min_ms:8.2f} '
        f'{t.mean_ms:8.2f} {t.median_ms:8.2f} {t.max_ms:8.2f}'
    )


def _cells(t: Timing) -> tuple[str, ...]:
    times = (f'{value:.2f}' for value in (t.min_ms, t.mean_ms, t.median_ms, t.max_ms))
    return t.network, t.runtime, str(t.threads), str(t.batch), *times
