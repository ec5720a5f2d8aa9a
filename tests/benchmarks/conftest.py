"""The workers run in the peers' environments; here their imports would fail."""

collect_ignore = ["workers"]
