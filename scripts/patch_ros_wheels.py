"""
Mend the CMake files of the ROS 2 wheels, so that messages can be built with them.

The wheels were built in a manylinux container, and about 20 of their exported CMake files name
its include folders (/opt/python/cp311-cp311/include/...): CMake refuses to build messages with
folders that do not exist. And a list of paths is read as ASCII, which cuts them off where the name
of a folder has another letter. Run this after every installation of a ros-* wheel.
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy

CONTAINER_PATH = re.compile(r'/opt/python/[^;"\s]*')
# file(STRINGS file variable), without further options
READ_AS_ASCII = re.compile(r'(file\(STRINGS \S+ \w+)\)')


def local_path(match: re.Match[str]) -> str:
    """Return the folder on this machine for one in the container."""
    if '/numpy/' in match[0]:
        return numpy.get_include()
    if '/include/python' in match[0]:
        return sysconfig.get_path('include')
    raise SystemExit(f'{__file__}: expected a Python or NumPy include folder, found {match[0]}')


def main() -> None:
    """Rewrite the exported CMake files below the prefix of the running Python."""
    changed = 0
    for path in Path(sys.prefix, 'share').glob('*/cmake/*.cmake'):
        if not path.exists():
            continue  # a link into a build of this package that is about to be replaced
        text = path.read_text(encoding='utf-8')
        patched = CONTAINER_PATH.sub(local_path, text)
        patched = READ_AS_ASCII.sub(r'\1 ENCODING UTF-8)', patched)
        if patched != text:
            path.write_text(patched, encoding='utf-8')
            changed += 1
    print(f'patched {changed} CMake files below {sys.prefix}')


if __name__ == '__main__':
    main()
