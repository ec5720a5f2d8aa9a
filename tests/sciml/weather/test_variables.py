"""The table against the ECMWF parameter database, as ecCodes carries it."""

from __future__ import annotations

import pytest

from sciml.weather.era5.grib_messages import load_eccodes
from sciml.weather.units import conversion
from sciml.weather.variables import VARIABLES, Variable, find_variable, split_window

eccodes = load_eccodes()
# what differs on purpose: the surface's geopotential would have the name of that on levels, and gpm and radians are
# spelled so that pint knows them
OWN_NAMES = {"z_sfc": "z"}
OWN_UNITS = {"gpm": "m", "Degree true": "degree", "radians": "radian", "Numeric": "1"}
# names of the CF table for another quantity, or none for ECMWF's: thickness in m for a mass, skin for soil, a rate for
# its sum over time, the other sign (evaporation and outgoing radiation are negative in ECMWF's sums; downward is
# positive), a mask of zeros and ones for a fraction, and a name that the CF table has made an alias
OWN_STANDARD_NAMES = {
    "tcwv": "lwe_thickness_of_atmosphere_mass_content_of_water_vapor",
    "stl1": "surface_temperature",
    "vo": "atmosphere_relative_vorticity",
    "e": "lwe_thickness_of_water_evaporation_amount",
    "ssrd": "surface_downwelling_shortwave_flux_in_air",
    "ssr": "surface_net_downward_shortwave_flux",
    "str": "surface_net_upward_longwave_flux",
    "tsr": "toa_net_upward_shortwave_flux",
    "ttr": "toa_outgoing_longwave_flux",
    "slhf": "surface_upward_latent_heat_flux",
    "sshf": "surface_upward_sensible_heat_flux",
    "ewss": "surface_downward_eastward_stress",
    "nsss": "surface_downward_northward_stress",
    "lsm": "land_binary_mask",
}


def in_database(parameter: int) -> dict[str, str]:
    for sample in ("regular_ll_sfc_grib1", "regular_ll_sfc_grib2"):
        handle = eccodes.codes_grib_new_from_samples(sample)
        try:
            eccodes.codes_set(handle, "paramId", parameter)
            keys = ("cfVarName", "shortName", "name", "units", "cfName")
            return {key: eccodes.codes_get(handle, key, str) for key in keys}
        except eccodes.CodesInternalError:
            continue
        finally:
            eccodes.codes_release(handle)
    raise AssertionError(f"{parameter} is in no table")


@pytest.mark.parametrize("variable", VARIABLES.values(), ids=lambda variable: variable.name)
def test_names_and_units_are_those_of_ecmwf(variable: Variable) -> None:
    known = in_database(variable.parameter)
    assert known["cfVarName"] == OWN_NAMES.get(variable.name, variable.name)
    assert known["shortName"] in (variable.name, *variable.aliases) or variable.name in OWN_NAMES
    assert variable.name in OWN_NAMES or known["name"] == variable.long_name
    assert conversion(OWN_UNITS.get(known["units"], known["units"]), variable.units) == (1.0, 0.0)


@pytest.mark.parametrize("variable", VARIABLES.values(), ids=lambda variable: variable.name)
def test_standard_names_are_those_of_ecmwf_where_it_has_one(variable: Variable) -> None:
    known = in_database(variable.parameter)["cfName"]
    # ECMWF's database has none for half of them
    assert known in ("unknown", OWN_STANDARD_NAMES.get(variable.name, variable.standard_name))
    assert variable.name not in OWN_STANDARD_NAMES or variable.standard_name != known


def test_no_name_stands_for_two_variables() -> None:
    names = [
        name.lower() for variable in VARIABLES.values() for name in (variable.name, *dict.fromkeys(variable.aliases))
    ]
    twice = {name for name in names if names.count(name) > 1}
    # ECMWF's long name of some is their netCDF name
    assert all(len({v.name for v in VARIABLES.values() if name in (v.name, *v.aliases)}) == 1 for name in twice)
    assert 80 <= len(VARIABLES) <= 110


@pytest.mark.parametrize("variable", VARIABLES.values(), ids=lambda variable: variable.name)
def test_ranges_hold_one_order_of_magnitude_at_least(variable: Variable) -> None:
    assert variable.smallest < variable.largest
    assert variable.kind != "accumulated" or not variable.on_levels


def test_the_names_of_climate_stores() -> None:
    for name, ours in {
        "2m_temperature": "t2m",
        "10m_v_component_of_wind": "v10",
        "mean_sea_level_pressure": "msl",
        "total_precipitation": "tp",
        "sea_ice_cover": "siconc",
        "geopotential_at_surface": "z_sfc",
        "2T": "t2m",
        "10 metre U wind component": "u10",
    }.items():
        found = find_variable(name)
        assert found is not None and found.name == ours
    assert find_variable("temperature_of_my_garden") is None
    assert split_window("total_precipitation_24hr") == ("total_precipitation", 24)
    assert split_window("temperature_24hr") == ("temperature_24hr", None)
