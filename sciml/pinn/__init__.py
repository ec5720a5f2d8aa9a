"""Physics-informed networks: equations as functions, networks in float64, exact constraints, sampling, optimisers."""
