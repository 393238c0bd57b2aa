"""Published files: fetched whole or not at all, and never a wrong one."""

import functools
import hashlib
import http.server
import re
import threading

import pytest

from fsanet_ros.files import downloads
from fsanet_ros.tools import models

CONTENT = bytes(range(256)) * 1000


class Server(http.server.BaseHTTPRequestHandler):
    """Serves ``answers``: path -> (bytes to send, length to announce)."""

    def __init__(self, answers, *args):
        self.answers = answers
        super().__init__(*args)

    def do_GET(self):
        if self.path not in self.answers:
            self.send_error(404)
            return
        content, announced = self.answers[self.path]
        self.send_response(200)
        self.send_header('Content-Length', str(announced))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture(scope='module')
def address():
    answers = {
        '/good': (CONTENT, len(CONTENT)),
        '/wrong': (CONTENT[::-1], len(CONTENT)),
        '/short': (CONTENT[:1000], 1000),
        '/interrupted': (CONTENT[:100000], len(CONTENT)),
        '/endless': (CONTENT * 20, len(CONTENT) * 20),
    }
    handler = functools.partial(Server, answers)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / 'fsanet_ros'


@pytest.fixture
def publish(monkeypatch):
    def publish_at(url, content=CONTENT):
        file = downloads.PublishedFile(
            name='thing',
            file_name='thing.bin',
            description='a thing',
            licence='MIT',
            url=url,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        monkeypatch.setitem(downloads.PUBLISHED, 'thing', file)
        return file

    return publish_at


def test_a_file_comes_whole_into_the_cache(address, publish, cache):
    publish(f'{address}/good')
    seen = []
    path = downloads.fetch('thing', progress=lambda done, total: seen.append((done, total)))
    assert path == cache / 'thing.bin' == downloads.cached_file('thing')
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o644
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert list(cache.iterdir()) == [path]


def test_a_file_that_is_there_is_not_fetched_again(address, publish, cache):
    publish(f'{address}/good')
    path = downloads.fetch('thing')
    publish(f'{address}/gone')
    assert downloads.fetch('thing') == path


def test_a_damaged_file_is_fetched_again(address, publish, cache):
    publish(f'{address}/good')
    cache.mkdir(parents=True)
    (cache / 'thing.bin').write_bytes(b'damaged')
    assert downloads.fetch('thing').read_bytes() == CONTENT


@pytest.mark.parametrize(
    ('page', 'size', 'cause'),
    [
        ('wrong', 256000, 'changed'),
        ('short', 1000, 'cut short'),
        ('endless', None, 'changed'),
    ],
)
def test_a_wrong_file_is_refused_and_not_kept(address, publish, cache, page, size, cause):
    file = publish(f'{address}/{page}')
    with pytest.raises(ValueError, match=cause) as error:
        downloads.fetch('thing')
    message = str(error.value)
    assert f'{address}/{page}' in message
    assert f'expected {len(CONTENT)} bytes with {file.sha256}' in message
    assert size is None or f'found {size} bytes' in message
    assert list(cache.iterdir()) == []


def test_an_endless_answer_is_not_read_to_its_end(address, publish, cache):
    publish(f'{address}/endless')
    seen = []
    with pytest.raises(ValueError, match='found'):
        downloads.fetch('thing', progress=lambda done, total: seen.append(done))
    assert seen[-1] < 2 * len(CONTENT)


def test_an_interrupted_download_leaves_nothing(address, publish, cache):
    publish(f'{address}/interrupted')
    with pytest.raises((ValueError, ConnectionError), match=r'cut short|could not be downloaded'):
        downloads.fetch('thing')
    assert list(cache.iterdir()) == []


def test_a_good_file_survives_a_bad_download(address, publish, cache):
    publish(f'{address}/good')
    path = downloads.fetch('thing')
    publish(f'{address}/wrong', content=b'a newer version')
    with pytest.raises(ValueError, match='found'):
        downloads.fetch('thing')
    assert path.read_bytes() == CONTENT


def test_interrupting_by_hand_leaves_nothing(address, publish, cache):
    publish(f'{address}/good')

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        downloads.fetch('thing', progress=interrupt)
    assert list(cache.iterdir()) == []


def test_without_a_network_the_error_says_what_to_do(publish, cache):
    publish('http://127.0.0.1:9/thing')  # the discard port: nothing listens
    with pytest.raises(ConnectionError, match=r'127\.0\.0\.1:9.*--from') as error:
        downloads.fetch('thing')
    assert './run models thing' in str(error.value)
    assert list(cache.iterdir()) == []


def test_a_missing_page_is_named(address, publish):
    publish(f'{address}/gone')
    with pytest.raises(ConnectionError, match=re.escape(f'{address}/gone')):
        downloads.fetch('thing')


def test_a_folder_can_stand_in_for_the_internet(publish, cache, tmp_path):
    publish('http://127.0.0.1:9/thing')
    folder = tmp_path / 'stick'
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match=r'stick/thing\.bin'):
        downloads.fetch('thing', source=folder)
    (folder / 'thing.bin').write_bytes(b'wrong')
    with pytest.raises(ValueError, match=r'stick/thing\.bin is not the published'):
        downloads.fetch('thing', source=folder)
    (folder / 'thing.bin').write_bytes(CONTENT)
    assert downloads.fetch('thing', source=folder).read_bytes() == CONTENT


