"""
Who works on the jobs: processes of this machine, or a Dask cluster; both hand out and collect.

A job that brings its process down, as some damaged files do, is tried once more in a process of
its own; then it counts as unreadable and the others go on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from fsanet_ros.batch.estimation_job import begin_worker
from fsanet_ros.files.child_processes import main_left_out

Task = TypeVar('Task')
Result = TypeVar('Result')
# Jobs that are handed out beyond those that are worked on: nobody waits, and little is in memory.
_AHEAD = 2


class Crashed(RuntimeError):
    """A job that brought its process down; the text says so."""


class Workers(Protocol):
    """Works on tasks, several at a time."""

    def run(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result | Exception]]:
        """
        Yield each task with its result, or with the error that it raised, as they finish.

        :param function: of a module, so that other processes find it
        """
        ...


class LocalWorkers:
    """Processes of this machine."""

    def __init__(self, processes: int) -> None:
        """
        Start none yet.

        :param processes: how many jobs are worked on at a time
        """
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None

    def run(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result | Exception]]:
        """Yield each task with its result; see Workers."""
        remaining = iter(tasks)
        suspects: list[Task] = []
        while True:
            if self._pool is None:
                self._pool = processes(self._processes)
            at_once = self._processes + _AHEAD
            yield from _run(self._pool, function, remaining, at_once, suspects)
            if not suspects:
                return
            # The pool is broken, by one of these: each gets a process of its own.
            self.close()
            while suspects:
                yield _run_alone(function, suspects.pop(0))

    def close(self) -> None:
        """End the processes; what they work on is dropped."""
        if self._pool is not None:
            end_processes(self._pool)
            self._pool = None


class DaskWorkers:
    """The workers of a Dask cluster; those that die are replaced by others."""

    def __init__(self, client: Any) -> None:
        """
        Take a distributed.Client.

        Workers must see the input files under the same names, and have this package installed.
        """
        self._client = client

    def run(
        self, function: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result | Exception]]:
        """Yield each task with its result; see Workers."""
        with self._client.get_executor(pure=False) as executor:
            cores = sum(self._client.ncores().values()) or 1
            yield from _run(executor, function, iter(tasks), cores + _AHEAD, [])

    def close(self) -> None:
        """Leave the cluster, which goes on."""
        self._client.close()


@contextmanager
def make_workers(processes: int, scheduler: str = '') -> Iterator[Workers]:
    """
    Start workers; they end with the with block.

    :param processes: of this machine
    :param scheduler: address of a Dask scheduler, such as tcp://10.0.0.1:8786; empty: this machine
    :raises ImportError: if dask.distributed is needed and not installed
    :raises OSError: if nobody answers at the address
    """
    workers: Any = LocalWorkers(processes) if not scheduler else DaskWorkers(_client(scheduler))
    try:
        yield workers
    finally:
        workers.close()


def _client(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError(
            f'--scheduler needs dask.distributed ({error}): pip install "fsanet_ros[cluster]"'
        ) from error
    return Client(scheduler, timeout='20s')


def processes(
    count: int, initializer: Callable[..., object] = begin_worker, *arguments: object
) -> ProcessPoolExecutor:
    """
    Return processes that work, none of which is started yet; see submit and end_processes.

    :param initializer: called in each with the arguments
    """
    # What is wrong with a file is said once, by us. It has to be known when cv2 is imported.
    os.environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')
    # Spawned: threads of OpenCV and onnxruntime do not survive a fork.
    context = multiprocessing.get_context('spawn')
    return ProcessPoolExecutor(count, context, initializer, arguments)


def submit(pool: Executor, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
    """
    Hand out work; processes that are started for it leave Ctrl-C to this one.

    In a terminal it reaches them too, and would end each with a traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # they inherit it
    try:
        with main_left_out():
            return pool.submit(function, *arguments)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_processes(pool: ProcessPoolExecutor) -> None:
    """End the processes at once; what they work on is dropped."""
    for process in list((pool._processes or {}).values()):
        process.terminate()
    # Waits for the pool's own thread: one that still closes its pipes while Python exits makes
    # concurrent.futures write into a closed one, with a traceback.
    pool.shutdown(wait=True, cancel_futures=True)


def _run(
    executor: Executor,
    function: Callable[[Task], Result],
    tasks: Iterator[Task],
    at_once: int,
    suspects: list[Task],
) -> Iterator[tuple[Task, Result | Exception]]:
    """Work until all is done or the pool breaks; then the tasks under way are in ``suspects``."""
    running: dict[Future[Result], Task] = {}
    while True:
        for task in tasks:
            try:
                running[submit(executor, function, task)] = task
            except BrokenProcessPool:
                suspects.append(task)
                break
            if len(running) >= at_once:
                break
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            task = running.pop(future)
            error = future.exception()
            if isinstance(error, BrokenProcessPool):
                suspects.append(task)
            elif error is not None:
                yield task, error if isinstance(error, Exception) else Crashed(str(error))
            else:
                yield task, future.result()
        if suspects:
            suspects.extend(running.values())
            return


def _run_alone(function: Callable[[Task], Result], task: Task) -> tuple[Task, Result | Exception]:
    with processes(1) as pool:
        try:
            return task, submit(pool, function, task).result()
        except BrokenProcessPool:
            return task, Crashed('the decoder crashed on it')
        except Exception as error:
            return task, error
