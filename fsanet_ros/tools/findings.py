"""What ./run doctor finds: a line each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

FINE, NOTE, WRONG = 'fine', 'note', 'WRONG'


@dataclass(frozen=True)
class Finding:
    """What was found, FINE, NOTE (no fault, but good to know) or WRONG, and what to do."""

    subject: str
    state: str
    text: str
    remedy: str = ''

    def line(self) -> str:
        """Return it as one line."""
        remedy = f' -> {self.remedy}' if self.remedy else ''
        return ' '.join(f'{self.state:<5} {self.subject:<14} {self.text}{remedy}'.split('\n'))


def check_safely(check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield what a check finds; one that fails itself is a finding too."""
    try:
        yield from check()
    except Exception as error:  # whatever is broken here: the other checks go on
        name = check.__name__.replace('_', ' ')
        yield Finding(name, WRONG, f'could not be looked at: {type(error).__name__}: {error}')
