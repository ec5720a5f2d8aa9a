"""One self-contained HTML page out of sections, text, tables and figures.

The page fetches nothing and runs no script: its style is inline, its figures are inline SVG. Every text is escaped
here, so a caller hands over plain text, whatever names a user gave to his structures. It follows the reader's light or
dark mode, prints in the light one, and fits a telephone.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

# name -> (light, dark). The series are those of Okabe & Ito, "Color Universal Design" (2008), which colour-blind
# readers tell apart, lightened for the dark page; the ramp runs away from the page's own colour in both modes.
COLOURS: dict[str, tuple[str, str]] = {
    "paper": ("#fffffe", "#13171d"),
    "panel": ("#f4f6f8", "#1b2129"),
    "line": ("#d3d9e0", "#39434f"),
    "muted": ("#596474", "#9ba6b5"),
    "ink": ("#18202b", "#e5e9ef"),
    "blue": ("#0072b2", "#57aae3"),
    "orange": ("#d55e00", "#f58d4f"),
    "green": ("#009e73", "#3fc79d"),
    "pink": ("#b8578d", "#e29cc6"),
    "slate": ("#4a5361", "#c9d1db"),
    "sky": ("#3a9bd0", "#9ad7f7"),
    "ramp0": ("#cfe3f1", "#1c3c57"),
    "ramp1": ("#a9cfe8", "#225079"),
    "ramp2": ("#7db6da", "#2b679b"),
    "ramp3": ("#4f9bcb", "#3c81ba"),
    "ramp4": ("#2a7fb8", "#5c9fd5"),
    "ramp5": ("#12619d", "#88c0ea"),
    "ramp6": ("#084177", "#bfe0fa"),
    # behind a number of a table: blue is better, orange is worse
    "better1": ("#e4eff8", "#1a2c3d"),
    "better2": ("#bfdaf0", "#1d4464"),
    "better3": ("#8fc0e6", "#235a87"),
    "worse1": ("#fcebdf", "#37281e"),
    "worse2": ("#f6cdac", "#583922"),
    "worse3": ("#eeaa76", "#7a4a22"),
}
SERIES = ("blue", "orange", "green", "pink", "slate", "sky")
RAMP = tuple(f"ramp{level}" for level in range(7))

# what HTML and XML cannot hold: control characters other than tab and line feed, and lone surrogates
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def plain(text: object) -> str:
    """`text` without the characters that neither HTML nor SVG can hold, each replaced by a visible mark."""
    return _UNPRINTABLE.sub("\ufffd", str(text))


def escape(text: object) -> str:
    """`text` as HTML that shows it literally, inside an element or a quoted attribute.

    >>> escape('<b onclick="x()">Si & C</b>')
    '&lt;b onclick=&quot;x()&quot;&gt;Si &amp; C&lt;/b&gt;'
    """
    return html.escape(plain(text), quote=True)


@dataclass(frozen=True)
class Svg:
    """A drawing: SVG markup made by our own code (see `sciml.core.figures`) and what it shows, in words.

    What several drawings of a page have in common, such as a coastline, stands in each of them as
    `<defs class="shared">` around elements whose id begins with `shared-`; the page holds it once.
    """

    markup: str
    alt: str


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True)
class Code:
    """Text to copy, kept as it is."""

    text: str


@dataclass(frozen=True)
class Notes:
    """A list of remarks."""

    items: Sequence[str]


@dataclass(frozen=True)
class Facts:
    """Names and values, one pair a line."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Tile:
    """One number that a reader should see first."""

    label: str
    value: str
    unit: str
    remark: str = ""


@dataclass(frozen=True)
class Tiles:
    """Tiles side by side."""

    items: Sequence[Tile]


@dataclass(frozen=True)
class Figures:
    """Drawings side by side, as many in a row as fit, each with its caption; or, when `wide`, one below the other."""

    items: Sequence[tuple[Svg, str]]
    wide: bool = False


@dataclass(frozen=True)
class Number:
    """A table cell: shown with `decimals` digits after the point, kept in full in the page's `<data value>`."""

    value: float | int | None
    decimals: int = 3
    mark: str = ""  # a sign behind the number
    meaning: str = ""  # of the mark, in words
    shade: str = ""  # of the cell: "better1" to "better3", "worse1" to "worse3"
    in_powers: bool = False  # of ten, where a column goes over many of them; `decimals` does nothing then


@dataclass(frozen=True)
class Link:
    """A text that leads to another page beside this one, by its relative address."""

    text: str
    address: str


@dataclass(frozen=True)
class Links:
    """A line of links."""

    items: Sequence[Link]


@dataclass(frozen=True)
class Column:
    """A table column; neighbouring columns with the same `heading` share one above them."""

    title: str
    unit: str = ""
    heading: str = ""


