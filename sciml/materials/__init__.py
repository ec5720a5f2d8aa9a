"""Materials: labelled atomic structures, potentials trained on them, and what one does with such a potential."""
