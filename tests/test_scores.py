"""Scores: known errors give known numbers."""

import numpy as np
import pytest

from fsanet_ros.research.evaluation.scores import score

TRUTH = np.array([[0.0, 0.0, 0.0], [30.0, -10.0, 5.0], [-60.0, 20.0, -40.0]])


def test_right_estimates_have_no_error():
    scores = score(TRUTH, TRUTH)
    assert scores.count == 3
    assert (scores.yaw, scores.pitch, scores.roll, scores.mean) == (0, 0, 0, 0)
    assert scores.geodesic_mean == pytest.approx(0, abs=1e-9)


def test_known_errors_are_averaged_without_their_signs():
    errors = np.array([[3.0, -6.0, 0.0], [-3.0, 6.0, 0.0], [3.0, 6.0, 3.0]])
    scores = score(TRUTH + errors, TRUTH)
    assert scores.yaw == pytest.approx(3)
    assert scores.pitch == pytest.approx(6)
    assert scores.roll == pytest.approx(1)
    assert scores.mean == pytest.approx(10 / 3)


def test_geodesic_error_of_a_turn_about_one_axis_is_that_turn():
    truth = np.zeros((3, 3))
    scores = score(np.array([[10.0, 0, 0], [0, 20.0, 0], [0, 0, -60.0]]), truth)
    assert scores.geodesic_mean == pytest.approx(30)
    assert scores.geodesic_median == pytest.approx(20)


def test_the_row_names_what_it_says():
    assert str(score(TRUTH + 1, TRUTH)).startswith('yaw 1.00  pitch 1.00  roll 1.00  mean 1.00')


@pytest.mark.parametrize('shape', [(0, 3), (2, 3)])
def test_nothing_or_unequal_sets_are_refused(shape):
    truth = TRUTH[:0] if shape[0] == 0 else TRUTH
    with pytest.raises(ValueError, match='two equal, non-empty sets'):
        score(np.zeros(shape), truth)
