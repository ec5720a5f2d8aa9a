"""Labels as files hold them, made numbers of one shape in eV and angstrom; whatever cannot be made so is refused.

Shapes: n atoms.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from sciml.core.errors import UserError
from sciml.core.units import conversion_factor

# names under which codes and tools store each label, the first one found in a structure is taken
DEFAULT_KEYS = {
    "energy": ("energy", "free_energy", "REF_energy", "ref_energy", "dft_energy", "DFT_energy", "Energy"),
    "forces": ("forces", "force", "REF_forces", "ref_forces", "dft_forces", "dft_force", "DFT_forces"),
    "stress": ("stress", "REF_stress", "ref_stress", "dft_stress", "DFT_stress"),
    "virial": ("virial", "virials", "REF_virial", "REF_virials", "dft_virial", "DFT_virial"),
    "group": ("config_type", "group", "configuration_type"),
}

DEFAULT_UNITS = {
    "length": "angstrom",
    "energy": "eV",
    "forces": "eV/angstrom",
    "stress": "eV/angstrom^3",
    "virial": "eV",
}

# rows and columns of Voigt's six numbers, and ASE's: xx, yy, zz, yz, xz, xy
_VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])

# what decompressing and parsing a damaged file raises
DAMAGED = (OSError, EOFError, ValueError, RecursionError, zlib.error)


@dataclass(frozen=True)
class ReadOptions:
    """How a file's contents are named and measured, and what is refused.

    Attributes:
        units: unit of length, energy, forces, stress or virial in the file, where it is not eV and angstrom.
        keys: name of energy, forces, stress, virial or group in the file, where it is none of the usual ones.
        minimum_distance_angstrom: atoms closer than this are on top of each other.
        maximum_force_ev_per_angstrom: no converged calculation gives a larger force.
    """

    units: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    minimum_distance_angstrom: float = 0.3
    maximum_force_ev_per_angstrom: float = 200.0

    def __post_init__(self) -> None:
        for what, given, known in (("variable", self.units, DEFAULT_UNITS), ("key", self.keys, DEFAULT_KEYS)):
            for name in given:
                if name not in known:
                    raise UserError(f"a {what} of a data set is one of {', '.join(known)}, but `{name}` came.")

    def factor(self, quantity: str) -> float:
        """What a number of the file is multiplied with."""
        target = DEFAULT_UNITS[quantity]
        try:
            return conversion_factor(self.units.get(quantity, target), target)
        except ValueError as error:
            raise UserError(f"variables.{quantity}: {error}") from error


def opened(path: Path) -> Any:
    """The file for reading bytes, unpacked if it is gzip."""
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if compressed else path.open("rb")


def unreadable(path: Path, error: BaseException, kind: str = "structures") -> UserError:
    """What to raise when a reader gave up over a file."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return UserError(f"{path}: cannot be read as {kind}: {reason}. The file is damaged or of another format.")


def as_numbers(value: Any, quantity: str, name: str) -> Float[np.ndarray, "..."]:
    """An array, or UserError."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name}: {quantity} must be numbers, but is {str(value)[:40]!r}.") from error


def as_energy(value: Any, name: str) -> float:
    """One finite number; NaN for None, a label that is missing."""
    if value is None:
        return float("nan")
    energy = as_numbers(value, "energy", name)
    if energy.size != 1:
        raise UserError(f"{name}: energy must be one number, but has shape {energy.shape}.")
    if not np.isfinite(energy).all():
        raise UserError(f"{name}: the energy is NaN or inf. Remove the structure.")
    return float(energy.reshape(()))


def as_forces(value: Any, n_atoms: int, name: str) -> Float[np.ndarray, "n 3"]:
    """Finite numbers, three an atom; NaN for None."""
    if value is None:
        return np.full((n_atoms, 3), np.nan)
    forces = as_numbers(value, "forces", name)
    if forces.shape != (n_atoms, 3):
        raise UserError(f"{name}: forces must have shape ({n_atoms}, 3), but have {forces.shape}.")
    broken = ~np.isfinite(forces).all(axis=1)
    if broken.any():
        raise UserError(f"{name}: the force on atom {int(np.argmax(broken))} is NaN or inf. Remove the structure.")
    return forces


def as_tensor(value: Any, quantity: str, name: str) -> Float[np.ndarray, "3 3"]:
    """A symmetric tensor from 3 x 3, nine, or six numbers in Voigt's order."""
    tensor = as_numbers(value, quantity, name)
    if tensor.shape == (6,):
        six, tensor = tensor, np.empty((3, 3))
        tensor[_VOIGT] = tensor.T[_VOIGT] = six
    elif tensor.shape in ((9,), (3, 3)):
        tensor = tensor.reshape(3, 3)
    else:
        raise UserError(f"{name}: {quantity} must be 3 x 3, 9 or 6 numbers, but has shape {tensor.shape}.")
    if not np.isfinite(tensor).all():
        raise UserError(f"{name}: the {quantity} has NaN or inf. Remove it or the structure.")
    skew = float(np.abs(tensor - tensor.T).max())
    # codes print five digits or so, and sum virials in floating point; a per cent is a transposed or mixed-up tensor
    if skew > 0.01 * float(np.abs(tensor).max()):
        raise UserError(f"{name}: the {quantity} must be symmetric, but its halves differ by {skew:.3g}.")
    return (tensor + tensor.T) / 2


def as_voigt(tensor: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, " 6"]:
    """The six numbers xx, yy, zz, yz, xz, xy of a symmetric tensor, which ASE's calculators give as stress.

    >>> as_voigt(np.array([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]])).tolist()
    [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    """
    return tensor[_VOIGT]
