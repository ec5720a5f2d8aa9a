"""Scores of forecasts against a truth, deterministic and probabilistic, by region, lead time and level.

Every score has three parts: sums over the points of a block of fields (numpy in, float64 out), sums that add up, and
the score of the sums. The functions here join the three: they take arrays with labels, and a truth that has valid times
alone.
"""

from sciml.weather.scores.energy import energy_score
from sciml.weather.scores.ensemble import (
    crps,
    ensemble_scores,
    rank_histogram,
    spread,
    spread_skill_ratio,
    threshold_weighted_crps,
)
from sciml.weather.scores.fields import acc, activity, bias, error_maps, field_scores, mae, rmse
from sciml.weather.scores.regions import REGIONS, Box
from sciml.weather.scores.significance import compare
from sciml.weather.scores.spectrum import zonal_power_spectrum

__all__ = [
    "REGIONS",
    "Box",
    "acc",
    "activity",
    "bias",
    "compare",
    "crps",
    "energy_score",
    "ensemble_scores",
    "error_maps",
    "field_scores",
    "mae",
    "rank_histogram",
    "rmse",
    "spread",
    "spread_skill_ratio",
    "threshold_weighted_crps",
    "zonal_power_spectrum",
]
