# ruff: noqa: E501  rows of a table
"""The one table of variables: names as they come in files, the name, units and range that the project uses.

Names, numbers, units and long names are those of the ECMWF parameter database (codes.ecmwf.int/grib/param-db), the
names in the form for netCDF (`cfVarName`), which begins with a letter: `t2m`, not `2t`. The aliases are the GRIB short
names and the long names of the Climate Data Store, which ARCO-ERA5 and WeatherBench 2 use too. Standard names are of
the CF standard name table where it has one for the quantity in ECMWF's sign.

The range is no statistics of the weather: it is what no value on Earth leaves, on any level, unless its units are not
what they say or it is a number that stands for a missing one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["instantaneous", "accumulated", "extreme", "static"]

# name | ECMWF's number | units | smallest | largest | standard name | aliases | long name
_INSTANTANEOUS = """
t2m    | 167    | K           | 160   | 350    | air_temperature | 2t 2m_temperature | 2 metre temperature
d2m    | 168    | K           | 130   | 330    | dew_point_temperature | 2d 2m_dewpoint_temperature | 2 metre dewpoint temperature
u10    | 165    | m s**-1     | -120  | 120    | eastward_wind | 10u 10m_u_component_of_wind | 10 metre U wind component
v10    | 166    | m s**-1     | -120  | 120    | northward_wind | 10v 10m_v_component_of_wind | 10 metre V wind component
u100   | 228246 | m s**-1     | -150  | 150    | eastward_wind | 100u 100m_u_component_of_wind | 100 metre U wind component
v100   | 228247 | m s**-1     | -150  | 150    | northward_wind | 100v 100m_v_component_of_wind | 100 metre V wind component
si10   | 207    | m s**-1     | 0     | 120    | wind_speed | 10si 10m_wind_speed ws10 | 10 metre wind speed
i10fg  | 228029 | m s**-1     | -1    | 200    | wind_speed_of_gust | instantaneous_10m_wind_gust | Instantaneous 10 metre wind gust
msl    | 151    | Pa          | 80000 | 115000 | air_pressure_at_mean_sea_level | mean_sea_level_pressure mslp | Mean sea level pressure
sp     | 134    | Pa          | 20000 | 115000 | surface_air_pressure | surface_pressure | Surface pressure
sst    | 34     | K           | 260   | 320    | sea_surface_temperature | sea_surface_temperature | Sea surface temperature
siconc | 31     | 1           | -0.01 | 1.01   | sea_ice_area_fraction | ci sea_ice_cover | Sea ice area fraction
skt    | 235    | K           | 150   | 370    | surface_temperature | skin_temperature | Skin temperature
tcc    | 164    | 1           | -0.01 | 1.01   | cloud_area_fraction | total_cloud_cover | Total cloud cover
hcc    | 188    | 1           | -0.01 | 1.01   | high_type_cloud_area_fraction | high_cloud_cover | High cloud cover
mcc    | 187    | 1           | -0.01 | 1.01   | medium_type_cloud_area_fraction | medium_cloud_cover | Medium cloud cover
lcc    | 186    | 1           | -0.01 | 1.01   | low_type_cloud_area_fraction | low_cloud_cover | Low cloud cover
tcwv   | 137    | kg m**-2    | -1    | 200    | atmosphere_mass_content_of_water_vapor | total_column_water_vapour | Total column vertically-integrated water vapour
tcw    | 136    | kg m**-2    | -1    | 250    | | total_column_water | Total column water
tclw   | 78     | kg m**-2    | -1    | 100    | atmosphere_mass_content_of_cloud_liquid_water | total_column_cloud_liquid_water | Total column cloud liquid water
tciw   | 79     | kg m**-2    | -1    | 100    | atmosphere_mass_content_of_cloud_ice | total_column_cloud_ice_water | Total column cloud ice water
tco3   | 206    | kg m**-2    | -0.01 | 0.05   | atmosphere_mass_content_of_ozone | total_column_ozone | Total column ozone
viwve  | 162071 | kg m**-1 s**-1 | -10000 | 10000 | eastward_atmosphere_water_vapor_transport_across_unit_distance | vertical_integral_of_eastward_water_vapour_flux | Total column vertically-integrated eastward water vapour flux
viwvn  | 162072 | kg m**-1 s**-1 | -10000 | 10000 | northward_atmosphere_water_vapor_transport_across_unit_distance | vertical_integral_of_northward_water_vapour_flux | Total column vertically-integrated northward water vapour flux
cape   | 59     | J kg**-1    | -1    | 20000  | atmosphere_convective_available_potential_energy | convective_available_potential_energy | Convective available potential energy
cin    | 228001 | J kg**-1    | -20000 | 20000 | atmosphere_convective_inhibition | convective_inhibition | Convective inhibition
kx     | 260121 | K           | -250  | 350    | atmosphere_stability_k_index | k_index | K index
totalx | 260123 | K           | -250  | 350    | atmosphere_stability_total_totals_index | total_totals_index | Total totals index
blh    | 159    | m           | 0     | 15000  | atmosphere_boundary_layer_thickness | boundary_layer_height | Boundary layer height
sd     | 141    | m           | -0.01 | 500    | lwe_thickness_of_surface_snow_amount | snow_depth | Snow depth
rsn    | 33     | kg m**-3    | 0     | 1000   | | snow_density | Snow density
swvl1  | 39     | m**3 m**-3  | -0.05 | 1.01   | volume_fraction_of_condensed_water_in_soil | volumetric_soil_water_layer_1 | Volumetric soil water layer 1
swvl2  | 40     | m**3 m**-3  | -0.05 | 1.01   | volume_fraction_of_condensed_water_in_soil | volumetric_soil_water_layer_2 | Volumetric soil water layer 2
swvl3  | 41     | m**3 m**-3  | -0.05 | 1.01   | volume_fraction_of_condensed_water_in_soil | volumetric_soil_water_layer_3 | Volumetric soil water layer 3
swvl4  | 42     | m**3 m**-3  | -0.05 | 1.01   | volume_fraction_of_condensed_water_in_soil | volumetric_soil_water_layer_4 | Volumetric soil water layer 4
stl1   | 139    | K           | 150   | 370    | soil_temperature | soil_temperature_level_1 | Soil temperature level 1
stl2   | 170    | K           | 150   | 370    | soil_temperature | soil_temperature_level_2 | Soil temperature level 2
stl3   | 183    | K           | 150   | 370    | soil_temperature | soil_temperature_level_3 | Soil temperature level 3
stl4   | 236    | K           | 150   | 370    | soil_temperature | soil_temperature_level_4 | Soil temperature level 4
fal    | 243    | 1           | -0.01 | 1.01   | surface_albedo | forecast_albedo | Forecast albedo
fsr    | 244    | m           | 0     | 20     | surface_roughness_length | forecast_surface_roughness | Forecast surface roughness
swh    | 140229 | m           | 0     | 40     | sea_surface_wave_significant_height | significant_height_of_combined_wind_waves_and_swell | Significant height of combined wind waves and swell
mwp    | 140232 | s           | 0     | 60     | sea_surface_wave_mean_period_from_variance_spectral_density_inverse_frequency_moment | mean_wave_period | Mean wave period
mwd    | 140230 | degree      | 0     | 360.1  | sea_surface_wave_from_direction | mean_wave_direction | Mean wave direction
"""
_ON_LEVELS = """
z      | 129    | m**2 s**-2  | -15000 | 1000000 | geopotential | geopotential | Geopotential
gh     | 156    | m           | -1500 | 100000 | geopotential_height | geopotential_height zg | Geopotential height
t      | 130    | K           | 120   | 350    | air_temperature | temperature | Temperature
u      | 131    | m s**-1     | -250  | 250    | eastward_wind | u_component_of_wind | U component of wind
v      | 132    | m s**-1     | -250  | 250    | northward_wind | v_component_of_wind | V component of wind
q      | 133    | kg kg**-1   | -0.01 | 0.06   | specific_humidity | specific_humidity | Specific humidity
r      | 157    | %           | -60   | 250    | relative_humidity | relative_humidity | Relative humidity
w      | 135    | Pa s**-1    | -100  | 100    | lagrangian_tendency_of_air_pressure | vertical_velocity | Vertical velocity
vo     | 138    | s**-1       | -0.1  | 0.1    | atmosphere_upward_relative_vorticity | vorticity | Vorticity (relative)
d      | 155    | s**-1       | -0.1  | 0.1    | divergence_of_wind | divergence | Divergence
pv     | 60     | K m**2 kg**-1 s**-1 | -0.1 | 0.1 | ertel_potential_vorticity | potential_vorticity | Potential vorticity
ws     | 10     | m s**-1     | 0     | 250    | wind_speed | wind_speed | Wind speed
o3     | 203    | kg kg**-1   | -0.0001 | 0.0001 | mass_fraction_of_ozone_in_air | ozone_mass_mixing_ratio | Ozone mass mixing ratio
cc     | 248    | 1           | -0.01 | 1.01   | cloud_area_fraction_in_atmosphere_layer | fraction_of_cloud_cover | Fraction of cloud cover
ciwc   | 247    | kg kg**-1   | -0.01 | 0.03   | mass_fraction_of_cloud_ice_in_air | specific_cloud_ice_water_content | Specific cloud ice water content
clwc   | 246    | kg kg**-1   | -0.01 | 0.03   | mass_fraction_of_cloud_liquid_water_in_air | specific_cloud_liquid_water_content | Specific cloud liquid water content
crwc   | 75     | kg kg**-1   | -0.01 | 0.03   | mass_fraction_of_rain_in_air | specific_rain_water_content | Specific rain water content
cswc   | 76     | kg kg**-1   | -0.01 | 0.03   | mass_fraction_of_snow_in_air | specific_snow_water_content | Specific snow water content
"""
# signs as ECMWF has them: downward is positive, so that evaporation is negative; sums of up to a day
_ACCUMULATED = """
tp     | 228    | m           | 0     | 2      | lwe_thickness_of_precipitation_amount | total_precipitation | Total precipitation
cp     | 143    | m           | 0     | 2      | lwe_thickness_of_convective_precipitation_amount | convective_precipitation | Convective precipitation
lsp    | 142    | m           | 0     | 2      | lwe_thickness_of_stratiform_precipitation_amount | large_scale_precipitation | Large-scale precipitation
sf     | 144    | m           | 0     | 2      | lwe_thickness_of_snowfall_amount | snowfall | Snowfall
smlt   | 45     | m           | 0     | 2      | | snowmelt | Snowmelt
e      | 182    | m           | -0.2  | 0.2    | | evaporation total_evaporation | Evaporation
pev    | 228251 | m           | -0.5  | 0.5    | | potential_evaporation | Potential evaporation
ro     | 205    | m           | 0     | 2      | | runoff | Runoff
sro    | 8      | m           | 0     | 2      | | surface_runoff | Surface runoff
ssro   | 9      | m           | 0     | 2      | | sub_surface_runoff | Sub-surface runoff
ssrd   | 169    | J m**-2     | 0     | 5e7    | integral_wrt_time_of_surface_downwelling_shortwave_flux_in_air | surface_solar_radiation_downwards | Surface short-wave (solar) radiation downwards
strd   | 175    | J m**-2     | 0     | 5e7    | integral_wrt_time_of_surface_downwelling_longwave_flux_in_air | surface_thermal_radiation_downwards | Surface long-wave (thermal) radiation downwards
ssr    | 176    | J m**-2     | 0     | 5e7    | integral_wrt_time_of_surface_net_downward_shortwave_flux | surface_net_solar_radiation | Surface net short-wave (solar) radiation
str    | 177    | J m**-2     | -5e7  | 5e7    | integral_wrt_time_of_surface_net_downward_longwave_flux | surface_net_thermal_radiation | Surface net long-wave (thermal) radiation
tsr    | 178    | J m**-2     | 0     | 5e7    | integral_wrt_time_of_toa_net_downward_shortwave_flux | top_net_solar_radiation | Top net short-wave (solar) radiation
ttr    | 179    | J m**-2     | -5e7  | 5e7    | | top_net_thermal_radiation | Top net long-wave (thermal) radiation
tisr   | 212    | J m**-2     | 0     | 5e7    | | toa_incident_solar_radiation | TOA incident short-wave (solar) radiation
fdir   | 228021 | J m**-2     | 0     | 5e7    | | total_sky_direct_solar_radiation_at_surface | Surface direct short-wave (solar) radiation
slhf   | 147    | J m**-2     | -2e8  | 2e8    | integral_wrt_time_of_surface_downward_latent_heat_flux | surface_latent_heat_flux | Time-integrated surface latent heat net flux
sshf   | 146    | J m**-2     | -2e8  | 2e8    | integral_wrt_time_of_surface_downward_sensible_heat_flux | surface_sensible_heat_flux | Time-integrated surface sensible heat net flux
ewss   | 180    | N m**-2 s   | -5e6  | 5e6    | integral_wrt_time_of_surface_downward_eastward_stress | eastward_turbulent_surface_stress | Time-integrated eastward turbulent surface stress
nsss   | 181    | N m**-2 s   | -5e6  | 5e6    | integral_wrt_time_of_surface_downward_northward_stress | northward_turbulent_surface_stress | Time-integrated northward turbulent surface stress
"""
_EXTREME = """
fg10   | 49     | m s**-1     | -1    | 200    | wind_speed_of_gust | 10fg 10m_wind_gust_since_previous_post_processing | Maximum 10 metre wind gust since previous post-processing
mx2t   | 201    | K           | 160   | 350    | air_temperature | maximum_2m_temperature_since_previous_post_processing | Maximum temperature at 2 metres since previous post-processing
mn2t   | 202    | K           | 160   | 350    | air_temperature | minimum_2m_temperature_since_previous_post_processing | Minimum temperature at 2 metres since previous post-processing
"""
# `z_sfc` is ECMWF's `z` at the surface, which would be one name for two variables
_STATIC = """
lsm    | 172    | 1           | -0.01 | 1.01   | land_area_fraction | land_sea_mask | Land-sea mask
z_sfc  | 129    | m**2 s**-2  | -15000 | 100000 | geopotential | geopotential_at_surface | Geopotential at the surface
slt    | 43     | 1           | -1    | 20     | | soil_type | Soil type
cvh    | 28     | 1           | -0.01 | 1.01   | | high_vegetation_cover | High vegetation cover
cvl    | 27     | 1           | -0.01 | 1.01   | | low_vegetation_cover | Low vegetation cover
sdor   | 160    | m           | 0     | 5000   | | standard_deviation_of_orography | Standard deviation of sub-gridscale orography
isor   | 161    | 1           | -0.1  | 1.1    | | anisotropy_of_sub_gridscale_orography | Anisotropy of sub-gridscale orography
anor   | 162    | radian      | -6.3  | 6.3    | | angle_of_sub_gridscale_orography | Angle of sub-gridscale orography
slor   | 163    | 1           | 0     | 2      | | slope_of_sub_gridscale_orography | Slope of sub-gridscale orography
"""
# sea or land alone has values
_WITH_MASK = {"sst", "siconc", "swh", "mwp", "mwd", "cin", "kx", "sd", "rsn", "fal"} | {
    f"{name}{layer}" for name in ("swvl", "stl") for layer in range(1, 5)
}

# WeatherBench 2 names sums by their window: total_precipitation_6hr
_WINDOW = re.compile(r"(.+)_(\d+)hr?")


@dataclass(frozen=True)
class Variable:
    """A variable as the project names and measures it.

    Args:
        name: ECMWF's name in netCDF.
        parameter: ECMWF's number of it (`paramId`).
        units: what values are converted to, spelled as ECMWF does; `1` is a fraction.
        smallest: a lower bound of any value, in `units`.
        largest: the same, above.
        standard_name: of the CF table; empty where it has none.
        aliases: other names of it in files.
        long_name: in words.
        kind: a value at a time, a sum over a window, a largest or smallest since the last output, or constant in time.
        on_levels: whether it has a value on each pressure level.
        has_mask: whether whole regions have no value, as the sea surface has none over land.
    """

    name: str
    parameter: int
    units: str
    smallest: float
    largest: float
    standard_name: str
    aliases: tuple[str, ...]
    long_name: str
    kind: Kind
    on_levels: bool
    has_mask: bool

    @property
    def attributes(self) -> dict[str, str]:
        """What a variable in a dataset says of itself."""
        said = {"units": self.units, "standard_name": self.standard_name, "long_name": self.long_name}
        return {key: value for key, value in said.items() if value}


def _rows(table: str, kind: Kind, *, on_levels: bool = False) -> Iterator[Variable]:
    for row in table.strip().splitlines():
        name, parameter, units, smallest, largest, standard_name, aliases, long_name = (
            cell.strip() for cell in row.split("|")
        )
        yield Variable(
            name,
            int(parameter),
            units,
            float(smallest),
            float(largest),
            standard_name,
            tuple(aliases.split()),
            long_name,
            kind,
            on_levels,
            name in _WITH_MASK,
        )


VARIABLES: dict[str, Variable] = {
    variable.name: variable
    for variable in (
        *_rows(_INSTANTANEOUS, "instantaneous"),
        *_rows(_ON_LEVELS, "instantaneous", on_levels=True),
        *_rows(_ACCUMULATED, "accumulated"),
        *_rows(_EXTREME, "extreme"),
        *_rows(_STATIC, "static"),
    )
}


@functools.cache
def _by_alias() -> dict[str, Variable]:
    return {
        alias.lower(): variable
        for variable in VARIABLES.values()
        for alias in (variable.name, *variable.aliases, variable.long_name)
    }


def find_variable(name: str) -> Variable | None:
    """The variable of this name or alias, in any case of letters, or None.

    >>> find_variable("2m_temperature").name, find_variable("10U").name
    ('t2m', 'u10')
    """
    return _by_alias().get(name.lower())


def split_window(name: str) -> tuple[str, int | None]:
    """A name without its window, and the window in hours.

    >>> split_window("total_precipitation_6hr"), split_window("tp")
    (('total_precipitation', 6), ('tp', None))
    """
    match = _WINDOW.fullmatch(name)
    if match and (variable := find_variable(match[1])) and variable.kind == "accumulated":
        return match[1], int(match[2])
    return name, None
