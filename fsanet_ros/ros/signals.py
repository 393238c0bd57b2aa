"""Signals that end a program: in one line and cleanly, whenever they come."""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# SIGHUP: the terminal or the connection has gone.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Ctrl-C reaches a node twice, from the terminal and from ros2 launch: that is no second wish.
_ONE_WISH_S = 2.0
INTERRUPTED = 130  # the exit code


def open_standard_streams() -> None:
    """
    Open /dev/null for each of stdin, stdout and stderr that is closed.

    Else the next thing that is opened gets its number, and is written into by all who log.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


def _wanted_signals() -> list[signal.Signals]:
    """Return those that are to end a program: whoever starts it with nohup keeps SIGHUP out."""
    return [
        number
        for number in SIGNALS
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    ]


def end_quietly_at_signals(name: str) -> None:
    """
    End the process with one line and code 0 at a signal, from now on.

    For programs, before they import what takes long, in the main thread; ``stop_at_signals`` takes
    over while a node runs.
    """
    open_standard_streams()

    def end(number: int, frame: FrameType | None) -> None:
        # Not an exception, which whatever is being imported may swallow or print.
        os.write(2, f'{name}: stopped by {signal.Signals(number).name}\n'.encode())
        os._exit(0)

    for number in _wanted_signals():
        signal.signal(number, end)
        # Python takes its handlers away before it has ended.
        atexit.register(signal.signal, number, signal.SIG_IGN)


class Stop:
    """Whether a program is to end, and whom to tell."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self.asked = False
        self._tell: Callable[[], None] | None = None

    def tell(self, function: Callable[[], None]) -> None:
        """Have a function called in another thread at the first signal, or now if it has come."""
        self._tell = function
        if self.asked:
            function()

    def ask(self) -> None:
        """Tell that the program is to end, once."""
        if not self.asked:
            self.asked = True
            if self._tell is not None:
                self._tell()


@contextmanager
def stop_at_signals() -> Iterator[Stop]:
    """
    Note SIGINT, SIGTERM and SIGHUP; one that comes long after the first ends the process at once.

    Nothing is raised: an exception would come anywhere, such as in a destructor, which swallows
    it. Python runs its own handlers in the main thread only, and only when that comes back from
    what it waits for: a pipe is written to at once.
    """
    open_standard_streams()
    stop = Stop()

    def listen() -> None:
        first_s: float | None = None
        while number := os.read(readable, 1):
            now_s = time.monotonic()
            if first_s is not None and now_s - first_s > _ONE_WISH_S:
                name = signal.Signals(number[0]).name
                os.write(2, f'ended at once by a second {name}\n'.encode())
                os._exit(INTERRUPTED)
            first_s = first_s or now_s
            stop.ask()

    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    thread = threading.Thread(target=listen, name='signals', daemon=True)
    thread.start()
    before = {number: signal.signal(number, lambda *_: None) for number in _wanted_signals()}
    pipe_before = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    try:
        yield stop
    finally:
        signal.set_wakeup_fd(pipe_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writable)  # which ends the thread
        thread.join()
        os.close(readable)
