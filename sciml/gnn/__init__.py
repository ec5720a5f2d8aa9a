"""Graph-network interatomic potentials: energy of an atomic structure, and its forces and stress."""
