"""Operator networks, which map fields to fields on a grid: Fourier neural operators and those that they compete with."""
