"""From canonical datasets to training samples: reading, forcings, normalisation and the order of an epoch."""
