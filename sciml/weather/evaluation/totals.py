"""The sums of blocks put together to those of all forecasts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sciml.weather.evaluation.measures import PER_TIME, Sums
from sciml.weather.evaluation.plan import Block


@dataclass
class Totals:
    """Sums of all blocks so far.

    Args:
        times: number of initial times.
        leads: number of lead times.
        map_leads: number of lead times with maps.
    """

    times: int
    leads: int
    map_leads: int
    sums: Sums = field(default_factory=dict)

    def add(self, block: Block, sums: Sums, map_leads: slice) -> None:
        """Adds what a block gave; its maps belong to these of the lead times with maps."""
        for key, part in sums.items():
            if key[0] in PER_TIME:
                place, shape = (block.times, block.leads), (self.times, self.leads, *part.shape[2:])
            elif key[0] == "map":
                place, shape = (map_leads,), (self.map_leads, *part.shape[1:])
            else:
                place, shape = (block.leads,), (self.leads, *part.shape[1:])
            if key not in self.sums:
                self.sums[key] = np.zeros(shape)
            self.sums[key][place] += part