@dataclass(frozen=True)
class Row:
    """Cells; `kind` is "total" (bold), "group" (indented), "baseline" (set back) or "first" (under a line)."""

    cells: Sequence[str | Number | Link | Svg]
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A caption, columns, and rows of as many cells; the first cell names its row."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Details:
    """Blocks behind a line that the reader opens."""

    summary: str
    blocks: Sequence[Block]


Block = Heading | Paragraph | Links | Code | Notes | Facts | Tiles | Figures | Table | Details


@dataclass(frozen=True)
class Section:
    """A heading, which the page's top links to, and what follows it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A report: its title, the line above it, the paragraph below it, its sections and the line at the foot."""

    title: str
    kicker: str
    lead: str
    sections: Sequence[Section]
    footer: str = ""


def decimals_for(values: Sequence[float | int | None], digits: int = 3) -> int:
    """Digits after the point that show `digits` significant ones of the smallest typical value of a column.

    >>> decimals_for([0.0573, 0.61]), decimals_for([4.21, 12.9]), decimals_for([812.0]), decimals_for([])
    (4, 2, 0, 0)
    """
    sizes = sorted(abs(v) for v in values if v is not None and math.isfinite(v) and v != 0)
    if not sizes:
        return 0
    # the lower quartile: one tiny value does not fill the column with digits
    return min(6, max(0, digits - 1 - math.floor(math.log10(sizes[(len(sizes) - 1) // 4]))))


def format_number(value: float | int | None, decimals: int) -> str:
    """`value` with a fixed number of decimals and a true minus sign; a dash if there is none.

    >>> format_number(-1234.5, 1), format_number(None, 2), format_number(float("nan"), 2)
    ('−1234.5', '–', 'not a number')
    """
    if value is None:
        return "–"
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.2e}" if abs(value) >= 1e7 else f"{value:.{decimals}f}"
    # what rounds to zero has no sign
    return (text if text.strip("-0.") else text.removeprefix("-")).replace("-", "−")


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def format_power(value: float | int | None) -> str:
    """`value` with three digits that count, in a power of ten unless that is near 1; a dash if there is none.

    >>> format_power(0.0000123), format_power(-0.25), format_power(None), format_power(0.0)
    ('1.23 · 10⁻⁵', '−0.250', '–', '0')
    """
    if value is None or not math.isfinite(value):
        return format_number(value, 3)
    digits, _, power = f"{value:.2e}".partition("e")
    if value == 0:
        return "0"
    if -2 < int(power) < 4:
        return format_number(value, max(0, 2 - int(power)))
    return f"{digits} · 10{str(int(power)).translate(_RAISED)}".replace("-", "−", 1 if value < 0 else 0)


def render_page(page: Page) -> str:
    """The whole page as HTML text."""
    body = "\n".join(_section(section, index) for index, section in enumerate(page.sections))
    links = "".join(f'<a href="#s{i}">{escape(section.title)}</a>' for i, section in enumerate(page.sections))
    html_text = (
        "<!DOCTYPE html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(page.title)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n<header>\n"
        f'<p class="kicker">{escape(page.kicker)}</p>\n<h1>{escape(page.title)}</h1>\n'
        f'<p class="lead">{escape(page.lead)}</p>\n<nav aria-label="Sections">{links}</nav>\n</header>\n'
        f"<main>\n{body}\n</main>\n<footer>{escape(page.footer)}</footer>\n</body>\n</html>\n"
    )
    return _unique_svg_ids(_share_definitions(html_text))


def _style() -> str:
    def variables(mode: int) -> str:
        return "".join(f"--{name}:{colours[mode]};" for name, colours in COLOURS.items())

    return (
        f":root{{{variables(0)}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{variables(1)}}}}}\n"
        + resources.files("sciml.core").joinpath("report.css").read_text(encoding="utf-8")
    )


def _section(section: Section, index: int) -> str:
    blocks = "\n".join(_block(block) for block in section.blocks)
    heading = f'<h2 id="h{index}">{escape(section.title)}</h2>'
    return f'<section id="s{index}" aria-labelledby="h{index}">\n{heading}\n{blocks}\n</section>'


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h3>{escape(text)}</h3>"
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Links(items):
            return '<p class="links">' + " ".join(map(_link, items)) + "</p>"
        case Code(text):
            return f'<pre tabindex="0"><code>{escape(text)}</code></pre>'
        case Notes(items):
            return '<ul class="notes">' + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"
        case Facts(items):
            pairs = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in items)
            return f'<dl class="facts">{pairs}</dl>'
        case Tiles(items):
            return '<div class="tiles">' + "".join(_tile(tile) for tile in items) + "</div>"
        case Figures(items, wide):
            figures = "".join(
                f"<figure>{_svg(svg)}<figcaption>{escape(caption)}</figcaption></figure>" for svg, caption in items
            )
            # two or four fill rows of two, others rows of three
            kind = "figures wide" if wide else "figures pairs" if len(items) in {2, 4} else "figures"
            return f'<div class="{kind}">{figures}</div>'
        case Table():
            return _table(block)
        case Details(summary, blocks):
            inner = "\n".join(_block(b) for b in blocks)
            return f"<details><summary>{escape(summary)}</summary>\n{inner}\n</details>"


def _tile(tile: Tile) -> str:
    remark = f'<div class="remark">{escape(tile.remark)}</div>' if tile.remark else ""
    return (
        f'<div class="tile"><div class="label">{escape(tile.label)}</div>'
        f'<div class="value">{escape(tile.value)} <span class="unit">{escape(tile.unit)}</span></div>{remark}</div>'
    )


def _svg(svg: Svg) -> str:
    return svg.markup.replace("<svg ", f'<svg role="img" aria-label="{escape(svg.alt)}" ', 1)


def _table(table: Table) -> str:
    has_headings = any(column.heading for column in table.columns)
    words = [all(isinstance(row.cells[i], str | Link) for row in table.rows) for i in range(len(table.columns))]
    top = bottom = ""
    start = 0
    while start < len(table.columns):
        column = table.columns[start]
        stop = start + 1
        while column.heading and stop < len(table.columns) and table.columns[stop].heading == column.heading:
            stop += 1
        if column.heading:
            top += f'<th scope="colgroup" colspan="{stop - start}">{escape(column.heading)}</th>'
            bottom += "".join(_column(table.columns[i], words[i], "") for i in range(start, stop))
        else:
            top += _column(column, words[start], ' rowspan="2"' if has_headings else "")
        start = stop
    head = f"<tr>{top}</tr>" + (f"<tr>{bottom}</tr>" if has_headings else "")
    rows = "\n".join(_row(row) for row in table.rows)
    label = escape(table.caption)
    return (
        f'<p class="caption">{label}</p>\n<div class="scroll" role="region" tabindex="0" aria-label="{label}">'
        f'<table aria-label="{label}">\n'
        f"<thead>{head}</thead>\n<tbody>\n{rows}\n</tbody></table></div>"
    )


def _column(column: Column, words: bool, span: str) -> str:
    align = ' class="text"' if words else ""
    unit = f'<span class="unit">{escape(column.unit)}</span>' if column.unit else ""
    return f'<th scope="col"{align}{span}>{escape(column.title)}{unit}</th>'


def _row(row: Row) -> str:
    first, *rest = (_cell(cell) for cell in row.cells)
    kind = f' class="{escape(row.kind)}"' if row.kind else ""
    cells = f'<th scope="row">{first[1]}</th>' + "".join(f"<td{attribute}>{text}</td>" for attribute, text in rest)
    return f"<tr{kind}>{cells}</tr>"


def _cell(cell: str | Number | Link | Svg) -> tuple[str, str]:
    match cell:
        case Number(None):
            return ' class="number"', '<span title="not available">–</span>'
        case Number(value, decimals, mark, meaning, shade, in_powers):
            sign = (
                f' <span class="mark" role="img" aria-label="{escape(meaning)}">{escape(mark)}</span>' if mark else ""
            )
            kind = f"number {shade}".strip()
            shown = format_power(value) if in_powers else format_number(value, decimals)
            return f' class="{escape(kind)}"', f'<data value="{value!r}">{shown}</data>{sign}'
        case Link():
            return "", _link(cell)
        case Svg():
            return ' class="drawing"', _svg(cell)
        case _:
            return "", escape(cell)


def _link(link: Link) -> str:
    return f'<a href="{escape(link.address)}">{escape(link.text)}</a>'


def _share_definitions(page: str) -> str:
    """Move what drawings share into one that is not seen, each thing once."""
    pattern = re.compile('<defs class="shared">(.*?)</defs>', re.DOTALL)
    shared = "".join(dict.fromkeys(pattern.findall(page)))
    if not shared:
        return page
    hidden = f'<svg class="shared" aria-hidden="true" width="0" height="0"><defs>{shared}</defs></svg>'
    return pattern.sub("", page).replace("<body>\n", f"<body>\n{hidden}\n", 1)


def _unique_svg_ids(page: str) -> str:
    """Give each drawing its own ids: HTML shares one name space, and every drawing calls its first axes `axes_1`."""
    count = 0

    def rename(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        prefix = f"f{count}-"
        return re.sub(
            r"<[^>]*>",
            lambda tag: re.sub(r'(\sid="|href="#|url\(#)(?!shared-)', lambda reference: reference[1] + prefix, tag[0]),
            match[0],
        )

    return re.sub(r"<svg .*?</svg>", rename, page, flags=re.DOTALL)
