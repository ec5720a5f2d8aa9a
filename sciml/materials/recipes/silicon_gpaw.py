"""Recipe `silicon-gpaw`: label silicon configurations with GPAW (PBE, plane waves) as dataset.yaml says.

`make` draws the structures, labels those that have no label yet and writes train / validation / test beside the
dataset.yaml, whose sha256 lines it brings up to date. GPAW is imported only when a label is computed.

GPAW: Mortensen et al., J. Chem. Phys. 160, 092503 (2024). Settings and their convergence: datasets/si-gpaw/README.md.
"""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ase import Atoms
from rich.console import Console

from sciml.core.errors import UserError
from sciml.core.runs import write_text
from sciml.materials.labelling import label_all, read_failures, read_labels, write_frames
from sciml.materials.recipes.silicon_structures import Draw, silicon_draws

INSTALL = (
    "apt-get install libxc-dev libopenblas-dev libfftw3-dev, write siteconfig.py as datasets/si-gpaw/README.md shows, "
    "then GPAW_CONFIG=siteconfig.py pip install gpaw"
)

GPAW_KEYS = {
    "xc",
    "cutoff_ev",
    "kpoint_density_per_angstrom",
    "smearing_ev",
    "bands",
    "eigensolver",
    "density_convergence_electrons",
    "max_iterations",
}


def make(
    dataset_yaml: dict[str, Any], out_dir: Path, work_dir: Path, *, workers: int = 1, limit: int | None = None
) -> None:
    """Label what is missing, then write the three files into `out_dir` and their sha256 into its dataset.yaml.

    `work_dir` keeps one file a label and may be reused after any interruption; `limit` labels the first N structures
    only. Raises UserError when GPAW is missing or `work_dir` holds labels of other settings.
    """
    recipe = dataset_yaml["recipe"]
    settings = checked_settings(recipe["gpaw"])
    draws = silicon_draws(recipe["structures"], settings["kpoint_density_per_angstrom"])[:limit]
    candidates = [draw.candidate for draw in draws]
    provenance = {"code": "gpaw", **settings, "paw_dataset_sha256": paw_fingerprint(settings["xc"])}

    console = Console()
    label_all(
        candidates, partial(gpaw_calculator, settings=settings), provenance, work_dir, workers=workers, console=console
    )
    for name, reason in read_failures(candidates, work_dir).items():
        console.print(f"left out {name}: {reason}", markup=False)
    write_dataset(dataset_yaml, draws, out_dir, work_dir, console)


def checked_settings(gpaw: Mapping[str, Any]) -> dict[str, Any]:
    """The `gpaw:` block, complete and with no unknown key, or a UserError."""
    unknown, missing = sorted(set(gpaw) - GPAW_KEYS), sorted(GPAW_KEYS - set(gpaw))
    if unknown or missing:
        raise UserError(
            f"The `gpaw:` block of dataset.yaml needs exactly {', '.join(sorted(GPAW_KEYS))}; "
            f"unknown: {', '.join(unknown) or 'none'}, missing: {', '.join(missing) or 'none'}. Correct the block."
        )
    return dict(gpaw)


def gpaw_calculator(atoms: Atoms, settings: Mapping[str, Any]) -> object:
    """GPAW calculator for one structure; its k-point mesh is `atoms.info["kpoints"]`, as in "4x4x4".

    Point-group and time-reversal symmetry are used where the structure has them.
    """
    gpaw = _import_gpaw()
    return gpaw.GPAW(
        mode=gpaw.PW(settings["cutoff_ev"]),
        xc=settings["xc"],
        kpts={"size": [int(n) for n in atoms.info["kpoints"].split("x")]},
        occupations=gpaw.FermiDirac(settings["smearing_ev"]),
        nbands=settings["bands"],
        eigensolver=settings["eigensolver"],
        convergence={"density": settings["density_convergence_electrons"]},
        maxiter=settings["max_iterations"],
        txt=None,
    )


def paw_fingerprint(xc: str) -> str:
    """SHA-256 of the PAW data set of silicon that GPAW finds, decompressed."""
    _import_gpaw()
    _, content = importlib.import_module("gpaw.setup_data").search_for_file(f"Si.{xc}")
    return hashlib.sha256(content).hexdigest()


def write_dataset(
    dataset_yaml: dict[str, Any], draws: list[Draw], out_dir: Path, work_dir: Path, console: Console
) -> None:
    """Write each split's frames and put the files' sha256 into `out_dir`/dataset.yaml when it is there."""
    frames = read_labels([draw.candidate for draw in draws], work_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    yaml_path = out_dir / "dataset.yaml"
    for split, entry in dataset_yaml["files"].items():
        chosen = [frames[d.candidate.name] for d in draws if d.split == split and d.candidate.name in frames]
        if not chosen:
            console.print(f"{split}: no labelled structure yet, {entry['path']} left as it was")
            continue
        digest = write_frames(chosen, out_dir / entry["path"])
        console.print(f"{split}: {len(chosen)} structures, sha256 {digest}", highlight=False, soft_wrap=True)
        if yaml_path.exists():
            _put_sha256(yaml_path, split, digest)


def _put_sha256(yaml_path: Path, split: str, digest: str) -> None:
    """Replace the sha256 in the one-line entry of `split`, and leave every other character as it was."""
    pattern = rf"^(\s*{re.escape(split)}:\s*\{{.*sha256:\s*)[^,}}]*(.*\}}.*)$"
    text, count = re.subn(pattern, rf'\g<1>"{digest}"\g<2>', yaml_path.read_text(), flags=re.MULTILINE)
    if count != 1:
        raise UserError(
            f"{yaml_path} needs one line `{split}: {{path: ..., format: extxyz, sha256: ...}}` and has {count}. "
            f"Write it so, with sha256: {digest}."
        )
    write_text(yaml_path, text)


def _import_gpaw() -> Any:
    try:
        return importlib.import_module("gpaw")
    except ImportError as error:
        raise UserError(
            f"The recipe silicon-gpaw needs GPAW, which is not installed. Install it: {INSTALL}."
        ) from error
