"""What was changed on reading, collected in sentences and said once."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

_log = logging.getLogger("sciml.weather")


@dataclass
class Repairs:
    """Sentences about what was changed, each once, and the names that were."""

    source: str
    _sentences: dict[str, None] = field(default_factory=dict)
    _renamed: dict[str, str] = field(default_factory=dict)

    def add(self, sentence: str) -> None:
        self._sentences[sentence] = None

    def rename(self, name: str, to: str) -> None:
        if name != to:
            self._renamed[name] = to

    def sentences(self) -> list[str]:
        """All of them; renames are one sentence together.

        >>> repairs = Repairs("rain.nc")
        >>> repairs.rename("2t", "t2m")
        >>> repairs.add("Levels were sorted.")
        >>> repairs.sentences()
        ['Renamed: 2t to t2m.', 'Levels were sorted.']
        """
        renamed = ", ".join(f"{name} to {to}" for name, to in self._renamed.items())
        return [*([f"Renamed: {renamed}."] if renamed else []), *self._sentences]

    def report(self) -> str:
        """Logs the sentences as one warning, if there are any, and returns them a line each."""
        sentences = self.sentences()
        if sentences:
            _log.warning("%s: %s", self.source, " ".join(sentences))
        return "\n".join(sentences)
