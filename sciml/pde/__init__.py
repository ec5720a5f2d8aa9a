"""The field's standard partial differential equations: data by our own solvers, and operators trained on them."""
