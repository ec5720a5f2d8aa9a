"""Equations as plain functions of coordinates and fields that return residuals, zero for a solution."""
