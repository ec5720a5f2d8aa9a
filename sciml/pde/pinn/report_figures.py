"""The figures of a report on a physics-informed network: maps of a solution, and its profiles against the reference."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from sciml.core.report import Block, Figures, Heading, Paragraph, Section, Svg, format_power
from sciml.pde.drawing import field_map
from sciml.pde.pinn.drawing import profile_errors, profiles
from sciml.pde.pinn.report_data import Evidence, Solution
from sciml.pde.pinn.report_words import shown_unit, with_unit_of
from sciml.pde.pinn.space import DomainConfig

# slices and lines of a solution that are drawn
_SLICES, _LINES = 3, 4
# of space, beyond which a map is stretched
_MOST_PROPORTION = 4.0


def maps_section(evidence: Evidence, space: DomainConfig) -> Section:
    """Network, reference and error in colours, of two coordinates or more."""
    blocks: list[Block] = []
    for solution in evidence.predictions:
        for place, index in _slices(solution, space):
            blocks.append(Heading(", ".join(filter(None, [solution.name, place]))))
            blocks += [Figures(_maps_of(solution, space, name, index)) for name in solution.fields]
    return Section("The solution", blocks or [Paragraph("There are no predictions yet.")])


def _slices(solution: Solution, space: DomainConfig) -> Iterator[tuple[str, tuple[int | slice, ...]]]:
    """Planes of two coordinates: all of them, or at some times, others in the middle; in words and as an index."""
    names = list(solution.grid)
    rest = [len(solution.grid[name]) // 2 for name in names[2:]]
    plane = (slice(None), slice(None))
    last = np.unique(np.linspace(0, len(solution.grid[names[-1]]) - 1, _SLICES).round().astype(int)).tolist()
    chosen = [[*rest[:-1], time] for time in last] if rest and names[-1] == space.time else [rest]
    for indices in chosen:
        places = [_place(solution, space, name, i) for name, i in zip(names[2:], indices, strict=True)]
        yield ", ".join(places), (*plane, *indices)


def _place(solution: Solution, space: DomainConfig, name: str, index: int) -> str:
    unit = shown_unit(space.unit(name))
    return f"{name} = {solution.grid[name][index]:.4g}{' ' + unit if unit else ''}"


def _maps_of(
    solution: Solution, space: DomainConfig, name: str, index: tuple[int | slice, ...]
) -> list[tuple[Svg, str]]:
    found, label = solution.field(name)[index], with_unit_of(name, space.unit(name))
    reference = solution.reference_of(name)
    shown = found if reference is None else reference[index]
    low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    limits = (low, high if high > low else low + 1)
    figures = [(_map(solution, space, found, f"{name}, network", label, limits), "The trained network.")]
    if reference is not None:
        apart = found - reference[index]
        figures += [
            (_map(solution, space, reference[index], f"{name}, reference", label, limits), "Colours as the network's."),
            (_map(solution, space, apart, "Error", label, None), f"Network less reference; at most {_largest(apart)}."),
        ]
    return figures


def _largest(apart: Float[np.ndarray, "*grid"]) -> str:
    return format_power(float(np.nanmax(np.abs(apart))))


def _map(
    solution: Solution,
    space: DomainConfig,
    values: Float[np.ndarray, "nx ny"],
    title: str,
    label: str,
    limits: tuple[float, float] | None,
) -> Svg:
    """With time, where it is one of both coordinates, to the right."""
    names = list(solution.grid)[:2]
    spans = [float(np.ptp(solution.grid[name])) for name in names]
    of_space = space.time not in names and space.unit(names[0]) == space.unit(names[1])
    if space.time in names:
        names, values = names[::-1], values.T
    return field_map(
        values,
        title=title,
        label=label,
        axes_names=[with_unit_of(name, space.unit(name)) for name in names],
        coordinates=[solution.grid[name] for name in names],
        limits=limits,
        in_proportion=of_space and max(spans) < _MOST_PROPORTION * min(spans),
    )


def profiles_section(evidence: Evidence, space: DomainConfig) -> Section:
    """Lines along the first coordinate."""
    blocks: list[Block] = []
    for solution in evidence.predictions:
        figures = [figure for name in solution.fields for figure in _profiles_of(solution, space, name)]
        blocks += [Heading(solution.name), Figures(figures)]
    return Section("Profiles", blocks or [Paragraph("There are no predictions yet.")])


def _profiles_of(solution: Solution, space: DomainConfig, name: str) -> Iterator[tuple[Svg, str]]:
    """Along the first coordinate, at some places of the last one, others in the middle."""
    names = list(solution.grid)
    first, last = names[0], names[-1]
    middle = tuple(len(solution.grid[other]) // 2 for other in names[1:-1])
    lines = np.unique(np.linspace(0, len(solution.grid[last]) - 1, _LINES).round().astype(int)).tolist()
    labels = [_place(solution, space, last, line) for line in lines] if len(names) > 1 else [""]

    def cut(values: Float[np.ndarray, "*grid"]) -> Float[np.ndarray, "l n"]:
        if len(names) == 1:
            return values[None]
        return np.stack([values[(slice(None), *middle, line)] for line in lines])

    found, reference = cut(solution.field(name)), solution.reference_of(name)
    there = ", ".join(_place(solution, space, n, i) for n, i in zip(names[1:-1], middle, strict=True))
    x, axis = solution.grid[first], with_unit_of(first, space.unit(first))
    label = with_unit_of(name, space.unit(name))
    title = f"{name}{' at ' + there if there else ''}"
    shown = None if reference is None else cut(reference)
    caption = "The network." if shown is None else "The network; the reference is dashed on top of it."
    yield profiles(x, found, shown, labels, title=title, axis=axis, label=label), caption
    if shown is not None:
        size = with_unit_of("size of the error", space.unit(name))
        error = profile_errors(x, found - shown, labels, title=f"Error of {title}", axis=axis, label=size)
        yield error, "Network less reference."
