"""The workers run in the peers' environments, where their imports are; here they would fail, as would those of scripts."""

collect_ignore = ["workers", "lammps.py"]
