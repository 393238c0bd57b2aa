"""Training: the same for the same seed, resumable, able to learn, strict about its recipe."""

import dataclasses
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from lp_samples import BY_HEART, SAMPLES, extract_samples, generate_samples

torch = pytest.importorskip('torch', reason='PyTorch is not installed')

from fsanet_ros.geometry import rotations  # noqa: E402
from fsanet_ros.inference.runtime import make_runtime  # noqa: E402
from fsanet_ros.research.datasets.faces import LabelledFaces, load_aflw_faces, split  # noqa: E402
from fsanet_ros.research.evaluation.scores import score  # noqa: E402
from fsanet_ros.research.training.batches import Batch, batches_from, rarity_weights  # noqa: E402
from fsanet_ros.research.training.checkpoints import CHECKPOINT, read_checkpoint  # noqa: E402
from fsanet_ros.research.training.recipe import Recipe, load_recipe  # noqa: E402
from fsanet_ros.research.training.training_data import crops_in_use, load_faces  # noqa: E402
from fsanet_ros.research.training.training_log import TrainingLog  # noqa: E402
from fsanet_ros.research.training.training_loop import Trainer, schedule, train  # noqa: E402
from fsanet_ros.tools import train as tools_train  # noqa: E402

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


def test_a_seed_starts_from_the_same_weights_in_every_version():
    # Else the weights of the package could not be trained again.
    state = Trainer(load_recipe('aflw')).network.state_dict()
    first = {
        'features.stream_a.shallow.0.pointwise.weight': 0.12658660,
        'structure.scoring.convolution.weight': -0.26802853,
        'aggregation.weight': 0.09440419,
        'regression.bins.2.weight': 0.04917192,
    }
    found = {name: state[name].flatten()[0].item() for name in first}
    assert found == pytest.approx(first, abs=1e-6)


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path):
    Trainer(RECIPE).save(tmp_path)
    trainer = Trainer(dataclasses.replace(RECIPE, learning_rate=1e-3))
    with pytest.raises(ValueError, match='another recipe'):
        trainer.resume(tmp_path)
    assert not trainer.resume(tmp_path / 'empty')


@pytest.mark.slow
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


def test_cycles_start_again_from_a_share_of_the_rate():
    once = Recipe(samples=500 * 10, batch_size=10, warmup_steps=100)
    twice = dataclasses.replace(once, samples=1001 * 10, cycles=2, restart_share=0.5)
    first = [schedule(step, twice) for step in range(500)]
    assert first == [schedule(step, once) for step in range(500)]
    second = np.array([schedule(step, twice) for step in range(500, 1002)])
    assert second[0] == second.max() == 0.5
    assert (np.diff(second) < 0).all()
    assert second[-1] == pytest.approx(0, abs=1e-6)


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


# ---- the command: learns by heart, and goes on after kill -9


def command(data, folder, recipe, *options):
    arguments = ['--recipe', str(recipe), '--data', str(data), '--output', str(folder), *options]
    return [sys.executable, '-m', 'fsanet_ros.tools.train', '--device', 'cpu', *arguments]


def start(*arguments):
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    return subprocess.Popen(
        command(*arguments),
        cwd=Path(__file__).parents[1],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process):
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    return output


def checkpoint_step(folder):
    path = folder / CHECKPOINT
    return read_checkpoint(path).step if path.is_file() else 0


def kill_at(process, folder, step):
    """Kill a training, wherever it is, once it has got so far."""
    while checkpoint_step(folder) < step:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()


def assert_same_run(a, b):
    a, b = (read_checkpoint(folder / CHECKPOINT) for folder in (a, b))
    assert (a.step, a.recipe) == (b.step, b.recipe)
    assert a.tensors.keys() == b.tensors.keys()
    for name, value in a.tensors.items():
        assert torch.equal(value, b.tensors[name]), name


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_training_goes_on_to_the_same_numbers(tmp_path):
    data = generate_samples(tmp_path / 'data')
    recipe = tmp_path / 'short.yaml'
    # With everything that has a state: validation, average, varied pictures, weighted draws.
    recipe.write_text('data: 300w_lp\nsamples: 320\nbatch_size: 8\nvalidation_share: 0.34')
    options = ('--checkpoint-every', '3', '--validate-every', '10')
    whole = start(data, tmp_path / 'whole', recipe, *options)
    killed = start(data, tmp_path / 'killed', recipe, *options)
    kill_at(killed, tmp_path / 'killed', 9)
    # As if it had been killed while it wrote.
    (tmp_path / 'killed' / f'{CHECKPOINT}.new').write_bytes(b'half a fi')
    with (tmp_path / 'killed' / 'validation.jsonl').open('a') as file:
        file.write('{"step": 4')
    kill_at(start(data, tmp_path / 'killed', recipe, *options), tmp_path / 'killed', 24)
    assert checkpoint_step(tmp_path / 'killed') < 40, 'it was not interrupted'
    output = finish(start(data, tmp_path / 'killed', recipe, *options))
    assert re.search(r'continuing at step \d+ of 40', output)
    finish(whole)
    assert_same_run(tmp_path / 'whole', tmp_path / 'killed')
    logs = [(tmp_path / n / 'validation.jsonl').read_text() for n in ('whole', 'killed')]
    assert logs[0] == logs[1] and logs[0].count('\n') == 4
    for suffix in ('.onnx', '.safetensors'):
        files = [tmp_path / n / f'fsanet_short{suffix}' for n in ('whole', 'killed')]
        assert files[0].is_file() and files[1].is_file()


