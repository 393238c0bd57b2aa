"""
How well identities are kept, on simulated people, as the tracking literature scores it.

The tracker's constants were chosen on seeds from 1000 on; these here are others.
"""

from __future__ import annotations

import numpy as np
import pytest
from simulated_people import SCENES, sequences

from fsanet_ros.tracking.tracker import HeadTracker

mm = pytest.importorskip('motmetrics', reason='the package motmetrics is not installed')

SEEDS = range(24)
METRICS = ['idf1', 'num_switches', 'mota', 'num_false_positives', 'num_unique_objects']
# A found face is a person's if its middle is at most half a face away.
SAME_PLACE = 0.5


def scores(scene, tracker=HeadTracker, seeds=SEEDS):
    """Return the scores over all sequences of a scene."""
    accumulators = []
    for images in sequences(scene, seeds):
        accumulator, people = mm.MOTAccumulator(auto_id=True), tracker()
        for image in images:
            tracked = people.update(image.heads, image.time_s)
            boxes = list(image.truth.values())
            centers = np.array([box.center for box in boxes]).reshape(-1, 1, 2)
            sizes = np.array([box.height for box in boxes]).reshape(-1, 1)
            found = np.array([t.head.face.box.center for t in tracked]).reshape(1, -1, 2)
            distances = np.linalg.norm(centers - found, axis=-1) / sizes
            distances[distances > SAME_PLACE] = np.nan
            numbers = [int(t.id[1:]) for t in tracked]
            accumulator.update(list(image.truth), numbers, distances)
        accumulators.append(accumulator)
    summary = mm.metrics.create().compute_many(accumulators, metrics=METRICS, generate_overall=True)
    return summary.loc['OVERALL']


# 5 % of the faces are missed and each is announced 0.05 s late: nobody could reach 1.
LEAST = {
    # scene: IDF1, MOTA, switches
    'crossing': (0.93, 0.88, 2),
    'occlusion': (0.93, 0.89, 3),
    'leaving': (0.93, 0.88, 2),
    'milling': (0.84, 0.90, 110),
    'panning': (0.93, 0.89, 5),
    'few_images': (0.86, 0.88, 55),
}


@pytest.mark.filterwarnings('ignore')  # motmetrics uses what the next pandas deprecates
@pytest.mark.parametrize('scene', SCENES)
def test_identities_are_kept(scene):
    found = scores(scene)
    idf1, mota, switches = LEAST[scene]
    assert found.idf1 >= idf1
    assert found.mota >= mota
    assert found.num_switches <= switches


@pytest.mark.filterwarnings('ignore')
def test_a_false_face_in_every_twentieth_image_is_hardly_ever_announced():
    assert scores('leaving').num_false_positives <= 10
