"""The workers run in the environments of the peers, and `lammps.py` as a script: here their imports would fail."""

collect_ignore = ["workers", "lammps.py"]
