"""
Simulated people before a camera: true boxes, and what a detector and a network make of them.

Everything is in pixels of a 1280 x 720 image. Noise is as measured for the package's detectors:
the centre 0.04 of the face's size, the size 5 to 12 % (drawn per sequence), both half white and
half correlated over a quarter of a second; rotations 4 degrees, the same way; 5 % of the faces
are missed; 5 % of the images have a false face, 1 % of the faces a second, smaller box.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.types import Box, Face, Head, Square

WIDTH, HEIGHT = 1280, 720
CENTER_NOISE, ROTATION_NOISE_DEG = 0.04, 4.0
MISSED, FALSE_FACES, DUPLICATES = 0.05, 0.05, 0.01
NOISE_TIME_S = 0.25


@dataclass(frozen=True)
class Person:
    """One person's way: center [n, 2] and size [n] in pixels, there [n] (in the scene)."""

    center: np.ndarray
    size: np.ndarray
    there: np.ndarray


@dataclass(frozen=True)
class SimulatedImage:
    """
    One image: the people who can be seen with their boxes, and the heads that were found.

    ``people``: whose each head is; a negative number for false faces and second boxes.
    """

    time_s: float
    truth: dict[int, Box]
    heads: list[Head]
    people: list[int]


def wandering(rng, times, sigma, time_s, columns=1):
    """Return smooth random curves [n, columns]: an Ornstein-Uhlenbeck process, exactly."""
    values = [rng.normal(0, sigma, columns)]
    for elapsed in np.diff(times):
        keep = math.exp(-elapsed / time_s)
        step = rng.normal(0, sigma * math.sqrt(1 - keep * keep), columns)
        values.append(keep * values[-1] + step)
    return np.array(values)


def noise(rng, times, sigma, columns):
    """Return noise [n, columns], half of it white and half correlated over NOISE_TIME_S."""
    half = sigma * math.sqrt(0.5)
    white = rng.normal(0, half, (len(times), columns))
    return white + wandering(rng, times, half, NOISE_TIME_S, columns)


def box_at(center, size):
    width, height = 0.9 * size, size / 0.9
    return Box(
        float(center[0] - width / 2), float(center[1] - height / 2), float(width), float(height)
    )


def head_at(box, rotation):
    side = 1.1 * max(box.width, box.height)
    return Head(Face(box, 0.9, Square(*box.center, side)), rotation)


def covered(box, other):
    """Return the share of ``box`` that ``other`` covers."""
    right = min(box.x + box.width, other.x + other.width)
    lower = min(box.y + box.height, other.y + other.height)
    width, height = right - max(box.x, other.x), lower - max(box.y, other.y)
    return max(width, 0) * max(height, 0) / (box.width * box.height)


def filmed(rng, times, people):
    """Return what the camera sees: who is behind somebody nearer (larger) is not seen."""
    size_noise = rng.uniform(0.05, 0.12)
    found, rotations = [], []
    for person in people:
        n = len(times)
        shift = noise(rng, times, CENTER_NOISE, 2) * person.size[:, None]
        size = person.size * np.exp(noise(rng, times, size_noise, 1)[:, 0])
        found.append([box_at(c, s) for c, s in zip(person.center + shift, size, strict=True)])
        angles = rng.normal(0, (25, 10, 6)) + wandering(rng, times, 1.0, 0.8, 3) * (20, 10, 5)
        error = noise(rng, times, ROTATION_NOISE_DEG / math.sqrt(3), 3)
        wrong = Rotation.from_rotvec(error, degrees=True).as_matrix()
        rotations.append(wrong @ matrix_from_yaw_pitch_roll_deg(angles).reshape(n, 3, 3))
    images = []
    for i, time_s in enumerate(times):
        boxes = {k: box_at(p.center[i], p.size[i]) for k, p in enumerate(people) if p.there[i]}
        truth = {
            k: box
            for k, box in boxes.items()
            if 0 < box.center[0] < WIDTH
            and 0 < box.center[1] < HEIGHT
            and not any(
                people[o].size[i] > people[k].size[i] and covered(box, other) > 0.4
                for o, other in boxes.items()
            )
        }
        seen = [k for k in truth if rng.random() > MISSED]
        heads = [head_at(found[k][i], rotations[k][i]) for k in seen]
        for head in list(heads):
            if rng.random() < DUPLICATES:
                box = head.face.box
                center = np.array(box.center) + rng.normal(0, 0.08, 2) * box.width
                heads.append(head_at(box_at(center, 0.55 * box.width), head.rotation_optical))
        if rng.random() < FALSE_FACES:
            angles = rng.normal(0, 40, 3)
            place = rng.uniform((0, 0), (WIDTH, HEIGHT))
            heads.append(
                head_at(box_at(place, rng.uniform(40, 160)), matrix_from_yaw_pitch_roll_deg(angles))
            )
        whose = seen + [-1] * (len(heads) - len(seen))
        order = rng.permutation(len(heads))
        images.append(
            SimulatedImage(
                float(time_s), truth, [heads[j] for j in order], [whose[j] for j in order]
            )
        )
    return images


def stamps(rng, seconds, rate_hz):
    """Return the stamps of a camera that is a little irregular and drops an image in fifty."""
    times = np.arange(0, seconds, 1 / rate_hz)
    times = times + rng.normal(0, 0.03 / rate_hz, len(times))
    return 1000.0 + times[rng.random(len(times)) > 0.02]


