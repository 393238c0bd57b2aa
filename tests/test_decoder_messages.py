"""What decoders write for each damaged picture is caught; nobody else loses a line."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy')

from fsanet_ros.ros.input.decoder_messages import DecoderMessages

pytestmark = pytest.mark.skipif(not hasattr(os, 'memfd_create'), reason='not on this system')

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


def damaged(ending, number):
    """Return an encoded picture with five wrong bytes."""
    chance = np.random.default_rng(number)
    content = cv2.imencode(ending, PICTURE)[1].ravel()
    places = chance.integers(len(content) // 2, len(content) - 2, 5)
    content[places] = chance.integers(0, 255, 5)
    return content


@pytest.mark.parametrize('ending', ['.jpg', '.png', '.tiff'])
def test_damaged_pictures_write_nothing_and_what_was_wrong_is_known(ending, capfd):
    messages = DecoderMessages()
    told = []
    for number in range(50):
        with messages.caught() as said:
            cv2.imdecode(damaged(ending, number), cv2.IMREAD_COLOR)
        told += said
    assert capfd.readouterr().err == ''
    assert len(told) > 10 and all(len(line) < 1000 for line in told)


def test_without_it_they_write_lines(capfd):
    for number in range(50):
        cv2.imdecode(damaged('.jpg', number), cv2.IMREAD_COLOR)
    assert capfd.readouterr().err.count('\n') > 10


def test_what_others_write_meanwhile_comes_a_moment_later(capfd):
    messages = DecoderMessages()
    with messages.caught() as said:
        os.write(2, b'[WARN] [1.0] [head_pose]: nothing comes\nTraceback (most recent call last)\n')
        os.write(2, b'Corrupt JPEG data: 3 extraneous bytes before marker 0xd9\n')
    assert said == ['Corrupt JPEG data: 3 extraneous bytes before marker 0xd9']
    assert capfd.readouterr().err == (
        '[WARN] [1.0] [head_pose]: nothing comes\nTraceback (most recent call last)\n'
    )
    with messages.caught() as said:
        pass
    assert said == []


def test_an_error_comes_through_and_standard_error_is_what_it_was(capfd):
    messages = DecoderMessages()
    with pytest.raises(ArithmeticError), messages.caught():
        raise ArithmeticError
    os.write(2, b'here\n')
    assert capfd.readouterr().err == 'here\n'


def test_nothing_stays_open():
    messages = DecoderMessages()
    before = len(os.listdir('/proc/self/fd'))
    for _ in range(10):
        with messages.caught():
            pass
    assert len(os.listdir('/proc/self/fd')) == before
    messages.close()
    with messages.caught() as said:
        pass
    assert said == []


def test_a_closed_standard_error_is_no_error():
    code = (
        'from fsanet_ros.ros.input.decoder_messages import DecoderMessages\n'
        'with DecoderMessages().caught() as said:\n'
        '    print("decoded")\n'
    )
    command = f"exec {sys.executable} -c '{code}' 2>&-"
    done = subprocess.run(['bash', '-c', command], capture_output=True, text=True, check=False)
    assert done.stdout == 'decoded\n'
