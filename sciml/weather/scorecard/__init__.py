"""The scorecard: HTML pages out of the results of an evaluation, scores.nc and scores.json of one folder.

`write_scorecard(folder)` draws whatever the files hold; a section whose data are absent is left out. The pages follow
the house's report (`sciml.core.report`): one file each, no script, no request, light and dark, fit to print.
"""

from sciml.weather.scorecard.page import write_scorecard

__all__ = ["write_scorecard"]
