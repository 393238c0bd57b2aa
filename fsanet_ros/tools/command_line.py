"""What all commands share: --quiet, one line for errors and interrupts, exit codes."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable
from typing import Any

from fsanet_ros.files.optional_packages import advice

DONE, ERROR, WRONG_ARGUMENTS, INTERRUPTED = 0, 1, 2, 130
EXIT_CODES = (
    'exit codes: 0 done; 1 it could not be done, the last line says why; 2 wrong arguments; '
    '3 some of the input is damaged or missing; 130 interrupted by Ctrl-C, or nobody reads the '
    'output any more'
)

_ALL_LETTERS = 'utf-8', 'utf8'


def command_parser(prog: str, description: str | None, **options: Any) -> argparse.ArgumentParser:
    """
    Return a parser that knows --quiet, as every command does.

    :param options: further ones of argparse.ArgumentParser
    """
    parser = argparse.ArgumentParser(prog=prog, description=description, **options)
    parser.add_argument(
        '--quiet', action='store_true', help='no progress and no notes: results and errors only'
    )
    return parser


def note(arguments: argparse.Namespace, text: str) -> None:
    """Print what people like to know, unless they want quiet."""
    if not arguments.quiet:
        print(text, flush=True)


def fail(command: str, reason: object) -> int:
    """Say in one line why a command could not do its work; return the exit code."""
    print(f'{command}: {reason}', file=sys.stderr)
    return ERROR


def run_command(name: str, run: Callable[[], int]) -> int:
    """
    Run a command; say in one line what the user can mend, and when it is interrupted.

    :param run: imports and runs it, and returns its exit code
    """
    for stream in (sys.stdout, sys.stderr):
        # Names of files have all kinds of letters, a terminal in ASCII has not.
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() not in _ALL_LETTERS:
            stream.reconfigure(errors='backslashreplace')
    try:
        try:
            return run()
        finally:
            if sys.stdout is not None:  # as >&- makes it
                sys.stdout.flush()  # here, where a closed pipe is expected
    except ImportError as error:
        reason = advice(error)
        if reason is None:
            raise
        return fail(name, reason)
    except KeyboardInterrupt:
        return interrupted(name)
    except BrokenPipeError:  # fsanet models | head
        return unread()
    except OSError as error:  # fsanet models >/dev/full
        unread()
        return fail(name, error)


def interrupted(command: str, then: str = '') -> int:
    """Say in one line that Ctrl-C has ended a command; return the exit code."""
    if sys.stderr.isatty():
        print(file=sys.stderr)  # below ^C, or a progress bar
    print(f'{command}: interrupted{then}', file=sys.stderr)
    return INTERRUPTED


def unread() -> int:
    """Take it that nobody reads the output any more; return the exit code."""
    # Python would flush once more at exit, and complain.
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return INTERRUPTED
