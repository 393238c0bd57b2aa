"""What a network should be unsure of is measured as it is meant."""

import zipfile

import cv2
import numpy as np
import pytest

pytest.importorskip('scipy', reason='SciPy is not installed')

from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.inference.description import Description
from fsanet_ros.research.datasets.faces import LabelledFaces
from fsanet_ros.research.evaluation.unsure import (
    known_as_unsure,
    odd_pictures,
    patches_of_photos,
)


class Doubts:
    """Stands in for a network that is as far off, and as unsure, as a picture is bright."""

    description = Description(name='doubts', crop_scale=0.88)

    def with_expected_error(self, crops):
        bright = crops.mean(axis=(1, 2, 3))
        return np.outer(bright, (1.0, 0.0, 0.0)), bright


def grey_faces(values):
    pictures = np.stack([np.full((120, 120, 3), value, np.uint8) for value in values])
    angles = np.zeros((len(values), 3))
    names = np.array([f'{number}' for number in range(len(values))])
    return LabelledFaces(pictures, matrix_from_yaw_pitch_roll_deg(angles), angles, names)


def test_the_limit_is_where_one_face_in_a_hundred_is_lost():
    faces = grey_faces(range(1, 41))
    known = known_as_unsure(Doubts(), faces, {'bright': [np.full((120, 120, 3), 200, np.uint8)]})
    assert known.limit_deg == pytest.approx(np.quantile(np.arange(1, 41), 0.99), abs=1)
    assert known.rank_correlation == pytest.approx(1.0)
    assert known.rows['bright'] == (1, pytest.approx(200, abs=1), 1.0, 0.0)


def test_what_is_as_sure_as_a_face_is_not_known_as_unsure():
    dark = [np.full((120, 120, 3), 5, np.uint8)]
    assert known_as_unsure(Doubts(), grey_faces(range(1, 41)), {'dark': dark}).rows['dark'][2] == 0


def test_what_is_read_upside_down_only_is_counted():
    class Upright(Doubts):
        def with_expected_error(self, crops):
            top = crops[:, :32].mean(axis=(1, 2, 3))
            return np.outer(top, (1.0, 0.0, 0.0)), top

    picture = np.zeros((120, 120, 3), np.uint8)
    picture[:60] = 40  # 2 once it is turned
    good = grey_faces(range(1, 41))
    rows = known_as_unsure(Upright(), good, {'halves': [picture, picture[::-1]]}).rows
    assert rows['halves'][3] == 0.5


def test_weights_that_expect_no_error_are_refused():
    class Sure(Doubts):
        def with_expected_error(self, crops):
            return super().with_expected_error(crops)[0], None

    with pytest.raises(ValueError, match='no error head'):
        known_as_unsure(Sure(), grey_faces([1, 2]), {})


def test_every_kind_of_odd_picture_is_made_of_faces_and_has_their_size():
    gradient = np.arange(120 * 120, dtype=np.uint32).reshape(120, 120) % 251
    faces = grey_faces([0] * 3)
    faces.pictures[:] = gradient[..., None]
    kinds = odd_pictures(faces)
    assert set(kinds) == {'pieces of faces', 'corners', 'upside down', 'lying'}
    assert all(picture.shape == (120, 120, 3) for kind in kinds.values() for picture in kind)
    assert np.array_equal(kinds['upside down'][0], faces.pictures[0][::-1, ::-1])
    left, right = (kinds['lying'][number].astype(int) for number in (0, 1))
    inner = np.s_[2:-2, 2:-2]
    assert np.abs(left[inner] - right[::-1, ::-1][inner]).mean() < 8


def test_patches_are_cut_from_all_photographs(tmp_path):
    path = tmp_path / 'photos.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        for value in (10, 200):
            data = cv2.imencode('.jpg', np.full((90, 160, 3), value, np.uint8))[1]
            archive.writestr(f'{value}.jpg', data.tobytes())
    patches = patches_of_photos(path, count=8)
    assert len(patches) == 8
    assert {round(float(patch.mean()), -1) for patch in patches} == {10, 200}
