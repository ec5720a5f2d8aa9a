"""Tropical cyclones: finding their tracks in fields, observed tracks, and errors of forecast tracks.

`tracker` finds storms in an analysis or a forecast, or follows observed ones through a forecast; `ibtracs` has the
observed tracks; `matching` and `scores` compare the two. All of them hand on one value, `tracks.Tracks`.
"""
