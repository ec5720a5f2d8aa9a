"""A potential compiled ahead of time, for programs that are not Python.

The compiled graph maps pairs of atoms to energies and to slopes of the energy by the pairs' vectors, from which forces,
virial and energies of atoms follow by plain sums, whatever the architecture. AOTInductor writes it for this processor
and this version of torch; sums over neighbours are calls of the operator `sciml::kernel`, which the program provides.

Shapes: n atoms, p pairs, e = 2 p directed edges, s elements.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.gnn.edges import Edges
from sciml.gnn.kernels import recorded
from sciml.gnn.potential import Potential


class PairPotential(nn.Module):
    """A potential as a pure function of the pairs of neighbours, each given once.

    Energies are in eV above the lone atom; reference energies are left to the caller.
    """

    def __init__(self, potential: Potential) -> None:
        super().__init__()
        self.network = potential.network
        self.n_elements = len(potential.elements)
        self.scale = float(potential.energy_scale_ev)

    def forward(
        self,
        species: Int[Tensor, " n"],
        own: Float[Tensor, " n"],
        first: Int[Tensor, " p"],
        second: Int[Tensor, " p"],
        vectors: Float[Tensor, "p 3"],
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "p 3"]]:
        """Energies of the atoms, and the slope of the sum of own * energy by the vectors, in eV/angstrom.

        Args:
            species: index among the potential's elements.
            own: 1 for atoms whose energy counts, 0 for those that only stand around them.
            first: atom that a pair's vector starts from.
            second: atom that it points to.
            vectors: from first to second, in angstrom.
        """
        n = species.shape[0]
        # the lone atoms that energies are counted from stand behind the others
        lone = torch.arange(self.n_elements, device=species.device)
        with torch.enable_grad():
            vectors = vectors.detach().requires_grad_()
            edges = _edges(first, second, vectors, n + self.n_elements)
            output = self.network(torch.cat([species, lone]), edges).double()
            above = output[:n] - output[n:][species]
            (slope,) = torch.autograd.grad((above * own).sum(), vectors)
        return above.detach() * self.scale, slope * self.scale


@dataclass(frozen=True, eq=False)
class _TracedEdges(Edges):
    """Edges whose number of atoms may be a symbol."""

    atoms: Any

    @property
    def n_atoms(self) -> Any:
        return self.atoms


def _edges(first: Tensor, second: Tensor, vectors: Tensor, n_atoms: Any) -> Edges:
    """Edges in both directions, sorted by centre, for pairs in any order."""
    p = first.shape[0]
    centre, order = torch.cat([first, second]).sort(stable=True)
    forward = order < p
    pair = torch.where(forward, order, order - p)
    position = torch.empty_like(order).scatter_(0, order, torch.arange(2 * p, device=order.device))
    return _TracedEdges(
        first=first,
        second=second,
        vectors=vectors,
        centre=centre,
        neighbour=torch.where(forward, second[pair], first[pair]),
        pair=pair,
        sign=torch.where(forward, 1.0, -1.0).to(vectors.dtype),
        row_start=torch.searchsorted(centre, torch.arange(n_atoms + 1, device=centre.device)),
        opposite=position[torch.where(forward, order + p, pair)],
        atoms=n_atoms,
    )


def compile_package(potential: Potential, path: str | Path) -> dict[str, str]:
    """Compiles `PairPotential(potential)` into a `.pt2` file, and says what it can be run with.

    The precision is that of the network. The graph needs two atoms and two pairs or more; what calls it fills up.

    Returns:
        What the file also says of itself, and a program must compare before it runs it: `torch`, the version;
        `isa`, the instruction sets of this processor, all of which the compiler may use; `bits` of the precision.

    Raises:
        UserError: no C++ compiler, or not a name that ends in .pt2.
    """
    path = Path(path)
    if path.suffix != ".pt2":
        raise UserError(f"A compiled potential needs a name that ends in .pt2, but got {path}.")
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise UserError(
            f"Compiling a potential needs a C++ compiler, but {compiler} was not found. "
            "Install g++ (apt install g++), or name one in the environment variable CXX."
        )
    # slow to import, and of use here only
    from torch._inductor import aoti_compile_and_package
    from torch.export import Dim
    from torch.fx.experimental.proxy_tensor import make_fx

    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"torch": _torch_version(), "isa": instruction_sets(), "bits": str(torch.finfo(potential.dtype).bits)}
    function, example = PairPotential(potential).eval(), _example(potential.dtype)
    n, p = Dim("n", min=2), Dim("p", min=2)
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        # torch warns of what torch itself still uses
        warnings.simplefilter("ignore")
        with recorded():
            graph = make_fx(function, tracing_mode="symbolic", _allow_non_fake_inputs=True)(*example)
        shapes = ({0: n}, {0: n}, {0: p}, {0: p}, {0: p})
        program = torch.export.export(graph, example, dynamic_shapes=shapes, strict=False)
        file = Path(folder) / path.name
        stored = {f"sciml_{key}": value for key, value in metadata.items()}
        options = _INDUCTOR | {"aot_inductor.metadata": stored}
        aoti_compile_and_package(program, package_path=str(file), inductor_configs=options)
        file.replace(path)
    return metadata


_INDUCTOR: dict[str, Any] = {
    # Inductor repeats a value's formula wherever the value is used, until it has this many operations and is stored. In
    # Chebyshev's recurrence each sine is used twice: at the default of 30 compiling PaiNN takes 5 minutes for no gain.
    "realize_opcount_threshold": 8,
    # otherwise the number of threads of the process that compiles is written into the loops between the sums and matrix
    # products; these two take the number that runs ask for
    "cpp.threads": 1,
}

# how /proc/cpuinfo names sets of instructions that a compiler uses; as in lammps_plugin/src/generic/generic.cpp
_INSTRUCTIONS = (
    "sse", "ssse", "avx", "fma", "bmi", "f16c", "abm", "movbe", "adx", "gfni", "aes", "vaes", "sha_", "amx", "xop",
    "vpclmulqdq", "asimd", "sve",
)  # fmt: skip


def instruction_sets() -> str:
    """The words by which /proc/cpuinfo names the processor's instruction sets, in alphabetical order."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    line = next((line for line in lines if line.startswith(("flags", "Features"))), ":")
    return " ".join(sorted({word for word in line.split(":")[1].split() if word.startswith(_INSTRUCTIONS)}))


def _torch_version() -> str:
    """Without the kind of build, which the headers do not say."""
    return str(torch.__version__).split("+")[0]


def _example(dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Inputs of sizes that no other dimension has, so that symbols are not taken for constants."""
    n, p = 37, 101
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randint(n, (p,), generator=generator) for _ in range(2))
    vectors = torch.rand(p, 3, generator=generator, dtype=dtype) + 0.5
    return torch.zeros(n, dtype=torch.long), torch.ones(n, dtype=dtype), first, second, vectors
