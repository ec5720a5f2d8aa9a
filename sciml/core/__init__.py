"""Values and files: what every other layer of sciml stands on."""
