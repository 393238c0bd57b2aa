"""
Speed on this machine: ``./run bench [node|library|models|detectors]``.

node: over ROS topics, beside a node that does nothing. library: each stage from image to message.
models: every network at hand. detectors: time and recall. Without a word: a short run of library
and node. All take --help.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from fsanet_ros.tools.bench_detectors import bench_detectors
from fsanet_ros.tools.bench_library import bench_library
from fsanet_ros.tools.bench_models import bench_models
from fsanet_ros.tools.bench_node import bench_node

PARTS: dict[str, Callable[[Sequence[str]], int]] = {
    'node': bench_node,
    'library': bench_library,
    'models': bench_models,
    'detectors': bench_detectors,
}
SHORT = {
    'library': ['--repeat', '20'],
    'node': ['--cases', '640x480 raw, 1 face', '1280x720 raw, 4', '--seconds', '4'],
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure from the command line; return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words:
        return max(PARTS[name](options) for name, options in SHORT.items())
    if words[0] in PARTS:
        return PARTS[words[0]](words[1:])
    if words[0] in ('-h', '--help'):
        print(__doc__)
        return 0
    print(f'bench: {words[0]!r} is none of: {", ".join(PARTS)}', file=sys.stderr)
    return 2


if __name__ == '__main__':
    sys.exit(main())
