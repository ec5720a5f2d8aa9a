"""The PNG files against another reader."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sciml.core.png import data_address, indexed_png


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_pillow_reads_every_pixel(height: int, width: int, colours: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    palette = [f"#{value:08x}" for value in random.integers(0, 2**32, colours)]
    index = random.integers(0, colours, (height, width)).astype(np.uint8)
    image = Image.open(io.BytesIO(indexed_png(index, palette)))
    expected = np.array([list(bytes.fromhex(colour[1:])) for colour in palette], np.uint8)[index]
    np.testing.assert_array_equal(np.asarray(image.convert("RGBA")), expected)


def test_a_colour_without_opacity_is_opaque() -> None:
    image = Image.open(io.BytesIO(indexed_png(np.zeros((1, 1), np.uint8), ["#102030"])))
    assert image.convert("RGBA").getpixel((0, 0)) == (16, 32, 48, 255)


def test_an_index_without_colour_is_refused() -> None:
    with pytest.raises(ValueError, match="index 2 needs a colour"):
        indexed_png(np.full((1, 1), 2, np.uint8), ["#000000", "#ffffff"])


def test_address_needs_no_escaping() -> None:
    assert not set(data_address(bytes(range(256)))) & set("\"'<>& ")
