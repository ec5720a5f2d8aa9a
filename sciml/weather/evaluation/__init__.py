"""Scoring of forecasts larger than memory, block by block, on this machine or on many."""