def walker(times, size, middle, middle_s, velocity, rng):
    """Return a person who walks at ``velocity`` (pixels per second) through ``middle``."""
    after = (times - times[0] - middle_s)[:, None]
    sway = wandering(rng, times, 0.05, 0.5, 2) * size
    center = np.asarray(middle) + after * np.asarray(velocity) + sway
    return Person(center, np.full(len(times), size), np.ones(len(times), bool))


def crossing(rng, rate_hz):
    """Two people pass each other, one some way above the other, so that both stay in sight."""
    times = stamps(rng, 4.0, rate_hz)
    size = rng.uniform(60, 140)
    near = walker(times, size, (640, 360), 2.0, (size * rng.uniform(2, 6), 0), rng)
    far_size = size * rng.uniform(0.75, 0.97)
    above = rng.uniform(0.75, 1.1) * size
    way = (-far_size * rng.uniform(2, 6), rng.uniform(-0.3, 0.3) * size)
    far = walker(times, far_size, (640, 360 - above), 2.0, way, rng)
    return filmed(rng, times, [near, far])


def occlusion(rng, rate_hz):
    """Somebody walks behind another and is hidden for 0.3 to 0.7 s."""
    times = stamps(rng, 4.0, rate_hz)
    size = rng.uniform(70, 140)
    hidden_s = rng.uniform(0.3, 0.7)
    # They are hidden over a relative way of about 1.1 sizes.
    relative = 1.1 * size / hidden_s
    share = rng.uniform(0.0, 1.0)
    sign = rng.choice([-1.0, 1.0])
    near = walker(times, size, (640, 360), 2.0, (sign * relative * share, 0), rng)
    far_size = size * rng.uniform(0.75, 0.95)
    way = (-sign * relative * (1 - share), rng.uniform(-0.2, 0.2) * size)
    far = walker(times, far_size, (640, 360 + rng.uniform(-0.2, 0.2) * size), 2.0, way, rng)
    return filmed(rng, times, [near, far])


def leaving(rng, rate_hz):
    """Somebody walks out; 0.2 to 0.8 s later another comes in at the other side; one stays."""
    times = stamps(rng, 5.0, rate_hz)
    after = times - times[0]
    size = rng.uniform(70, 140)
    speed = size * rng.uniform(2, 5)
    gone_s = rng.uniform(1.5, 2.5)
    back_s = gone_s + rng.uniform(0.2, 0.8)
    height = rng.uniform(250, 450)
    stays = walker(times, 1.3 * size, (640, 640), 2.0, (rng.uniform(-20, 20), 0), rng)
    goes = walker(times, size, (WIDTH, height), gone_s, (speed, 0), rng)
    goes = Person(goes.center, goes.size, after <= gone_s)
    comes_size = size * rng.uniform(0.7, 1.4)
    comes = walker(times, comes_size, (0, height), back_s, (speed * rng.uniform(0.5, 1), 0), rng)
    comes = Person(comes.center, comes.size, after >= back_s)
    return filmed(rng, times, [stays, goes, comes])


def milling(rng, rate_hz, people=7):
    """People walk about, in front of and behind each other."""
    times = stamps(rng, 10.0, rate_hz)
    crowd = []
    for _ in range(people):
        size = rng.uniform(60, 150) * np.exp(wandering(rng, times, 0.15, 2.0)[:, 0])
        # Two slow waves and some sway: up to three sizes per second.
        center = np.array((640.0, 360.0)) + wandering(rng, times, 0.05, 0.5, 2) * size[:, None]
        for _ in range(2):
            rate = rng.uniform(0.05, 0.2, 2) * 2 * math.pi
            phase = rng.uniform(0, 2 * math.pi, 2)
            reach = np.array((270, 100)) * rng.uniform(0.5, 1.1, 2)
            center = center + reach * np.sin(rate * (times - times[0])[:, None] + phase)
        crowd.append(Person(center, size, np.ones(len(times), bool)))
    return filmed(rng, times, crowd)


def panning(rng, rate_hz):
    """Four people stand in a row while the camera turns to and fro at up to 12 sizes a second."""
    times = stamps(rng, 6.0, rate_hz)
    after = times - times[0]
    size = rng.uniform(70, 100)
    pan = np.zeros(len(times))
    for number in range(3):
        way = (-1) ** number * rng.uniform(2.5, 3.5) * size
        # A smooth step; its largest speed is the way over 1.77 widths.
        width_s = abs(way) / 1.77 / (rng.uniform(6, 12) * size)
        start = 1.0 + 1.7 * number
        pan += way * np.array([(1 + math.erf((t - start) / width_s)) / 2 for t in after])
    row = []
    for number in range(4):
        own = size * rng.uniform(0.8, 1.2)
        place = (340 + 2.0 * size * (number - 0.5), 360 + rng.uniform(-0.5, 0.5) * size)
        person = walker(times, own, place, 0.0, (rng.uniform(-0.3, 0.3) * size, 0), rng)
        center = person.center + np.column_stack([pan, np.zeros(len(times))])
        row.append(Person(center, person.size, person.there))
    return filmed(rng, times, row)


def few_images(rng, rate_hz):
    """Four people walk about, before a camera of 5 images a second."""
    return milling(rng, min(rate_hz, 5.0), people=4)


SCENES: dict[str, Callable[[np.random.Generator, float], list[SimulatedImage]]] = {
    'crossing': crossing,
    'occlusion': occlusion,
    'leaving': leaving,
    'milling': milling,
    'panning': panning,
    'few_images': few_images,
}
RATES_HZ = (10.0, 15.0, 30.0)


def sequences(scene, seeds):
    """Return the sequences of a scene, one for each seed; the seed chooses the rate too."""
    return [SCENES[scene](np.random.default_rng(s), RATES_HZ[s % len(RATES_HZ)]) for s in seeds]
