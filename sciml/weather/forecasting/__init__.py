"""Forecasting with networks: data, one step, its training, roll-outs and the guard that watches them."""
