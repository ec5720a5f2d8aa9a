"""Extremes: events beyond local seasonal thresholds, spells of them, heavy rain, wind storms, return periods."""
