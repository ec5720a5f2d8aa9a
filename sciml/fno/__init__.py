"""Operator networks, from fields to fields on a grid: Fourier neural operators and those that they compete with."""
