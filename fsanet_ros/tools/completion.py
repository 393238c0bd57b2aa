"""
Complete commands and their options in your shell, with TAB.

    eval "$(fsanet completion)"        in ~/.bashrc; with --shell fish or powershell there
"""

from __future__ import annotations

import os
import shlex
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

from fsanet_ros.tools.command_line import command_parser

SHELLS = ('bash', 'zsh', 'fish', 'tcsh', 'powershell')
# Commands that are several, named by a second word.
SECOND_WORDS = {
    'bench': ('node', 'library', 'models', 'detectors', 'estimate', 'range', 'soak', 'lifecycle'),
    'data': ('head-model', 'aflw', 'own'),
    'models': ('import', 'fuse'),
}
# What only ./run knows.
_OF_RUN = ('shell', 'test', 'lint', 'fuzz', 'docs', 'lock')


def main(argv: Sequence[str] | None = None) -> int:
    """Print what the shell is to evaluate; return the exit code."""
    parser = command_parser('completion', 'Print what makes your shell complete with TAB.')
    parser.add_argument('--shell', choices=SHELLS, default=_own_shell(), help='(%(default)s)')
    arguments = parser.parse_args(argv)
    from argcomplete.shell_integration import shellcode

    print(shellcode(['fsanet', './run'], shell=arguments.shell))
    return 0


def _own_shell() -> str:
    name = os.path.basename(os.environ.get('SHELL', ''))
    return name if name in SHELLS else SHELLS[0]


class _Found(Exception):
    """Carries the parser with which a command was about to read its arguments."""

    def __init__(self, parser: ArgumentParser) -> None:
        self.parser = parser


def parser_of(run: Callable[[list[str]], Any], words: list[str]) -> ArgumentParser:
    """
    Return the parser that a command reads its arguments with.

    :param run: the command's main
    :param words: what comes before the arguments: models import, bench node
    :raises LookupError: if it reads none
    """

    def found(parser: ArgumentParser, *arguments: Any, **options: Any) -> None:
        raise _Found(parser)

    with (
        mock.patch.object(ArgumentParser, 'parse_args', found),
        mock.patch.object(ArgumentParser, 'parse_known_args', found),
    ):
        try:
            run(words)
        except _Found as stopped:
            return stopped.parser
    raise LookupError(f'{run.__module__} reads no arguments')


def complete(commands: dict[str, str], main_of: Callable[[str], Callable[[list[str]], Any]]) -> int:
    """
    Answer the shell, which asks in its environment how a command line may go on.

    :param commands: what each does
    :param main_of: imports a command and returns its main: only that of the line's is needed
    """
    try:
        import argcomplete
    except ImportError:
        return 1
    line = os.environ['COMP_LINE'][: int(os.environ.get('COMP_POINT', '1000000'))]
    words = _whole_words(line)
    argcomplete.autocomplete(_line_parser(words, commands, main_of), always_complete_options=True)
    return 1  # it has not been asked


def _whole_words(line: str) -> list[str]:
    """Return the words before the one that is being typed."""
    try:
        words = shlex.split(line)
    except ValueError:  # within quotes
        words = line.split()
    return words if line[-1:].isspace() else words[:-1]


def _line_parser(
    words: Sequence[str],
    commands: dict[str, str],
    main_of: Callable[[str], Callable[[list[str]], Any]],
) -> ArgumentParser:
    """Return a parser of the whole line: command, second word, then the command's own."""
    program = os.path.basename(words[0]) if words else 'fsanet'
    root = ArgumentParser(prog=program)
    root.add_argument('--version', action='store_true')
    names = root.add_subparsers()
    name, *rest = [*words[1:], '']
    for other in (*commands, *(_OF_RUN if program == 'run' else ())):
        if other != name:
            names.add_parser(other, help=commands.get(other, ''))
    if name in commands:
        second = rest[0] if rest[0] in SECOND_WORDS.get(name, ()) else ''
        own = parser_of(main_of(name), [second] if second else [])
        if second:
            seconds = names.add_parser(name).add_subparsers()
            seconds.add_parser(second, parents=[own], add_help=False)
        elif not rest[0] and name in SECOND_WORDS:
            # Nothing follows yet: a second word, or the command's own arguments.
            own.add_argument('second', nargs='?', choices=SECOND_WORDS[name])
            names.add_parser(name, parents=[own], add_help=False)
        else:
            names.add_parser(name, parents=[own], add_help=False)
    return root


if __name__ == '__main__':
    raise SystemExit(main())
