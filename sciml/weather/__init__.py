"""Weather: reanalysis data in whatever form it comes, forecasts of it, and their scores, extremes above all."""
