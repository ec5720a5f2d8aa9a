"""Solvers of the field's standard partial differential equations, each verified by its order of convergence."""
