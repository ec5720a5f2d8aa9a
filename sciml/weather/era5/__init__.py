"""ERA5 and forecasts, in whatever form they come, as one canonical dataset."""

from sciml.weather.era5.analysis import open_era5
from sciml.weather.era5.forecast import open_forecast

__all__ = ["open_era5", "open_forecast"]
