"""Physics-informed networks from experiment files: equations, conditions, training, and verification by references."""
