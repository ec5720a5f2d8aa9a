"""The results of an evaluation as the scorecard reads them: scores.nc and scores.json.

scores.nc has the dimensions model, field, region, lead_time and more by the score; the first model is the forecast, the
others are baselines, and a last one named "truth" has a power spectrum and nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.core.runs import read_json
from sciml.weather.scorecard.wording import LeadTimes, plain_unit, region_text, shown_unit

Array = NDArray[np.float64]

TRUTH = "truth"
HEADLINE_LEADS = 5
# of a region's area: less is said beside its name
_WHOLE = 0.99

# scores in the field's own unit, which are shown in the unit that forecasters use
_IN_FIELD_UNIT = {
    *("rmse", "mae", "bias", "crps", "spread", "activity", "rmse_low", "rmse_high", "bias_map", "rmse_map"),
}


@dataclass(frozen=True)
class Results:
    """Scores as arrays, and what scores.json says about how they came about."""

    scores: xr.Dataset
    facts: Mapping[str, Any]

    @functools.cached_property
    def models(self) -> list[str]:
        """The forecast, then the baselines."""
        names = [str(name) for name in self.scores["model"].values]
        return names[:-1] if names[-1] == TRUTH and len(names) > 1 else names

    @property
    def forecast(self) -> str:
        return self.models[0]

    @property
    def baselines(self) -> list[str]:
        return self.models[1:]

    @functools.cached_property
    def fields(self) -> list[str]:
        return self._names("field")

    @functools.cached_property
    def regions(self) -> list[str]:
        return self._names("region")

    @property
    def region(self) -> str:
        """The one that curves are of: the globe, or else the first; nothing without regions."""
        return "global" if "global" in self.regions else next(iter(self.regions), "")

    @functools.cached_property
    def leads(self) -> LeadTimes:
        return LeadTimes(self.hours("lead_time"))

    @property
    def members(self) -> int:
        """Members of the forecast's ensemble, 1 for a single forecast."""
        return int(self.facts.get("members") or 1)

    @property
    def cases(self) -> Sequence[Mapping[str, Any]]:
        return self.facts.get("cases") or []

    @property
    def notes(self) -> list[str]:
        """What a reader has to know before any number, as the evaluation found it."""
        return [str(note) for note in self.facts.get("notes") or []]

    @functools.cached_property
    def headline_leads(self) -> list[int]:
        """Indices of the lead times of scores.json's headline, which the terminal prints; else a few of them."""
        wanted = {float(row["lead_hours"]) for row in self.facts.get("headline") or []}
        return [i for i, hours in enumerate(self.leads.hours) if hours in wanted] or self.leads.chosen(HEADLINE_LEADS)

    def field_text(self, field: str) -> str:
        """The field, and for one that is summed up the hours of its sums, where the evaluation speaks of them."""
        windows = self.facts.get("windows") or {}
        if field not in windows:
            return field
        # as `window_of` has it: 6h, since-start, or nothing
        window = windows[field]
        if window is None:
            return f"{field}, window not stated"
        hours = window.removesuffix("h")
        return f"{field}, {hours} h sums" if hours.isdecimal() else f"{field}, sums {window.replace('-', ' ')}"

    def region_text(self, region: str, field: str = "") -> str:
        """The region as words, with the share of its area that was scored where that is not the whole of it."""
        text = region_text(region)
        coverage = self.get("coverage", model=self.forecast, field=field, region=region)
        least = float(np.nanmin(coverage)) if coverage is not None else 1.0
        return text if least >= _WHOLE else f"{text or 'all'} ({100 * least:.2g} % of its area)"

    def unit(self, field: str) -> str:
        """Of the field, in plain signs: m² s⁻²."""
        return self._shown(field)[1]

    def power_unit(self, field: str) -> str:
        """Of the power spectrum: the field's unit squared, times the length of a circle of latitude."""
        unit = self.unit(field)
        return f"{unit}² m" if unit.isalpha() else f"({unit})² m" if unit else "m"

    def _shown(self, field: str) -> tuple[float, str]:
        """What to multiply the field by, and the unit that it has then: rain in mm, pressure in hPa."""
        if "field_units" not in self.scores.coords:
            return 1.0, ""
        unit = str(np.atleast_1d(self.scores["field_units"].values)[self.fields.index(field)])
        return shown_unit(field, unit)

    def unit_of(self, name: str) -> str:
        """The unit that a variable or a coordinate states of itself."""
        return plain_unit(str(self.scores[name].attrs.get("units", ""))) if name in self.scores.variables else ""

    def hours(self, name: str) -> Array:
        """A coordinate of lead times in hours."""
        return self.scores[name].values.astype("timedelta64[ns]").astype(np.float64) / 3.6e12

    def coordinate(self, name: str) -> Array:
        return self.scores[name].values.astype(np.float64)

    def get(self, name: str, *, model: str = "", field: str = "", region: str = "") -> Array | None:
        """A score of one model, field and region over its other dimensions, None where there is none at all."""
        if name not in self.scores:
            return None
        array = self.scores[name]
        names = [str(m) for m in self.scores["model"].values] if model else []
        for dim, chosen, known in (
            ("model", model, names),
            ("field", field, self.fields),
            ("region", region, self.regions),
        ):
            if chosen and chosen not in known:
                return None
            if chosen and dim in array.dims:
                array = array.isel({dim: known.index(chosen)})
        values = array.values.astype(np.float64)
        if field and name in _IN_FIELD_UNIT:
            values = self._shown(field)[0] * values
        elif field and name == "power":
            values = self._shown(field)[0] ** 2 * values
        return values if np.isfinite(values).any() else None

    def dims(self, name: str) -> tuple[str, ...]:
        return tuple(str(dim) for dim in self.scores[name].dims) if name in self.scores else ()

    def _names(self, dim: str) -> list[str]:
        return [str(name) for name in self.scores[dim].values] if dim in self.scores.coords else []


def read_results(folder: Path) -> Results:
    """The two files of an evaluation.

    Raises:
        UserError: one is missing or no such file.
    """
    file = folder / "scores.nc"
    facts = read_json(folder / "scores.json")
    try:
        with xr.open_dataset(file, engine="netcdf4", decode_timedelta=True) as opened:
            scores = opened.load()
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file} should hold the scores of an evaluation, but: {error}. Run `sciml score` again."
        ) from None
    missing = [name for name in ("model", "field", "lead_time", "rmse") if name not in scores.variables]
    if missing:
        raise UserError(
            f"{file} has no `{missing[0]}`, so it holds no scores. Give the folder that `sciml score` wrote."
        )
    return Results(scores, facts)
