"""A calibration that was written is read back; one that is wrong is named with its field."""

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fsanet_ros.files.calibration_file import (
    CalibrationData,
    CalibrationError,
    read_calibration,
    write_calibration,
)

# As camera_calibration writes it.
TEXT = """\
image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [652.1,   0.  , 318.4,
           0.  , 653.2, 241.9,
           0.  ,   0.  ,   1.  ]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.42, 0.19, 0.001, -1e-05, 0.]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1., 0., 0., 0., 1., 0., 0., 0., 1.]
projection_matrix:
  rows: 3
  cols: 4
  data: [600., 0., 317., 0., 0., 601., 242., 0., 0., 0., 1., 0.]
"""


def read(tmp_path, text):
    path = tmp_path / 'camera.yaml'
    path.write_text(text)
    return read_calibration(path)


def changed(**fields):
    content = yaml.safe_load(TEXT)
    for name, value in fields.items():
        if value is None:
            del content[name]
        else:
            content[name] = value
    return yaml.safe_dump(content)


def test_what_camera_calibration_writes_is_read(tmp_path):
    calibration = read(tmp_path, TEXT)
    assert (calibration.width, calibration.height) == (640, 480)
    assert calibration.camera_name == 'narrow_stereo'
    assert calibration.distortion_model == 'plumb_bob'
    np.testing.assert_array_equal(calibration.k, [[652.1, 0, 318.4], [0, 653.2, 241.9], [0, 0, 1]])
    # -1e-05 without a point is a string for YAML 1.1.
    np.testing.assert_array_equal(calibration.d, [-0.42, 0.19, 0.001, -1e-5, 0])
    np.testing.assert_array_equal(calibration.r, np.eye(3))
    assert calibration.p.shape == (3, 4) and calibration.p[0, 0] == 600.0


def test_without_rectification_it_is_a_single_camera(tmp_path):
    text = changed(rectification_matrix=None, projection_matrix=None, camera_name=None)
    calibration = read(tmp_path, text)
    np.testing.assert_array_equal(calibration.r, np.eye(3))
    np.testing.assert_array_equal(calibration.p[:, :3], calibration.k)
    np.testing.assert_array_equal(calibration.p[:, 3], 0)
    assert calibration.camera_name == ''


numbers = st.floats(-1e6, 1e6)


@settings(deadline=None, max_examples=50)
@given(
    size=st.tuples(st.integers(1, 10000), st.integers(1, 10000)),
    focal=st.tuples(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6)),
    d=st.lists(numbers, min_size=8, max_size=8),
    p=st.lists(numbers, min_size=12, max_size=12),
    name=st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), max_size=20),
)
def test_written_and_read_back(tmp_path_factory, size, focal, d, p, name):
    k = np.array([[focal[0], 0, 3.5], [0, focal[1], 4.5], [0, 0, 1]])
    projection = np.array(p).reshape(3, 4)
    written = CalibrationData(
        *size, k, np.array(d), 'rational_polynomial', np.eye(3), projection, name
    )
    path = tmp_path_factory.mktemp('calibration') / 'camera.yaml'
    write_calibration(path, written)
    calibration = read_calibration(path)
    for field in ('k', 'd', 'r', 'p'):
        np.testing.assert_array_equal(getattr(calibration, field), getattr(written, field))
    assert (calibration.width, calibration.height) == size
    assert calibration.camera_name == name
    assert calibration.distortion_model == 'rational_polynomial'


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('', 'found NoneType, expected image_width'),
        ('- 1', 'found list'),
        ('{', 'is not YAML'),
        ('# oST version 5.0 parameters\n\n[image]\n\nwidth\n640\n', 'camera.yaml'),
        (changed(image_width=None), 'image_width is None, expected a positive number'),
        (changed(image_height='480'), "image_height is '480'"),
        (changed(image_height=-1), 'image_height is -1'),
        (changed(camera_matrix=None), 'camera_matrix is None, expected rows, cols and a list'),
        (changed(camera_matrix=[1, 2, 3]), 'camera_matrix is'),
        (changed(camera_matrix={'data': [1] * 8}), 'camera_matrix: data has 8 numbers, expected 9'),
        (changed(camera_matrix={'data': [0] * 9}), 'focal lengths 0 and 0; both must be positive'),
        (changed(camera_matrix={'data': ['x'] * 9}), 'expected numbers'),
        (changed(camera_matrix={'data': [None] * 9}), 'expected numbers'),
        (changed(camera_matrix={'data': [float('nan')] * 9}), 'camera_matrix'),
        (changed(projection_matrix={'data': [1] * 9}), 'projection_matrix: .* expected 12'),
        (changed(distortion_coefficients=None), 'distortion_coefficients is None'),
        (changed(distortion_coefficients={'data': [0.1] * 8}), 'with 8 coefficients: expected'),
        (
            changed(distortion_model='equidistant', distortion_coefficients={'data': [0.1] * 5}),
            'with 5 coefficients: expected',
        ),
        (changed(distortion_model=5), 'distortion_model is 5'),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path, text, reason):
    with pytest.raises(CalibrationError, match=reason) as caught:
        read(tmp_path, text)
    assert 'camera.yaml' in str(caught.value)


def test_models_not_known_here_are_passed_on(tmp_path):
    text = changed(distortion_model='omni', distortion_coefficients={'data': [1, 2, 3]})
    assert read(tmp_path, text).d.tolist() == [1, 2, 3]


def test_a_missing_file_and_a_picture_are_named(tmp_path):
    with pytest.raises(CalibrationError, match=r'nowhere\.yaml could not be read'):
        read_calibration(tmp_path / 'nowhere.yaml')
    (tmp_path / 'picture.png').write_bytes(b'\x89PNG\r\n\x1a\n\xff\xfe')
    with pytest.raises(CalibrationError, match=r'picture\.png is not YAML'):
        read_calibration(tmp_path / 'picture.png')
