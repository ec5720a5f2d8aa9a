"""Small PNG images of few colours, as a page carries them inside itself.

PNG specification, third edition (W3C 2025): a palette of at most 256 colours, packed to 4 bits a pixel where 16 do.

Shapes: y rows from the top, x columns from the left.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE = 3  # colour type, table 9


def indexed_png(index: NDArray[np.uint8], palette: Sequence[str]) -> bytes:
    """The bytes of a PNG file.

    Args:
        index: [y, x] which colour of the palette a pixel has.
        palette: colours as `#rrggbb`, or `#rrggbbaa` with an opacity.

    Raises:
        ValueError: an index has no colour, or there are more than 256.
    """
    if len(palette) > 256 or int(index.max()) >= len(palette):
        raise ValueError(f"index {index.max()} needs a colour, but the palette has {len(palette)}, at most 256")
    colours = [bytes.fromhex(colour.removeprefix("#").ljust(8, "f")) for colour in palette]
    height, width = index.shape
    depth = 4 if len(palette) <= 16 else 8
    packed = index
    if depth == 4:
        even = np.pad(index, ((0, 0), (0, width % 2)))
        packed = np.bitwise_or(even[:, 0::2] << 4, even[:, 1::2], dtype=np.uint8)
    rows = np.pad(packed, ((0, 0), (1, 0)))  # each row begins with filter type 0, none
    header = struct.pack(">IIBBBBB", width, height, depth, _PALETTE, 0, 0, 0)
    return _SIGNATURE + b"".join(
        _chunk(name, data)
        for name, data in (
            (b"IHDR", header),
            (b"PLTE", b"".join(colour[:3] for colour in colours)),
            (b"tRNS", bytes(colour[3] for colour in colours)),
            (b"IDAT", zlib.compress(rows.tobytes(), 9)),
            (b"IEND", b""),
        )
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def data_address(png: bytes) -> str:
    """The image as an address that holds it.

    >>> data_address(b"PNG")
    'data:image/png;base64,UE5H'
    """
    return "data:image/png;base64," + base64.b64encode(png).decode()
