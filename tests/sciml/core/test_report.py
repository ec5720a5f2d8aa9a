"""The page: escaping, structure, numbers in full, figures that follow the page's colours."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.figures import Curve, error_against_size, error_ridges, learning_curves, parity
from sciml.core.report import (
    COLOURS,
    RAMP,
    SERIES,
    Code,
    Column,
    Details,
    Facts,
    Figures,
    Heading,
    Link,
    Links,
    Notes,
    Number,
    Page,
    Paragraph,
    Row,
    Section,
    Svg,
    Table,
    Tile,
    Tiles,
    decimals_for,
    format_number,
    render_page,
)


class Text(HTMLParser):
    """All tags and all text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[dict[str, str | None]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(*blocks) -> str:
    return render_page(Page("title", "kicker", "lead", [Section("section", blocks)]))


def every_block(text: str) -> list:
    """One of each kind of block, with `text` in every place for a text."""
    table = Table(text, [Column(text, text, text), Column(text, text, text)], [Row([text, Link(text, text)], text)])
    tiles = Tiles([Tile(text, text, text, text)])
    figure = Figures([(Svg('<svg viewBox="0 0 1 1"></svg>', text), text)])
    links = Links([Link(text, text)])
    return [
        Heading(text),
        Paragraph(text),
        links,
        Code(text),
        Notes([text]),
        Facts([(text, text)]),
        tiles,
        figure,
        table,
        Details(text, []),
    ]


TAGS = Text(render_page(Page("", "", "", [Section("", every_block("x"))], ""))).tags


# what could end a text, begin a tag or an attribute, or cannot be encoded; hypothesis alone seldom meets it
FRAGMENTS = ["<", ">", "&", '"', "'", "<b>", "</dd>", "</style>", "<!--", "-->", '" onload="x', "\x00", "\ud800", " "]


@given(st.text(min_size=1, max_size=40) | st.lists(st.sampled_from(FRAGMENTS), min_size=1).map("".join))
def test_any_text_changes_no_tag_of_the_page(text: str) -> None:
    page = render_page(Page(text, text, text, [Section(text, every_block(text))], text))
    page.encode()  # no lone surrogate is left
    found = Text(page)
    assert found.tags == TAGS
    names = {name for attributes in found.attributes for name in attributes}
    assert names <= {
        "aria-label", "aria-labelledby", "charset", "class", "colspan", "content", "href", "id", "lang", "name", "role",
        "rowspan", "scope", "tabindex", "viewbox",
    }  # fmt: skip


def test_a_text_is_shown_as_it_is() -> None:
    hostile = "</style></title><script>alert('x')</script> & \"quoted\" &amp; ünïcode 硅"
    assert Text(page_of(Paragraph(hostile))).text.count(hostile) == 1


def test_table_numbers_are_kept_in_full() -> None:
    rows = [Row(["a", Number(0.1 + 0.2, 2)]), Row(["b", Number(None)])]
    page = page_of(Table("caption", [Column("name"), Column("value", "eV")], rows))
    assert '<data value="0.30000000000000004">0.30</data>' in page
    assert '<span title="not available">–</span>' in page


def test_a_mark_has_words_and_a_shade_has_a_class() -> None:
    cell = Number(-3.5, 1, "▼", 'worse "by chance"', "worse1")
    page = page_of(Table("caption", [Column("name"), Column("skill", "%")], [Row(["a", cell])]))
    assert '<td class="number worse1"><data value="-3.5">−3.5</data>' in page
    assert 'role="img" aria-label="worse &quot;by chance&quot;">▼</span>' in page


def test_what_drawings_share_stands_once() -> None:
    defs = '<defs class="shared"><path id="shared-coast" d="M0 0h1"/></defs>'
    markup = f'<svg viewBox="0 0 1 1">{defs}<use href="#shared-coast"/><path id="own"/><use href="#own"/></svg>'
    page = page_of(Figures([(Svg(markup, "a"), "a"), (Svg(markup, "b"), "b")]))
    assert page.count('d="M0 0h1"') == 1
    assert page.count('href="#shared-coast"') == 2
    ids = [a["id"] for a in Text(page).attributes if "id" in a]
    assert len(ids) == len(set(ids))


def test_columns_with_one_heading_share_it() -> None:
    columns = [Column("name"), Column("MAE", heading="Energy"), Column("RMSE", heading="Energy"), Column("n")]
    page = page_of(Table("caption", columns, [Row(["a", Number(1.0), Number(2.0), Number(3, 0)])]))
    assert '<th scope="colgroup" colspan="2">Energy</th>' in page
    assert '<th scope="col" class="text" rowspan="2">name</th>' in page
    assert page.count("<tr>") == 3


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (-0.0004, 2, "0.00"),
        (1.005, 2, "1.00"),
        (-0.25, 1, "−0.2"),
        (None, 3, "–"),
        (float("inf"), 0, "∞"),
        (2.5e9, 3, "2.50e+09"),
    ],
)
def test_format_number(value: float | None, decimals: int, text: str) -> None:
    assert format_number(value, decimals) == text