def test_cache_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv('HOME', str(tmp_path))
    for value in ('', 'relative/is/ignored'):
        monkeypatch.setenv('XDG_CACHE_HOME', value)
        assert downloads.cache_folder() == tmp_path / '.cache' / 'fsanet_ros'
    monkeypatch.setenv('XDG_CACHE_HOME', '/elsewhere')
    assert str(downloads.cache_folder()) == '/elsewhere/fsanet_ros'


def test_a_file_with_a_published_name_must_be_that_file(publish, tmp_path):
    publish('http://127.0.0.1:9/thing')
    path = tmp_path / 'thing.bin'
    path.write_bytes(CONTENT)
    downloads.check_known(path)
    path.write_bytes(b'other')
    with pytest.raises(ValueError, match='found 5 bytes'):
        downloads.check_known(path)
    own = tmp_path / 'own.bin'
    own.write_bytes(b'other')
    downloads.check_known(own)


@pytest.mark.parametrize('file', downloads.PUBLISHED.values(), ids=downloads.PUBLISHED)
def test_published_files_are_pinned(file):
    assert re.fullmatch('[0-9a-f]{64}', file.sha256)
    # A commit in the address: a branch could change under us.
    assert re.search('/[0-9a-f]{40}/', file.url)
    assert file.url.startswith('https://')
    assert file.url.endswith('/' + file.file_name)
    assert file.size > 0
    assert file.licence


def test_command_lists_models(capsys, publish, cache, tmp_path):
    publish('http://127.0.0.1:9/thing')
    assert models.main(['--details']) == 0
    listed = capsys.readouterr().out
    assert 'yunet' in listed
    assert './run models thing' in listed
    folder = tmp_path / 'stick'
    folder.mkdir()
    (folder / 'thing.bin').write_bytes(CONTENT)
    assert models.main(['thing', '--from', str(folder)]) == 0
    capsys.readouterr()
    models.main(['--details'])
    assert f'here: {cache / "thing.bin"}' in capsys.readouterr().out
    (cache / 'thing.bin').write_bytes(b'x')
    models.main(['--details'])
    assert 'damaged' in capsys.readouterr().out


def test_command_fetches_to_a_folder(address, publish, tmp_path, capsys):
    publish(f'{address}/good')
    assert models.main(['thing', '--to', str(tmp_path / 'here')]) == 0
    assert (tmp_path / 'here' / 'thing.bin').read_bytes() == CONTENT
    assert str(tmp_path / 'here' / 'thing.bin') in capsys.readouterr().out


def test_command_fails_with_an_error_and_no_traceback(publish, capsys):
    publish('http://127.0.0.1:9/thing')
    assert models.main(['thing']) == 1
    assert capsys.readouterr().err.startswith('models: thing.bin could not be downloaded')


def test_command_refuses_an_unknown_model(capsys):
    with pytest.raises(SystemExit) as stop:
        models.main(['nothing'])
    assert stop.value.code == 2
    assert 'yunet' in capsys.readouterr().err
