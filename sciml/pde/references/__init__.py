"""Solutions that physics-informed networks are verified against: exact ones, and solvers with a stated accuracy."""