def test_decimals_ignore_what_is_no_number() -> None:
    assert decimals_for([None, float("nan"), 0.0, 0.0123]) == 4


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.none(), max_size=5))
def test_any_column_of_numbers_can_be_shown(values: list[float | None]) -> None:
    decimals = decimals_for(values)
    assert 0 <= decimals <= 6
    assert all(len(format_number(value, decimals)) < 20 for value in values)


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a: str, b: str) -> float:
    bright, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_colours_can_be_read(mode: int) -> None:
    paper, panel = COLOURS["paper"][mode], COLOURS["panel"][mode]
    # WCAG 2.2: text needs 4.5 (1.4.3), what carries meaning in a figure 3 (1.4.11)
    for name in COLOURS:
        if name.startswith(("better", "worse")):
            assert contrast(COLOURS["ink"][mode], COLOURS[name][mode]) >= 4.5
    for name in ("ink", "muted", "blue"):
        assert contrast(COLOURS[name][mode], paper) >= 4.5
        assert contrast(COLOURS[name][mode], panel) >= 4.5
    for name in SERIES:
        assert contrast(COLOURS[name][mode], paper) >= 3
    steps = [contrast(COLOURS[name][mode], paper) for name in RAMP]
    assert steps == sorted(steps), "a fuller hexagon stands out more"


def test_light_colours_are_all_different() -> None:
    # figures are drawn in them, and each must find its way back to its own variable
    assert len({light for light, _ in COLOURS.values()}) == len(COLOURS)


RANDOM = np.random.default_rng(0)
X = RANDOM.normal(0, 1, 5000)


FIGURES = {
    "curves": lambda: learning_curves([Curve("training", X[:9] ** 2, X[:9] ** 2)], title="Loss", unit="eV", best=0.5),
    "curves with zeros": lambda: learning_curves([Curve("training", X[:9], np.zeros(9))], title="Loss", unit=""),
    "parity, few": lambda: parity(
        X[:50],
        X[:50] + 0.1,
        title="Energy",
        quantity="energy",
        unit="eV",
        error_unit="eV",
        groups=["a"] * 25 + ["b"] * 25,
    ),
    "parity, many": lambda: parity(X, X + 0.1, title="Forces", quantity="force", unit="eV/Å", error_unit="eV/Å"),
    "parity, equal": lambda: parity(np.ones(3), np.ones(3), title="Same", quantity="q", unit="u", error_unit="u"),
    "ridges": lambda: error_ridges({"a": X[:9], "b $x$": X[:1]}, title="Errors", label="eV", logarithmic=False),
    "ridges, log": lambda: error_ridges(
        {"a": np.abs(X), "b": np.zeros(2)}, title="Errors", label="eV", logarithmic=True
    ),
    "ridges, zeros": lambda: error_ridges({"a": np.zeros(2)}, title="Errors", label="eV", logarithmic=True),
    "size": lambda: error_against_size(np.abs(X), np.abs(X), title="Size", size_label="force", error_label="error"),
    "size, two": lambda: error_against_size(np.ones(2), np.ones(2), title="Size", size_label="f", error_label="e"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_follows_the_page(name: str) -> None:
    svg = FIGURES[name]()
    markup = svg.markup
    assert markup.startswith("<svg ")
    assert markup.endswith("</svg>")
    # no colour is left that the dark page could not change
    left = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", markup))
    assert not left, f"colours that do not follow the page: {left}"
    assert "var(--ink" in markup
    assert "http" not in markup
    assert "<!--" not in markup
    assert "<metadata" not in markup
    assert "nan" not in markup.lower().replace("--ink", "")
    assert len(svg.alt) > 20
    # hexagons, not points: one costs about 150 bytes
    assert len(markup) < 200_000


def test_parity_states_its_errors() -> None:
    reference = np.array([0.0, 1.0, 2.0, 3.0])
    svg = parity(
        reference,
        reference + [0.0, 0.0, 0.0, 0.004],
        title="Energy",
        quantity="energy",
        unit="eV/atom",
        error_unit="meV/atom",
        error_scale=1000.0,
    )
    # 4 meV on one of four: mean 1, root mean square 2
    assert "MAE 1 meV/atom, RMSE 2 meV/atom" in svg.alt
    assert "MAE 1 meV/atom" in svg.markup
    assert "RMSE 2 meV/atom" in svg.markup


def test_two_drawings_do_not_share_ids() -> None:
    svg = FIGURES["parity, few"]()
    page = page_of(Figures([(svg, "a"), (svg, "b")]))
    ids = [a["id"] for a in Text(page).attributes if "id" in a]
    assert len(ids) == len(set(ids))
    for reference in re.findall(r'url\(#([^)]*)\)|href="#([^"]*)"', page):
        assert (reference[0] or reference[1]) in ids
