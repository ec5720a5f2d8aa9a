"""The real tables: counts, Katrina, basins and units."""

from pathlib import Path

import numpy as np
import pytest

from sciml.core.errors import UserError
from sciml.weather.cyclones import ibtracs
from sciml.weather.cyclones.ibtracs import open_ibtracs

KATRINA = "2005236N23285"


@pytest.mark.parametrize(("source", "records", "storms"), [("wmo", 149_703, 4736), ("jtwc", 127_252, 4350)])
def test_all_of_it(source: str, records: int, storms: int):
    tracks = open_ibtracs(source)
    assert (len(tracks), len(tracks.ids)) == (records, storms)
    # the North Atlantic is no missing value
    assert set(tracks.basin) == {"NA", "EP", "WP", "NI", "SI", "SP", "SA"}
    assert (tracks.basin == "NA").sum() == 20_428
    assert str(tracks.time.min())[:4] == "1980" and str(tracks.time.max())[:4] == "2024"
    # Tip 1979 is not in it; the lowest since is 872 hPa and the strongest Patricia with 185 kt
    assert np.nanmin(tracks.pressure_pa) == 87_200
    assert np.nanmax(tracks.wind_m_s) == pytest.approx(185 * 1852 / 3600)


def test_katrina():
    tracks = open_ibtracs("wmo", basins=["NA"], period=("2005-08-23", "2005-08-31"))
    katrina = tracks.storm(KATRINA)
    assert katrina.wind_m_s.max() == pytest.approx(77.1667, abs=1e-4)  # 150 kt
    assert katrina.pressure_pa.min() == 90_200
    strongest = katrina.at(np.array(["2005-08-28T18"], "datetime64[ns]"))
    assert (strongest.latitude[0], strongest.longitude[0]) == pytest.approx((26.3, 360 - 88.6))
    assert len(katrina) == 31


def test_a_period_and_basins_choose_whole_storms():
    september = open_ibtracs("jtwc", basins=["WP", "NI"], period=("2019-09-01", "2019-09-30"))
    assert {"WP", "NI"} & set(september.basin) == {"WP", "NI"}
    everything = open_ibtracs("jtwc")
    for name, storm in september.storms():
        assert len(storm) == len(everything.storm(name))
        assert (storm.time >= np.datetime64("2019-09-01")).any() and (storm.time < np.datetime64("2019-10-01")).any()
    assert open_ibtracs("wmo", period=("1979-01-01", "1979-12-31")).ids == ()


def test_what_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with pytest.raises(UserError, match=r"basins NA, EP, .*, not 'na'"):
        open_ibtracs(basins=["na"])
    with pytest.raises(UserError, match="ends after it begins"):
        open_ibtracs(period=("2005-09-01", "2005-08-01"))
    with pytest.raises(UserError, match="A period is two times"):
        open_ibtracs(period=("summer", "autumn"))
    monkeypatch.setenv("SCIML_DATA", str(tmp_path))
    monkeypatch.setenv("SCIML_CACHE", str(tmp_path))
    monkeypatch.setattr(ibtracs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="Run `sciml data get ibtracs`"):
        open_ibtracs()
    (tmp_path / "ibtracs").mkdir()
    (tmp_path / "ibtracs" / "wmo.csv").write_text("track_id\n")
    with pytest.raises(UserError, match="damaged or another version"):
        open_ibtracs()
