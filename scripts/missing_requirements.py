"""
Tell what of a requirements file the Python that runs this lacks.

    missing_requirements.py REQUIREMENTS MISSING CONSTRAINTS

A line marked "# import X" is missing when module X cannot be found: packages of a distribution
(OpenCV from apt, say) often carry no metadata that pip would see. MISSING gets the missing lines,
CONSTRAINTS pins the NumPy that is there.
"""

import importlib.metadata
import importlib.util
import re
import sys
from pathlib import Path


def is_missing(line: str) -> bool:
    """Whether a line of a requirements file has to be installed."""
    mark = re.search(r'# import (\w+)$', line)
    return not mark or importlib.util.find_spec(mark[1]) is None


def main(requirements: str, missing: str, constraints: str) -> None:
    """Write the two files."""
    lines = Path(requirements).read_text(encoding='utf-8').splitlines()
    Path(missing).write_text(''.join(f'{line}\n' for line in lines if is_missing(line)))
    has_numpy = importlib.util.find_spec('numpy') is not None
    pin = f'numpy=={importlib.metadata.version("numpy")}\n' if has_numpy else ''
    Path(constraints).write_text(pin)


if __name__ == '__main__':
    main(*sys.argv[1:])