def learn_by_heart(data, recipe):
    """Train in this process; return the errors of the last batches and of the network in use."""
    faces = load_faces(recipe, data)
    recipe = recipe.for_faces(len(faces))
    trainer = Trainer(recipe)
    losses = [trainer.train_step(batch) for batch in batches_from(faces, recipe, 0)]
    estimated = trainer.estimate(crops_in_use(faces, recipe))
    return np.mean(losses[-5:]), np.abs(estimated - faces.angles_deg).mean()


@pytest.mark.slow
def test_generated_faces_in_the_layout_of_300w_lp_are_learnt_by_heart(tmp_path):
    data = generate_samples(tmp_path / 'data')
    (tmp_path / 'heart.yaml').write_text(BY_HEART.format(epochs=120))
    loss, error = learn_by_heart(data, load_recipe(tmp_path / 'heart.yaml'))
    assert loss < 0.5 and error < 0.5


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not SAMPLES.is_file(), reason=f'{SAMPLES} is not there')
def test_the_samples_of_300w_lp_are_learnt_by_heart_also_when_killed(tmp_path):
    data = extract_samples(tmp_path)
    recipe = tmp_path / 'heart.yaml'
    recipe.write_text(BY_HEART.format(epochs=250))
    options = ('--checkpoint-every', '25')
    killed = start(data, tmp_path / 'killed', recipe, *options)
    kill_at(killed, tmp_path / 'killed', 100)
    finish(start(data, tmp_path / 'killed', recipe, *options))
    faces = load_faces(load_recipe(recipe), data)
    runtime = make_runtime(tmp_path / 'killed' / 'fsanet_heart.safetensors')
    errors = np.abs(runtime(faces.pictures) - faces.angles_deg)
    assert len(faces) == 12
    assert errors.mean() < 0.1 and errors.max() < 0.5
    finish(start(data, tmp_path / 'whole', recipe, *options))
    assert_same_run(tmp_path / 'whole', tmp_path / 'killed')


def test_a_checkpoint_of_another_recipe_says_what_differs(tmp_path, capsys):
    data = generate_samples(tmp_path / 'data')
    recipe = load_recipe('ours_300w_lp')
    Trainer(dataclasses.replace(recipe, learning_rate=0.5)).save(tmp_path / 'out')
    arguments = command(data, tmp_path / 'out', 'ours_300w_lp')[3:]
    assert tools_train.main(arguments) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert str(tmp_path / 'out' / CHECKPOINT) in line
    assert 'learning_rate 0.5 instead of 0.002' in line
    (tmp_path / 'out' / CHECKPOINT).write_bytes(b'damaged')
    assert tools_train.main(arguments) == 1
    assert 'checkpoint.safetensors is not a readable' in capsys.readouterr().err


# ---- TensorBoard


def test_without_tensorboard_the_error_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'torch.utils.tensorboard', None)
    data = generate_samples(tmp_path / 'data')
    arguments = command(data, tmp_path / 'out', 'ours_300w_lp', '--tensorboard')[3:]
    assert tools_train.main(arguments) == 1
    assert 'TensorBoard is not installed: pip install tensorboard' in capsys.readouterr().err


def test_tensorboard_gets_losses_rates_and_validations(tmp_path, monkeypatch):
    written = []

    class Board:
        def __init__(self, folder, purge_step):
            written.append(('opened', folder, purge_step))

        def add_scalar(self, name, value, step):
            written.append((name, value, step))

        def close(self):
            written.append(('closed',))

    module = SimpleNamespace(SummaryWriter=Board)
    monkeypatch.setitem(sys.modules, 'torch.utils.tensorboard', module)
    log = TrainingLog(tmp_path, 100, tensorboard=True)
    for step in range(101, 201):
        log.watch(step, float(step), 1e-3)
    log.report(200, score(np.zeros((2, 3)), np.ones((2, 3))))
    log.close()
    assert written[0] == ('opened', str(tmp_path / 'tensorboard'), 101)
    losses = [w for w in written if w[0] == 'training/mean_absolute_error_deg']
    assert losses == [(losses[0][0], 125.5, 150), (losses[0][0], 175.5, 200)]
    assert ('training/learning_rate', 1e-3, 200) in written
    assert ('validation/mean', 1.0, 200) in written
    assert written[-1] == ('closed',)


def test_training_goes_on_from_weights_and_leaves_the_frozen_layers_as_they_are():
    recipe = dataclasses.replace(
        load_recipe('last_1x1'), samples=8, batch_size=4, warmup_steps=1, ema_decay=0.0
    )
    assert recipe.frozen == 'shallow'
    trainer, faces = Trainer(recipe), synthetic_faces()
    trainer.start_from('fsanet_1x1')
    assert trainer.head  # what the error head knew, to be taught on
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    for batch in batches_from(faces, dataclasses.replace(recipe, also={}), 0):
        trainer.train_step(batch)
    after = trainer.network.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert not [name for name in changed if '.shallow.' in name and 'out_shallow' not in name]
    assert any('.deep.' in name for name in changed)
