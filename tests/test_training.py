"""Training: the same for the same seed, resumable, able to learn, strict about its recipe."""

import dataclasses
import math

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='PyTorch is not installed')

from fsanet_ros.geometry import rotations  # noqa: E402
from fsanet_ros.learning.batches import Batch, batches_from, rarity_weights  # noqa: E402
from fsanet_ros.learning.faces import LabelledFaces, load_aflw_faces, split  # noqa: E402
from fsanet_ros.learning.recipe import Recipe, load_recipe  # noqa: E402
from fsanet_ros.learning.training import Trainer, schedule, train  # noqa: E402

torch.set_num_threads(1)  # the networks are small: waiting for each other costs more

RECIPE = Recipe(samples=12 * 4, batch_size=4, warmup_steps=3, seed=7)


def synthetic_faces(count=12):
    rng = np.random.default_rng(0)
    angles = rng.uniform(-50, 50, (count, 3))
    return LabelledFaces(
        rng.integers(0, 256, (count, 80, 80, 3), np.uint8),
        rotations.matrix_from_yaw_pitch_roll_deg(angles),
        angles,
        np.array([f'{i}.jpg' for i in range(count)]),
    )


def run(folder, recipe=RECIPE, stop_after=None):
    """Train, from the checkpoint in the folder on, and return the trainer."""
    trainer, faces = Trainer(recipe), synthetic_faces()
    trainer.resume(folder)
    if stop_after is None:
        train(trainer, faces, faces.select(np.arange(3)), folder)
        return trainer
    for batch in batches_from(faces, recipe, trainer.step):
        trainer.train_step(batch)
        if trainer.step == stop_after:
            trainer.save(folder)
            return trainer
    raise AssertionError('the run ended before it was interrupted')


def weights(trainer):
    return trainer.network.state_dict() | {
        f'average.{k}': v for k, v in trainer.average.state_dict().items()
    }


def identical(a, b):
    return all(torch.equal(value, weights(b)[name]) for name, value in weights(a).items())


def test_the_same_seed_gives_the_same_weights_also_when_interrupted(tmp_path):
    whole = run(tmp_path / 'whole')
    again = run(tmp_path / 'again')
    assert whole.step == again.step == 12
    assert identical(whole, again)
    run(tmp_path / 'parts', stop_after=5)
    assert identical(whole, run(tmp_path / 'parts'))
    other = run(tmp_path / 'other', dataclasses.replace(RECIPE, seed=8))
    assert not identical(whole, other)


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path):
    Trainer(RECIPE).save(tmp_path)
    trainer = Trainer(dataclasses.replace(RECIPE, learning_rate=1e-3))
    with pytest.raises(ValueError, match='another recipe'):
        trainer.resume(tmp_path)
    assert not trainer.resume(tmp_path / 'empty')


def test_it_learns_a_handful_of_faces():
    faces = synthetic_faces(8)
    recipe = Recipe(samples=60 * 8, batch_size=8, warmup_steps=3)
    trainer = Trainer(recipe)
    crops = np.ascontiguousarray(faces.pictures[:, :64, :64])
    batch = Batch(crops, faces.angles_deg.astype(np.float32))
    losses = [trainer.train_step(batch) for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_learning_rate_warms_up_and_falls_to_zero():
    recipe = Recipe(samples=1000 * 10, batch_size=10, warmup_steps=100)
    rates = np.array([schedule(step, recipe) for step in range(1001)])
    assert rates[0] == pytest.approx(0.01)
    assert rates[99] == rates.max() == 1
    assert (np.diff(rates[:100]) > 0).all() and (np.diff(rates[100:]) < 0).all()
    assert rates[550] == pytest.approx(0.5)
    assert rates[1000] == pytest.approx(0)


@pytest.mark.parametrize('exponent', [0, 0.25, 1])
def test_rarity_weights_are_probabilities_that_favour_rare_poses(exponent):
    angles = np.array([[1.0, 1, 0]] * 9 + [[80.0, 1, 0]])
    found = rarity_weights(angles, exponent)
    assert found.sum() == pytest.approx(1)
    assert found[9] / found[0] == pytest.approx(9.0**exponent)


def test_batches_are_functions_of_seed_and_step():
    faces = synthetic_faces()
    all_of_them = list(batches_from(faces, RECIPE, 0))
    assert len(all_of_them) == 12
    later = next(batches_from(faces, RECIPE, 7))
    assert (later.crops == all_of_them[7].crops).all()
    assert (later.angles_deg == all_of_them[7].angles_deg).all()
    assert not (all_of_them[6].crops == all_of_them[7].crops).all()


def test_validation_faces_are_not_trained_on():
    training, validation = split(synthetic_faces(), 0.25, seed=1)
    assert (len(training), len(validation)) == (9, 3)
    assert not set(training.names) & set(validation.names)
    assert (split(synthetic_faces(), 0.25, seed=1)[1].names == validation.names).all()


def test_recipes_of_the_package_are_read():
    assert load_recipe('aflw').steps > 1000


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('learning_rat: 0.1', 'unknown learning_rat; known are .*learning_rate'),
        ('augmentation: {rol_share: 0.1}', 'unknown rol_share'),
        ('steps: 100', 'unknown steps'),
        ('learning_rate: fast', "learning_rate is 'fast', expected float"),
        ('batch_size: 6.5', 'batch_size is 6.5, expected int'),
        ('seed:', 'seed is None, expected int'),
        ('- samples', 'expected names and values'),
    ],
)
def test_recipes_with_mistakes_are_refused(tmp_path, text, reason):
    path = tmp_path / 'mine.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'mine.yaml.*{reason}'):
        load_recipe(path)


def test_numbers_may_be_written_with_an_exponent(tmp_path):
    # YAML 1.1 takes 1e-3 without a point for a string.
    path = tmp_path / 'mine.yaml'
    path.write_text('learning_rate: 1e-3\nrarity: 1\naugmentation: {shift_sigma: 2e-2}')
    recipe = load_recipe(path)
    assert math.isclose(recipe.learning_rate, 0.001)
    assert isinstance(recipe.rarity, float)
    assert recipe.augmentation.shift_sigma == 0.02


def test_unknown_recipes_and_missing_faces_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no recipe nothing: .*aflw'):
        load_recipe('nothing')
    with pytest.raises(FileNotFoundError, match=r'faces_120\.zip is missing'):
        load_aflw_faces(tmp_path)
