"""A thread beside the executor's, awaited by coroutines that else run in the executor's."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from types import coroutine
from typing import Any, TypeVar

from rclpy.node import Node

Result = TypeVar('Result')
Pending = Coroutine['Future[Any]', None, None]


class Worker:
    """
    Runs one function at a time in a thread of its own, for a coroutine that awaits it.

    ::

        async def work(worker):  # everything here is in the executor's thread,
            result = await worker.run(function, 1, 2)  # the function in the worker's

        worker.start(work(worker))

    rclpy awaits futures too, but asks for them again and again instead of being woken.
    """

    def __init__(self, node: Node, name: str) -> None:
        """Make the thread; it starts with its first work."""
        self._node = node
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._finished = node.create_guard_condition(self._on_finished)
        self._pending: tuple[Pending, Future[Any]] | None = None
        self._since_s = self._counted_s = time.monotonic()
        self._busy_s = 0.0
        self.took_s = 0.0
        """How long the last work took."""

    @property
    def busy_for_s(self) -> float:
        """For how long what runs has been running, 0 if nothing does."""
        return time.monotonic() - self._since_s if self.busy else 0.0

    def take_load(self) -> float:
        """Return which share of the time since the last call something was running, 0 to 1."""
        now_s = time.monotonic()
        self._count(now_s)
        load = self._busy_s / max(now_s - self._counted_s, 1e-3)
        self._busy_s, self._counted_s = 0.0, now_s
        return min(load, 1.0)

    @property
    def busy(self) -> bool:
        """Whether a coroutine awaits the thread."""
        return self._pending is not None

    def start(self, work: Pending) -> None:
        """Run a coroutine until it awaits the thread, and on when that is done; not when busy."""
        assert not self.busy
        try:
            future = work.send(None)
        except StopIteration:
            return
        assert not self.busy  # by what the coroutine started
        self._pending = work, future
        self._since_s = time.monotonic()
        future.add_done_callback(lambda _: self._finished.trigger())

    @coroutine
    def run(
        self, function: Callable[..., Result], *arguments: Any
    ) -> Generator[Future[Result], None, Result]:
        """Await a function that runs in the thread; return its result or raise its error."""
        future = self._thread.submit(function, *arguments)
        yield future
        return future.result()

    def abandon(self) -> None:
        """Wait for what runs, some milliseconds, and end the coroutine that awaits it."""
        if self._pending is not None:
            work, future = self._pending
            self._pending = None
            future.exception()
            work.close()

    def destroy(self) -> None:
        """End the thread."""
        self.abandon()
        self._thread.shutdown()
        self._node.destroy_guard_condition(self._finished)

    def _on_finished(self) -> None:
        if self._pending is None or not self._pending[1].done():  # it was abandoned
            return
        work, _ = self._pending
        now_s = time.monotonic()
        self._count(now_s)
        self.took_s = now_s - self._since_s
        self._pending = None
        self.start(work)

    def _count(self, now_s: float) -> None:
        if self.busy:
            self._busy_s += now_s - max(self._since_s, self._counted_s)
