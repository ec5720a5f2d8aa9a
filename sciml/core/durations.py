"""Time spans in words, for the progress line and the report."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A time span in the two units that a reader would use.

    >>> duration(1503.2), duration(8040.0), duration(12.34)
    ('25 min 3 s', '2 h 14 min', '12.3 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
