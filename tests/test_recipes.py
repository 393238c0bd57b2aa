"""Recipes and data sets for training: the presets are what they say, mistakes are named."""

import dataclasses
import itertools

import cv2
import numpy as np
import pytest
from lp_samples import generate_samples, write_face

torch = pytest.importorskip('torch', reason='PyTorch is not installed')

from fsanet_ros.network.state_files import load_network, save_network  # noqa: E402
from fsanet_ros.research.datasets.faces import split  # noqa: E402
from fsanet_ros.research.datasets.labelled_images import (  # noqa: E402
    LabelledImage,
    cut_faces,
    official_crop,
)
from fsanet_ros.research.datasets.mat_files import read_300w_lp  # noqa: E402
from fsanet_ros.research.training.batches import Batch, make_batch, rarity_weights  # noqa: E402
from fsanet_ros.research.training.recipe import CHOICES, RECIPES, Recipe, load_recipe  # noqa: E402
from fsanet_ros.research.training.training_data import crops_in_use, load_faces  # noqa: E402
from fsanet_ros.research.training.training_loop import Trainer, describe, schedule  # noqa: E402
from fsanet_ros.tools.train import main  # noqa: E402

PRESETS = sorted(path.stem for path in RECIPES.glob('*.yaml'))


@pytest.mark.parametrize('name', PRESETS)
def test_presets_say_everything_that_decides(name):
    import yaml

    load_recipe(name)
    if name == 'aflw':  # older than some of the keys: those keep their defaults
        return
    given = set(yaml.safe_load((RECIPES / f'{name}.yaml').read_text()))
    fields = {f.name for f in dataclasses.fields(Recipe)}
    # What a choice leaves without meaning need not be there.
    assert fields - given <= {
        'architecture',
        'labels',
        'also',
        'muon_learning_rate',
        'frozen',
        'samples',
        'epochs',
        'drops',
        'crop_scale',
        'batch_norm_momentum',
        'cycles',
        'restart_share',
        'error_head_samples',
    }


def test_the_official_recipe_is_that_of_the_paper_and_its_code():
    recipe = load_recipe('official_300w_lp')
    count = 16 * 1000 + 7  # the rest of an epoch is left out, as in the authors' code
    recipe = recipe.for_faces(count)
    assert recipe.steps == 90 * 1000
    rates = [recipe.learning_rate * schedule(1000 * epoch, recipe) for epoch in range(90)]
    expected = [1e-3] * 30 + [1e-4] * 30 + [1e-5] * 30
    assert rates == pytest.approx(expected)
    trainer = Trainer(recipe)
    assert [type(o) for o in trainer.optimizers] == [torch.optim.Adam]
    assert {m.momentum for m in trainer.network.modules() if hasattr(m, 'momentum')} == {0.01}


def test_an_epoch_shows_every_face_once_in_a_new_order(tmp_path):
    recipe = dataclasses.replace(load_recipe('official_300w_lp'), epochs=2, batch_size=4)
    faces = cut_faces(read_300w_lp(generate_samples(tmp_path)), 'official')
    recipe = recipe.for_faces(len(faces))
    assert recipe.steps == 6
    batches = [make_batch(faces, rarity_weights(faces.angles_deg, 0), recipe, s) for s in range(6)]
    yaws = [b.angles_deg[:, 0].tolist() for b in batches]
    first, second = np.concatenate(yaws[:3]).tolist(), np.concatenate(yaws[3:]).tolist()
    assert sorted(first) == sorted(second) == sorted(faces.angles_deg[:, 0].astype(np.float32))
    assert first != second


def test_faces_beyond_the_profile_keep_their_angles_when_they_are_varied(tmp_path):
    (tmp_path / 'AFW').mkdir()
    write_face(tmp_path / 'AFW' / 'a_1_0', 95.0, 8.0, -5.0)
    faces = cut_faces(read_300w_lp(tmp_path), 'face_square')
    recipe = Recipe(batch_size=8)
    still = dataclasses.replace(recipe.augmentation, mirror_share=0.0, roll_share=0.0)
    recipe = dataclasses.replace(recipe, augmentation=still)
    batch = make_batch(faces, np.ones(1), recipe, 0)
    assert batch.angles_deg == pytest.approx(np.tile([[95.0, 8.0, -5.0]], (8, 1)), abs=1e-3)


# ---- data sets


def test_faces_beyond_99_degrees_are_left_out(tmp_path):
    (tmp_path / 'AFW').mkdir()
    for number, yaw in enumerate((98.9, 99.1, -99.1)):
        write_face(tmp_path / 'AFW' / f'a_1_{number}', yaw, 0, 0)
    faces = cut_faces(read_300w_lp(tmp_path), 'official')
    assert faces.angles_deg[:, 0] == pytest.approx([98.9])


def test_the_pictures_of_a_person_stay_together(tmp_path):
    faces = cut_faces(read_300w_lp(generate_samples(tmp_path)), 'official')
    training, aside = split(faces, 1 / 3, seed=1)
    assert (len(training), len(aside)) == (8, 4)
    assert not set(training.groups) & set(aside.groups)


def test_the_official_crop_is_the_box_and_its_margin_within_the_image():
    x, y = np.meshgrid(np.arange(200), np.arange(150))
    image = np.dstack([x, y, x * 0]).astype(np.uint8)
    labelled = LabelledImage('a.jpg', (20.7, 50.2, 60.9, 100.0), (0, 0, 0), 'a')
    crop = official_crop(image, labelled)
    # 20 - 24 is clipped to 0, 60 + 24 = 84; 50 - 30 = 20, 100 + 30 = 130.
    expected = cv2.resize(image[20:130, 0:84], (64, 64))
    assert (crop == expected).all()
    with pytest.raises(ValueError, match=r'a\.jpg.*outside'):
        official_crop(image, dataclasses.replace(labelled, box=(900, 900, 950, 950)))


