"""Training: the only layer that knows Lightning. It knows steps and logs, no physics."""
