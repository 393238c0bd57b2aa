"""Each file has a name of its own, so that a name in a traceback or a question says which it is."""

from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / 'fsanet_ros'


def test_no_two_modules_have_the_same_name():
    places = defaultdict(list)
    for path in sorted(PACKAGE.rglob('*.py')):
        inside = path.relative_to(PACKAGE)
        if path.stem not in ('__init__', '__main__') and inside.parts[0] != 'msg':
            places[path.stem].append(str(inside))
    assert len(places) > 100
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