def test_crops_in_use_fit_the_network_for_both_crops(tmp_path):
    root = generate_samples(tmp_path, 4)
    for name in ('official_300w_lp', 'ours_300w_lp'):
        recipe = load_recipe(name)
        faces = load_faces(recipe, root)
        assert crops_in_use(faces, recipe).shape == (4, 64, 64, 3)
        batch = make_batch(faces, np.full(4, 0.25), recipe, 0)
        assert batch.crops.shape[1:] == (64, 64, 3) and len(batch.crops) == len(batch.angles_deg)


# ---- mistakes, each one line that names the file and what was expected


def mistake(arguments, capsys):
    """Run ./run train, which must fail; return its one line."""
    assert main(arguments) == 1
    # The progress bar's line is wiped out with returns.
    line = capsys.readouterr().err.strip().splitlines()[-1].rpartition('\r')[2]
    assert line.startswith('train: ')
    return line


def train_arguments(tmp_path, recipe='official_300w_lp', data=None):
    data = tmp_path / 'data' if data is None else data
    return ['--recipe', recipe, '--data', str(data), '--output', str(tmp_path / 'out')]


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('scoring: 3x3', "scoring is '3x3', expected one of: 1x1, variance, none"),
        ('aggregation: 7', "aggregation is '7', expected one of: capsule, metric, netvlad"),
        ('data: imagenet', "data is 'imagenet', expected one of: aflw"),
        ('crop: round', "crop is 'round', expected one of: face_square"),
        ('crop: [1]', 'crop is .*expected one of'),
        ('crop: official\naugmentation: {mirror_share: 0.5}', 'unknown mirror_share; known.*cut_'),
        ('batch_size: 0', 'batch_size is 0, expected 1 to inf'),
        ('learning_rate: .nan', 'learning_rate is nan, expected'),
        ('seed: .inf', 'seed is inf, expected int'),
        ('validation_share: 1.5', 'validation_share is 1.5, expected 0 to 0.9'),
        ('epochs: 3\nsamples: 100', 'has samples and epochs: expected one of them'),
        ('augmentation: 3', 'augmentation is 3, expected names and values'),
        ('also: {moon: 0.1}', ': .*also has moon: 0.1, expected shares'),
        ('also: {rendered: 1.0}', ': .*also has rendered: 1.0, expected shares'),
        ('also: {rendered: 0.6, pointing04: 0.5}', ': .*less than 1 in all'),
        ('also: rendered', ": .*also is 'rendered', expected names and shares"),
        ('also: {rendered: much}', ": .*also, rendered is 'much', expected float"),
        ('labels: guessed', ": .*labels is 'guessed', expected one of: file, teacher"),
        ('seed: [1', 'is not YAML'),
    ],
)
def test_recipes_with_mistakes_are_refused(tmp_path, capsys, text, reason):
    path = tmp_path / 'mine.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'mine.yaml.*{reason}'):
        load_recipe(path)
    line = mistake(train_arguments(tmp_path, str(path)), capsys)
    assert 'mine.yaml' in line


@pytest.mark.parametrize('name', ['official_300w_lp', 'official_biwi', 'ours_300w_lp', 'aflw'])
def test_a_folder_that_is_no_data_set_is_named(tmp_path, capsys, name):
    line = mistake(train_arguments(tmp_path, name), capsys)
    assert str(tmp_path / 'data') in line and 'expected' in line
    (tmp_path / 'data').mkdir()
    line = mistake(train_arguments(tmp_path, name), capsys)
    assert str(tmp_path / 'data') in line and 'expected' in line


def test_a_recipe_without_its_data_says_which(capsys):
    line = mistake(['--recipe', 'official_biwi'], capsys)
    assert 'official_biwi trains on biwi' in line and '--root DIR' in line


NETWORKS = [
    ('ssrnet', '1x1', 'capsule'),
    *itertools.product(['fsanet'], CHOICES['scoring'], CHOICES['aggregation']),
]


@pytest.mark.parametrize(('architecture', 'scoring', 'aggregation'), NETWORKS)
def test_every_network_can_be_trained(tmp_path, architecture, scoring, aggregation):
    path = tmp_path / 'mine.yaml'
    path.write_text(f'architecture: {architecture}\nscoring: {scoring}\naggregation: {aggregation}')
    trainer = Trainer(load_recipe(path))
    rng = np.random.default_rng(0)
    batch = Batch(
        rng.integers(0, 256, (4, 64, 64, 3), np.uint8), rng.normal(0, 30, (4, 3)).astype('f4')
    )
    losses = [trainer.train_step(batch) for _ in range(2)]
    assert np.isfinite(losses).all()
    save_network(trainer.average, describe(trainer.recipe, 'mine'), tmp_path / 'mine.safetensors')
    network, description = load_network(tmp_path / 'mine.safetensors')
    assert description.configs == (trainer.recipe.network,)
    pixels = torch.from_numpy(batch.crops).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        assert network(pixels).numpy() == pytest.approx(trainer.estimate(batch.crops), abs=1e-4)


def test_an_unknown_device_is_refused_with_the_known_ones(tmp_path, capsys):
    generate_samples(tmp_path / 'data')
    line = mistake([*train_arguments(tmp_path), '--device', 'abacus'], capsys)
    assert "no device 'abacus'" in line and 'expected auto, cpu or cuda' in line
