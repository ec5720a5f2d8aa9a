"""Transport of columns that can be integrated by hand."""

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.moisture import integrated_vapour_transport, vapour_transport


def column(levels: np.ndarray, wind: float = 20.0) -> xr.Dataset:
    dims = ("time", "level", "latitude", "longitude")
    shape = (2, len(levels), 3, 4)
    share = np.broadcast_to((levels / 1000.0)[:, None, None], shape)
    coords = {"time": np.arange(2), "level": levels, "latitude": np.arange(3.0), "longitude": np.arange(4.0)}
    fields = {"q": 0.012 * share, "u": np.full(shape, wind) * share, "v": np.full(shape, -0.75 * wind) * share}
    return xr.Dataset({name: (dims, field.astype(np.float32)) for name, field in fields.items()}, coords)


def test_a_column_whose_humidity_and_wind_grow_with_pressure():
    # q u = 0.24 (p/p0)^2, of which the integral from 300 to 1000 hPa over g is 0.24 p0 (1 - 0.027) / (3 g)
    exact = 0.24 * 1e5 * (1 - 0.3**3) / 3 / 9.80665
    transport = integrated_vapour_transport(column(np.linspace(300.0, 1000.0, 29)))
    # the trapezoid of a square errs by h^2/12 of its second derivative: 25 hPa steps give 3e-4
    np.testing.assert_allclose(transport["ivt_east"], exact, rtol=4e-4)
    np.testing.assert_allclose(transport["ivt_north"], -0.75 * exact, rtol=4e-4)
    np.testing.assert_allclose(transport["ivt"], 1.25 * exact, rtol=4e-4)
    coarse = integrated_vapour_transport(column(np.linspace(300.0, 1000.0, 15)))
    errors = [float(abs(t["ivt"].mean() - 1.25 * exact)) for t in (coarse, transport)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)  # second order
    assert transport["ivt"].attrs["units"] == "kg m-1 s-1"
    assert transport["ivt"].dims == ("time", "latitude", "longitude")


def test_the_top_of_the_column_and_lazy_data():
    levels = np.array([100.0, 300.0, 500.0, 850.0, 1000.0])
    dataset = column(levels)
    by_hand = vapour_transport(*(dataset[name].values[:, 1:] for name in "quv"), levels[1:])
    transport = integrated_vapour_transport(dataset)
    np.testing.assert_allclose(transport["ivt_east"], by_hand[0], rtol=1e-6)  # float32
    lazy = integrated_vapour_transport(dataset.chunk(time=1, level=2))
    assert lazy["ivt"].chunks is not None
    xr.testing.assert_allclose(lazy.compute(), transport)
    higher = integrated_vapour_transport(dataset, top_hpa=100.0)
    assert (higher["ivt"] > transport["ivt"]).all()


def test_missing_values_stay_missing():
    dataset = column(np.array([300.0, 500.0, 1000.0]))
    dataset["q"][0, 1, 2, 3] = np.nan
    transport = integrated_vapour_transport(dataset)["ivt"]
    assert int(np.isnan(transport).sum()) == 1 and np.isnan(transport[0, 2, 3])


def test_what_has_no_column():
    dataset = column(np.array([500.0, 850.0]))
    with pytest.raises(UserError, match="but q is missing"):
        integrated_vapour_transport(dataset.drop_vars("q"))
    with pytest.raises(UserError, match="from 600 hPa down, of which only 1 is there"):
        integrated_vapour_transport(dataset, top_hpa=600.0)
