"""Child processes that load this package and nothing of the program that starts them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def main_left_out() -> Iterator[None]:
    """
    Start children without the user's script.

    multiprocessing runs the script again in each child that it spawns. One without
    ``if __name__ == '__main__'`` would start children there too, which is an error in each. Ours
    call functions of this package only, so they need nothing of it.
    """
    main = sys.modules['__main__']
    sys.modules['__main__'] = ModuleType('__main__')
    try:
        yield
    finally:
        sys.modules['__main__'] = main
