"""The zoo: what is known about every model that has a name, and how to get it."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from fsanet_ros.files import downloads
from fsanet_ros.inference.description import WeightsError
from fsanet_ros.inference.runtime import make_runtime
from fsanet_ros.inference.weight_files import find_weights, weight_names
from fsanet_ros.network import zoo
from fsanet_ros.tools import models
from fsanet_ros.tools.bench_models import bench_models

SHARED = Path(__file__).parents[2] / 'shared'
FILES = SHARED / 'weights' / 'fsanet_official'
GOLDEN = SHARED / 'golden' / 'fsanet_official.npz'
CAPSULE = FILES / '300W_LP' / 'fsanet_capsule_3_16_2_21_5.h5'

needs_files = pytest.mark.skipif(not CAPSULE.is_file(), reason=f'{CAPSULE} is not here')


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / 'fsanet_ros'


@pytest.fixture
def converter():
    for package in ('torch', 'h5py', 'onnx', 'safetensors', 'onnxruntime'):
        pytest.importorskip(package, reason=f'{package} is not installed')


@pytest.mark.parametrize('model', zoo.models().values(), ids=zoo.models())
def test_every_entry_is_complete(model):
    assert model.kind in ('network', 'detector')
    assert model.description and model.licence and model.source
    assert all(name in zoo.models() for name in model.members)
    assert model.kind == 'network' or model.file is not None
    if model.file and model.kind == 'network':
        from fsanet_ros.inference.network_config import NetworkConfig

        assert NetworkConfig(**model.file.network)
        assert re.search(r'/pre-trained/(300W_LP|BIWI)_models/(\w+)/\2\.h5$', model.source)


@needs_files
def test_every_official_file_is_in_the_zoo_under_its_hash():
    known = {f.sha256: f for f in downloads.PUBLISHED.values() if f.kind == 'network'}
    for path in FILES.glob('*/*.h5'):
        file = known.pop(downloads.sha256_of(path))
        assert file.file_name == path.name and file.size == path.stat().st_size
        assert f'/{path.parent.name}_models/' in file.url
    assert not known


def test_the_list_fits_a_screen(capsys):
    assert models.main([]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert max(map(len, listed)) <= 80
    assert len(listed) <= len(zoo.models()) + 2
    for name in zoo.models():
        assert sum(line.startswith(f'{name} ') for line in listed) == 1


def test_the_details_name_every_entry_and_how_to_get_it(capsys):
    assert models.main(['--details']) == 0
    listed = capsys.readouterr().out
    for name in zoo.models():
        assert re.search(f'^{name}: ', listed, re.M)
    assert 'published: mean absolute error 5.25° on AFLW2000-3D, 4.31° on BIWI' in listed
    assert 'not here; fetch it with "./run models fsanet_biwi_fusion_capsule"' in listed


@needs_files
def test_a_fetched_fusion_gives_the_official_angles_by_its_name(converter, capsys):
    name = 'fsanet_300w_lp_fusion_capsule'
    with pytest.raises(FileNotFoundError, match=rf'{name} are not here.*/run models.*--from'):
        make_runtime(name)
    assert models.main([name, '--from', str(SHARED)]) == 0
    assert name in weight_names() and name in zoo.networks_at_hand()
    golden = np.load(GOLDEN, allow_pickle=False)
    for kind in ('onnxruntime', 'torch'):
        runtime = make_runtime(name, kind)
        found = runtime(golden['bgr'])
        assert np.abs(found - golden['300W_LP__fusion']).max() < 1e-3
        assert runtime.description.crop == 'official'
        assert [config.scoring for config in runtime.description.configs] == [
            '1x1', 'variance', 'none'
        ]  # fmt: skip
        alone = np.concatenate([runtime(crop[None]) for crop in golden['bgr'][:8]])
        assert np.abs(alone - found[:8]).max() < 1e-4
    capsys.readouterr()
    assert models.main([name, '--from', 'nowhere']) == 0  # there already
    assert 'here: ' in capsys.readouterr().out


@needs_files
def test_a_damaged_conversion_is_refused_and_can_be_fetched_again(converter, cache):
    name = 'fsanet_biwi_1x1_metric'
    assert models.main([name, '--from', str(FILES)]) == 0
    path = find_weights(name, '.onnx')
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match='SHA-256'):
        make_runtime(name)
    assert name not in zoo.networks_at_hand()
    assert models.main([name, '--from', str(FILES)]) == 0
    assert make_runtime(name).description.name == name


@needs_files
def test_a_file_is_imported_under_its_name_in_the_zoo_or_a_chosen_one(converter, tmp_path, capsys):
    assert models.main(['import', str(CAPSULE)]) == 0
    assert make_runtime('fsanet_300w_lp_1x1_capsule').description.crop == 'official'
    folder = tmp_path / 'out'
    assert models.main(['import', str(CAPSULE), '--name', 'mine', '--output', str(folder)]) == 0
    written = {'mine.onnx', 'mine.safetensors', 'index.json'}
    assert {path.name for path in folder.iterdir()} == written
    golden = np.load(GOLDEN, allow_pickle=False)
    for suffix in ('.onnx', '.safetensors'):
        runtime = make_runtime(folder / f'mine{suffix}')
        found = runtime(golden['bgr'][:16])
        assert np.abs(found - golden['300W_LP__capsule_1x1'][:16]).max() < 1e-3
    capsys.readouterr()
    assert models.main(['import', str(CAPSULE), '--name', 'fsanet_1x1']) == 1
    assert 'fsanet_1x1 is the name of other weights' in capsys.readouterr().err


@needs_files
def test_bad_files_are_refused_in_one_line(converter, tmp_path, capsys, cache):
    truncated = tmp_path / 'cut.h5'
    truncated.write_bytes(CAPSULE.read_bytes()[:500000])
    # The metric network under the capsule network's name, and changed by a layer's name.
    wrong = tmp_path / 'fsanet_capsule_3_16_2_21_5.h5'
    shutil.copyfile(FILES / '300W_LP' / 'fsanet_metric_3_16_2_21_5.h5', wrong)
    wrong.chmod(0o644)
    wrong.write_bytes(wrong.read_bytes() + b'\0')  # another hash
    for path, message in (
        (truncated, r'cut\.h5 is not a readable HDF5 file .* expected the official weights'),
        (wrong, r'21_5\.h5 holds the weights of FSA-Net 1x1 metric, expected FSA-Net 1x1 capsule'),
        (tmp_path / 'nowhere.h5', r'no file .*nowhere\.h5'),
    ):
        assert models.main(['import', str(path)]) == 1
        error = capsys.readouterr().err
        assert re.fullmatch(rf'models: .*{message}.*\n', error), error
    assert not cache.exists()


@needs_files
def test_weights_that_are_nan_bring_a_warning_and_are_refused_in_use(converter, capsys):
    name = 'fsanet_300w_lp_variance_netvlad'
    assert models.main([name, '--from', str(FILES)]) == 0
    assert f'warning: {name}: its weights are not numbers' in capsys.readouterr().err
    for kind in ('onnxruntime', 'torch'):
        with pytest.raises(WeightsError, match='give no finite angles'):
            make_runtime(name, kind)


@needs_files
def test_only_networks_that_want_the_same_crop_can_be_fused(converter, capsys):
    members = ['fsanet_biwi_1x1_capsule', 'ssrnet_biwi']
    assert models.main([*members, '--from', str(FILES)]) == 0
    assert models.main(['fuse', *members, '--name', 'two']) == 0
    assert make_runtime('two').description.fusion_mean == 'rotations'
    capsys.readouterr()
    assert models.main(['fuse', members[0], 'fsanet_1x1', '--name', 'mixed']) == 1
    assert 'expected networks that want the same crop' in capsys.readouterr().err
    assert models.main(['fuse', 'two', members[0], '--name', 'nested']) == 1
    assert 'two is a fusion itself' in capsys.readouterr().err


def test_without_internet_the_error_says_what_to_do(converter, monkeypatch, capsys):
    for variable in ('http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'all_proxy'):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv('https_proxy', 'http://127.0.0.1:9')  # nothing listens there
    assert models.main(['ssrnet_biwi']) == 1
    error = capsys.readouterr().err
    assert error.startswith('models: ssrnet_mt.h5 could not be downloaded from https://raw.')
    assert '"./run models ssrnet_biwi --from FOLDER"' in error and error.count('\n') == 1


def test_without_pytorch_the_error_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(__import__('sys').modules, 'fsanet_ros.network.published_weights', None)
    assert models.main(['ssrnet_biwi']) == 1
    assert 'requirements/train.txt' in capsys.readouterr().err


def test_bench_times_what_is_at_hand_in_each_runtime(tmp_path, capsys):
    pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    figures = tmp_path / 'figures.json'
    assert bench_models(['fsanet_1x1', '--repeat', '2', '--json', str(figures)]) == 0
    timings = json.loads(figures.read_text())['models']
    onnx = [t for t in timings if t['runtime'] == 'onnxruntime']
    assert {(t['threads'], t['batch']) for t in onnx} == {
        (n, b) for n in (1, 2) for b in (1, 4, 16)
    }
    for t in timings:
        assert 0 < t['min_ms'] <= t['median_ms'] <= t['max_ms']
        assert t['min_ms'] <= t['mean_ms'] <= t['max_ms']
    assert 'fsanet_1x1' in capsys.readouterr().out
    assert bench_models(['nothing']) == 1
