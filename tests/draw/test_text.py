"""Widths, cutting and cleaning of text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlgraph.draw.text import WIDTHS, clean, fit, harmless, text_width


def test_widths_cover_printable_ascii():
    assert [chr(code) for code in range(32, 127) if chr(code) not in WIDTHS] == []


def test_wide_scripts_count_as_wide():
    assert text_width("重", 10) > text_width("w", 10)
    assert text_width("🙂", 10) >= text_width("重", 10)
    assert text_width("e\u0301", 10) == text_width("e", 10)  # an accent that stands above


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\x00b\x1bc", "a\ufffdb\ufffdc"),
        ("two\nlines\tand\u2028more", "two lines and more"),
        ("abc\u202efdp.exe", "abc\ufffdfdp.exe"),  # would read abcexe.pdf
        ("\u2066x\u2069\u200f", "\ufffdx\ufffd\ufffd"),
        ("\ud800", "\ufffd"),
        ("\uffff", "\ufffd"),
        ("重み 🙂 ∂y", "重み 🙂 ∂y"),
    ],
)
def test_clean(raw, shown):
    assert clean(raw) == shown


@pytest.mark.parametrize(
    ("raw", "read_in_order"),
    [
        ("2·אלף = 8", "2·אלף\u200e = 8"),  # without the mark a browser shows 2·8 = אלף
        ("متغير = 1e-30", "متغير\u200e = 1e-30"),
        ("אלף_1·בית", "אלף\u200e_1·בית\u200e"),
        ("שם ארוך_מאוד: 2", "שם ארוך_מאוד\u200e: 2"),  # the words of one name stay in their order
        ("می\u200cخواهم 3", "می\u200cخواهم\u200e 3"),
    ],
)
def test_what_follows_a_name_written_from_the_right_stands_right_of_it(raw, read_in_order):
    assert clean(raw) == read_in_order
    assert clean(clean(raw)) == harmless(clean(raw)) == read_in_order
    assert text_width(clean(raw), 10) == text_width(raw, 10)


def test_clean_cuts_in_the_middle():
    assert clean("a" * 10_000 + "b") == "a" * 100 + "…" + "a" * 98 + "b"
    assert [clean("abcdef", limit=n) for n in (1, 2, 3)] == ["…", "a…", "a…f"]


@given(st.text(max_size=40), st.integers(11, 13), st.integers(12, 200))
def test_fit_fits_and_keeps_both_ends(text, size, room):
    cut = fit(text, size, room)
    assert text_width(cut, size) <= room or cut == "…"
    if cut != text:
        head, _, tail = cut.partition("…") if "…" not in text else (cut, "", "")
        assert text.startswith(head) and text.endswith(tail)


def test_fit_leaves_short_text_alone():
    assert fit("mul", 12, 100) == "mul"
    assert fit("encoder/block_7/attention/weight", 12, 96) == "encode…weight"
