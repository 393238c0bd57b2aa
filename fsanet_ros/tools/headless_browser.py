"""A headless Chromium, driven through its DevTools protocol: for pictures and tests of the view."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

_PROGRAMS = ('chromium', 'chromium-browser', 'google-chrome')
_PATIENCE_S = 240.0  # without a graphics card, on a busy machine
_OPTIONS = (
    '--headless=new',
    '--no-sandbox',
    '--use-gl=angle',
    '--use-angle=swiftshader',
    '--enable-unsafe-swiftshader',
    '--disable-background-networking',
    '--hide-scrollbars',
    '--no-first-run',
    '--remote-debugging-port=0',
)


def find_program() -> str | None:
    """Return where Chromium or Chrome is, None if it is not installed."""
    return next(filter(None, map(shutil.which, _PROGRAMS)), None)


class Browser:
    """
    One page of a browser of its own, to be used in a ``with`` block.

    ``requested``: the addresses that the page asked for. ``errors``: what its scripts threw.
    """

    def __init__(self, width: int = 1500, height: int = 1000) -> None:
        """
        Start Chromium with a window of so many pixels.

        :raises FileNotFoundError: if it is not installed
        :raises TimeoutError: if it does not start
        """
        program = find_program()
        if program is None:
            raise FileNotFoundError(
                f'none of {", ".join(_PROGRAMS)} is installed: apt has chromium'
            )
        self.requested: list[str] = []
        self.errors: list[str] = []
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        profile = f'--user-data-dir={self._folder.name}'
        self._process = subprocess.Popen(
            [program, *_OPTIONS, profile, f'--window-size={width},{height}', 'about:blank'],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._count = 0
        try:
            with urllib.request.urlopen(f'http://127.0.0.1:{self._port()}/json') as answer:
                page = next(page for page in json.load(answer) if page['type'] == 'page')
            self._socket = connect(
                page['webSocketDebuggerUrl'], max_size=None, open_timeout=_PATIENCE_S
            )
            for domain in ('Page', 'Network', 'Runtime'):
                self.call(f'{domain}.enable')
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._end()

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol and return its result."""
        self._count += 1
        number = self._count
        self._socket.send(json.dumps({'id': number, 'method': method, 'params': parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=_PATIENCE_S))
            if message.get('id') == number:
                if 'error' in message:
                    raise RuntimeError(f'{method}: {message["error"]}')
                return message['result']
            self._note(message)

    def open(self, url: str) -> None:
        """Go to an address."""
        self.call('Page.navigate', url=url)

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression in JavaScript."""
        answer = self.call('Runtime.evaluate', expression=script, returnByValue=True)
        return answer['result'].get('value')

    def wait_for(self, script: str) -> Any:
        """
        Return the value of an expression in JavaScript as soon as it is true.

        :raises TimeoutError: if it never is
        """
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            if value := self.evaluate(script):
                return value
            time.sleep(0.3)
        raise TimeoutError(f'never true: {script}; the page says {self.text()!r}')

    def text(self) -> str:
        """Return the text of the page."""
        return str(self.evaluate('document.body ? document.body.innerText : ""'))

    def click(self, text: str) -> None:
        """Click on the last button or choice with a text, when there is one."""
        x, y = self.wait_for(
            f"""(() => {{
                const found = [...document.querySelectorAll('button, [role=option]')]
                    .filter(e => e.innerText.trim() == {json.dumps(text)});
                if (!found.length) return null;
                const r = found.at(-1).getBoundingClientRect();
                return [r.x + r.width / 2, r.y + r.height / 2];
            }})()"""
        )
        self.click_at(x, y)

    def click_at(self, x: float, y: float) -> None:
        """Click at a place, in pixels."""
        for kind in ('mouseMoved', 'mousePressed', 'mouseReleased'):
            button = {'button': 'left', 'clickCount': 1} if kind != 'mouseMoved' else {}
            self.call('Input.dispatchMouseEvent', type=kind, x=x, y=y, **button)

    def screenshot(self, path: Path | str) -> None:
        """Write what the window shows as a PNG."""
        picture = self.call('Page.captureScreenshot', format='png')['data']
        Path(path).write_bytes(base64.b64decode(picture))

    def _note(self, message: dict[str, Any]) -> None:
        parameters = message.get('params', {})
        if message.get('method') == 'Network.requestWillBeSent':
            self.requested.append(parameters['request']['url'])
        elif message.get('method') == 'Network.webSocketCreated':
            self.requested.append(parameters['url'])
        elif message.get('method') == 'Runtime.exceptionThrown':
            self.errors.append(str(parameters['exceptionDetails'])[:500])

    def _port(self) -> str:
        file = Path(self._folder.name) / 'DevToolsActivePort'
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            if file.exists() and (lines := file.read_text(encoding='utf-8').splitlines()):
                return lines[0]
            if self._process.poll() is not None:
                raise TimeoutError(f'Chromium has ended with code {self._process.returncode}')
            time.sleep(0.1)
        raise TimeoutError(f'Chromium has not started within {_PATIENCE_S:g} s')

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()
