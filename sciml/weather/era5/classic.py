"""Whether a classic netCDF file is whole: its header says how long it has to be, and the library reads what lacks as 0.

The format is in the NetCDF User's Guide, "The NetCDF Classic Format Specification"; versions 1, 2 (64-bit offsets) and
5 (64-bit data).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import BinaryIO

from sciml.core.errors import UserError

# nc_type 1 to 11
_BYTES_BY_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}


def check_length(path: Path) -> None:
    """Refuses a file that is shorter than its header says.

    Raises:
        UserError: cut off.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            needed = _needed_bytes(file)
        except (KeyError, IndexError, MemoryError, OverflowError, EOFError):
            needed = size + 1
    if needed > size:
        raise UserError(f"{path}: the netCDF file is damaged or cut off at byte {size}. Download it again.")


def _needed_bytes(file: BinaryIO) -> int:
    version = file.read(4)[3]
    wide = 8 if version == 5 else 4
    offset_bytes = 4 if version == 1 else 8

    def number(width: int = wide) -> int:
        data = file.read(width)
        if len(data) < width:
            raise EOFError
        return int.from_bytes(data, "big")

    def skip(length: int) -> None:
        file.seek(math.ceil(length / 4) * 4, 1)

    def skip_attributes() -> None:
        number(4)
        for _ in range(number()):
            skip(number())
            kind = number(4)
            skip(number() * _BYTES_BY_TYPE[kind])

    records = number()
    number(4)
    lengths = []
    for _ in range(number()):
        skip(number())
        lengths.append(number())
    skip_attributes()
    number(4)
    fixed_end, recorded = 0, []
    for _ in range(number()):
        skip(number())
        shape = [lengths[number()] for _ in range(number())]
        skip_attributes()
        kind = number(4)
        number()
        begin = number(offset_bytes)
        is_recorded = bool(shape) and shape[0] == 0
        own = math.prod(shape[1:] if is_recorded else shape) * _BYTES_BY_TYPE[kind]
        if is_recorded:
            recorded.append((begin, own))
        else:
            fixed_end = max(fixed_end, begin + own)
    if not recorded or not records or records == 256**wide - 1:
        return fixed_end
    # a single variable with records is not padded
    stride = recorded[0][1] if len(recorded) == 1 else sum(math.ceil(own / 4) * 4 for _, own in recorded)
    return max(fixed_end, *(begin + (records - 1) * stride + own for begin, own in recorded))
