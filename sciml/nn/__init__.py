"""Layers that two model families or more use."""
