"""One piece of work after another in a thread, with results for the executor's."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Background:
    """Runs functions in a thread of its own, one at a time, and hands over what comes of them."""

    def __init__(self, node: Any, name: str, take: Callable[[Future[Any]], None]) -> None:
        """
        Make the thread; it starts with its first work.

        :param take: gets what is finished, a result or an error, in a callback of the node; it
            may start the next
        """
        self._node = node
        self._take = take
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._finished = node.create_guard_condition(self._on_finished)
        self._future: Future[Any] | None = None

    @property
    def busy(self) -> bool:
        """Whether something runs or its result has not been taken."""
        return self._future is not None

    def start(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Run a function; only when not busy."""
        self._future = self._thread.submit(function, *arguments)
        self._future.add_done_callback(lambda _: self._finished.trigger())

    def abandon(self) -> None:
        """Wait for what runs, some milliseconds, and drop its result."""
        if self._future is not None:
            self._future.exception()
            self._future = None

    def destroy(self) -> None:
        """End the thread."""
        self.abandon()
        self._thread.shutdown()
        self._node.destroy_guard_condition(self._finished)

    def _on_finished(self) -> None:
        if self._future is None or not self._future.done():  # it was abandoned
            return
        future, self._future = self._future, None
        self._take(future)
