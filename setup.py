"""
Lets pip build and install the package, messages included, with the CMakeLists.txt of colcon.

    pip install --no-build-isolation .

works where ROS 2 and its message generators are: in an environment from requirements/ros-*.txt
(after scripts/patch_ros_wheels.py), or with an installation that is sourced. The wheel needs no
overlay: modules go to site-packages, the messages' libraries to lib/, executables to
lib/fsanet_ros/, the ament index, launch and config files to share/.
"""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PACKAGE = ElementTree.parse(ROOT / 'package.xml').getroot()


class PlatformDistribution(Distribution):
    """A distribution whose wheel fits one Python on one platform: it has compiled messages."""

    def has_ext_modules(self) -> bool:
        """Tell setuptools so, though it compiles nothing itself."""
        return True


class CMakeBuild(build_py):
    """Build and install with CMake into a staging folder, and pack what is there."""

    def run(self) -> None:
        """Put the modules into build_lib, and list everything else as data files."""
        build = ROOT / 'build' / 'pip'
        staging = build / 'staging'
        shutil.rmtree(build, ignore_errors=True)
        build.mkdir(parents=True)
        # Nothing in build/ is a package of the workspace that may be around us.
        (ROOT / 'build' / 'COLCON_IGNORE').touch()
        self.cmake(
            *('-S', ROOT, '-B', build, '-DCMAKE_BUILD_TYPE=Release', '-DBUILD_TESTING=OFF'),
            *(f'-DCMAKE_INSTALL_PREFIX={staging}', f'-DPython3_EXECUTABLE={sys.executable}'),
        )
        self.cmake('--build', build, '--parallel')
        self.cmake('--install', build)

        modules = next(staging.rglob('fsanet_ros/msg/__init__.py')).parents[1]
        unwanted = shutil.ignore_patterns('*.c', '__pycache__')
        target = Path(self.build_lib, 'fsanet_ros')
        shutil.copytree(modules, target, ignore=unwanted, dirs_exist_ok=True)
        data_files = defaultdict(list)
        for path in staging.rglob('*'):
            if path.is_file() and modules.parent not in path.parents:
                folder = path.parent.relative_to(staging)
                data_files[str(folder)].append(str(path.relative_to(ROOT)))
        self.distribution.data_files = sorted(data_files.items())

    def cmake(self, *arguments: object) -> None:
        """Run CMake so that it finds this Python and the ROS packages beside it."""
        paths = [sys.prefix, *os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)]
        environment = {
            **os.environ,
            'AMENT_PREFIX_PATH': os.pathsep.join(path for path in paths if path),
            'PATH': os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']]),
        }
        try:
            subprocess.run(['cmake', *map(str, arguments)], check=True, env=environment)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(
                f'{error}\nBuilding fsanet_ros needs CMake, a C++ compiler and ROS 2 with its '
                'message generators in this environment (pip: with --no-build-isolation). Either '
                'source a ROS 2 installation, or install requirements/ros-jazzy.txt and run '
                'scripts/patch_ros_wheels.py, or use ./run, which does all of it.'
            ) from error


def text_of(tag: str) -> str:
    """Return the text of an element of package.xml, on one line."""
    return ' '.join((PACKAGE.findtext(tag) or '').split())


def requirements() -> list[str]:
    """Return the lines of requirements/base.txt without their comments."""
    lines = (ROOT / 'requirements' / 'base.txt').read_text(encoding='utf-8').splitlines()
    return [line for line in (re.sub(r'\s*#.*', '', line) for line in lines) if line]


setup(
    name=text_of('name'),
    version=text_of('version'),
    description=text_of('description'),
    license=text_of('license'),
    maintainer=text_of('maintainer'),
    maintainer_email=PACKAGE.find('maintainer').get('email'),
    python_requires='>=3.10',
    install_requires=requirements(),
    packages=['fsanet_ros'],
    cmdclass={'build_py': CMakeBuild},
    distclass=PlatformDistribution,
    zip_safe=False,
)
