"""The recipe of the package's weights, from its data to weights, with few faces and few steps."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

torch = pytest.importorskip('torch', reason='PyTorch is not installed')

from fsanet_ros.inference.runtime import make_runtime  # noqa: E402
from fsanet_ros.research.training.recipe import RECIPES  # noqa: E402
from fsanet_ros.tools import train  # noqa: E402

torch.set_num_threads(1)  # the networks are small: waiting for each other costs more

SHARED = Path(__file__).parents[2] / 'shared'
AFLW = SHARED / 'data' / 'aflw_faces'
POINTING04 = SHARED / 'data' / 'pointing04' / 'pointing04.zip'
TEACHER = SHARED / 'weights' / 'tddfa_v2' / 'tddfa_v2_mb05_rotation.onnx'

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(path.exists() for path in (AFLW, POINTING04, TEACHER)),
        reason='../shared has no faces or no teacher',
    ),
]


def few_of_aflw(folder, count=20):
    """Write some of the faces in the form of the whole set; also what rendered heads have."""
    folder.mkdir()
    with np.load(AFLW / 'labels.npz', allow_pickle=False) as labels:
        chosen = {name: labels[name][:count] for name in labels.files}
    np.savez(folder / 'labels.npz', in_range=np.ones(count, bool), **chosen)
    copy(AFLW / 'faces_120.zip', folder / 'faces_120.zip', [str(n) for n in chosen['name']])
    return folder


def few_of_pointing04(folder):
    folder.mkdir()
    with zipfile.ZipFile(POINTING04) as archive:
        names = [n for n in archive.namelist() if 'erson01/' in n or 'erson02/' in n]
    copy(POINTING04, folder / 'pointing04.zip', [n for n in names if '+0+0' in n or '-30+30' in n])
    return folder


def copy(source, target, names):
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, 'w') as small:
        for name in names:
            small.writestr(name, archive.read(name))


def test_the_recipe_of_the_weights_goes_from_data_to_weights(tmp_path, capsys):
    values = yaml.safe_load((RECIPES / 'ours_1x1.yaml').read_text())
    values |= {'samples': 48, 'batch_size': 8, 'warmup_steps': 2, 'error_head_samples': 16}
    recipe = tmp_path / 'short.yaml'
    recipe.write_text(yaml.safe_dump(values))
    arguments = [
        *('--recipe', str(recipe), '--output', str(tmp_path / 'out'), '--name', 'short'),
        *('--data', str(few_of_aflw(tmp_path / 'aflw')), '--teacher', str(TEACHER)),
        *('--also', f'pointing04={few_of_pointing04(tmp_path / "pointing04")}'),
        *('--also', f'rendered={few_of_aflw(tmp_path / "rendered")}'),
    ]
    assert train.main(arguments) == 0
    said = capsys.readouterr().out
    assert 'to train on, 2 kept aside' in said
    runtime = make_runtime(tmp_path / 'out' / 'short.onnx')
    assert runtime.description.crop_scale == values['crop_scale']
    angles, errors = runtime.with_expected_error(np.full((2, 64, 64, 3), 100, np.uint8))
    assert np.isfinite(angles).all() and (errors > 0).all()
    # Again: the labels are kept, the run is at its end, the weights are the same.
    first = (tmp_path / 'out' / 'short.onnx').read_bytes()
    assert train.main(arguments) == 0
    assert 'continuing at step 6 of 6' in capsys.readouterr().out
    assert (tmp_path / 'out' / 'short.onnx').read_bytes() == first
