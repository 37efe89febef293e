"""`dg.view`: its numbers are right, whatever is no number is seen, and it is the same each time."""

import base64
import io
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.draw.array_picture import CELLS, picture_of_array
from dlgraph.draw.array_side import bar_heights
from dlgraph.draw.array_svg import cell_text, plan_of
from dlgraph.draw.heat import MARKS, MINUS, NAN, PLUS, Scale, cells_of, png, readable_on, scale_of
from dlgraph.draw.summary import histogram, in_words, summarise
from dlgraph.draw.text import text_width
from dlgraph.draw.view import values_of
from dlgraph.errors import DtypeError, OperationError, ShapeError, SymbolicValueError

RNG = np.random.default_rng(0)
EXAMPLES = {
    "number": np.float32(3.25),
    "row": RNG.normal(size=20),
    "long": np.sin(np.arange(5_000) / 200),
    "small": RNG.normal(size=(3, 4)),
    "wide": RNG.normal(size=(1, 700)),
    "tall": RNG.normal(size=(700, 2)),
    "large": RNG.normal(size=(600, 900)),
    "truth": RNG.random((8, 8)) > 0.5,
    "counts": RNG.integers(0, 10, (10, 10)),
    "images": RNG.integers(0, 256, (70, 28, 28), dtype=np.uint8),
    "channels": RNG.normal(size=(16, 12, 3, 3)),
    "one channel": RNG.random((10, 1, 28, 28)),
    "constant": np.ones((4, 4)),
    "nothing": np.zeros((0, 3)),
    "bad": np.array([[np.nan, 1.0], [np.inf, -np.inf]]),
    "all bad": np.full((2, 2), np.nan),
    "extreme": np.array([[1.7e308, -1.7e308], [0.0, 5e-324]]),
    "half": RNG.normal(size=(5, 5)).astype("float16"),
}


def images(svg):
    """The pixels of every picture in an SVG, by the tile that it shows; decoded by Pillow."""
    from PIL import Image

    found = {}
    for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}image"):
        data = base64.b64decode(element.attrib["href"].partition(",")[2])
        with Image.open(io.BytesIO(data)) as image:
            found[element.attrib.get("data-tile", "key")] = np.array(image.convert("RGB"))
    return found


def rgb(colour):
    return tuple(bytes.fromhex(colour[1:]))


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_array_gives_a_whole_page(name):
    figure = dg.view(EXAMPLES[name], title=name)
    root = ET.fromstring(figure.svg)  # well-formed
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    drawn = " ".join(re.findall(r' (?:d|x|y|width|height)="([^"]*)"', figure.svg))
    assert "nan" not in drawn and "inf" not in drawn
    for element in root.iter():
        if {"x", "y", "width", "height"} <= element.attrib.keys():
            x, y, w, h = (float(element.attrib[k]) for k in ("x", "y", "width", "height"))
            assert min(x, y) >= 0 and x + w <= width + 0.5 and y + h <= height + 0.5
        if element.tag.endswith("text"):
            size = float(element.attrib.get("font-size", 12))
            centred = element.attrib.get("text-anchor") == "middle"
            room = text_width(element.text or "", size)
            start = float(element.attrib["x"]) - (room / 2 if centred else 0)
            assert start >= 0 and start + room <= width + 1, element.text


def test_words_under_a_small_matrix_do_not_reach_into_the_histogram():
    root = ET.fromstring(dg.view([[1.0, -1.0], [2.0, 0.0]]).svg)
    texts = {e.text: e for e in root.iter() if e.tag.endswith("text")}
    below = texts["rows 0 to 1, columns 0 to 1"]
    end = float(below.attrib["x"]) + text_width(below.text, 11)
    assert end < float(texts["shape 2 × 2, float64"].attrib["x"])


def test_a_single_row_is_no_rows():
    texts = {e.text for e in ET.fromstring(dg.view(np.eye(3)[:1]).svg).iter()}
    assert "row 0, columns 0 to 2" in texts
    texts = {e.text for e in ET.fromstring(dg.view(np.eye(3)[:, :1]).svg).iter()}
    assert "rows 0 to 2, column 0" in texts


def test_values_travel_with_the_picture():
    small = values_of(picture_of_array(np.array([[1 / 3, np.nan], [np.inf, 1e9]])))
    assert small["values"] == [0.3333, "NaN", "Infinity", 1e9]
    pixels = RNG.integers(0, 256, (30, 28, 28), dtype=np.uint8)
    found = values_of(picture_of_array(pixels))
    cells = np.frombuffer(zlib.decompress(base64.b64decode(found["cells"])), np.uint8)
    assert np.array_equal(np.array(found["table"])[cells], pixels.ravel())
    assert found["prefixes"][7] == [7] and found["axes"] == 3
    assert {"values", "table"}.isdisjoint(values_of(picture_of_array(EXAMPLES["large"])))


def test_the_same_bytes_in_another_process():
    code = (
        "import numpy as np, dlgraph as dg;"
        "x = np.random.default_rng(3).normal(size=(70, 30, 20)); x[0, 0, 0] = np.nan;"
        "print(dg.view(x, title='x')._repr_mimebundle_())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(runs) == 1 and "<svg" in runs.pop()


def test_no_plotting_library_is_imported():
    code = "import sys, dlgraph as dg; dg.view([[1.0]]).svg; print('matplotlib' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_pixels_say_what_the_values_are():
    x = np.array([[-2.0, -1.0, 0.0], [0.5, 1.0, 2.0]], "float32")
    pixels = images(dg.view(x).svg)[""].astype(int)
    blueness = pixels[..., 2] - pixels[..., 0]
    assert (blueness[x < 0] > 60).all() and (blueness[x > 0] < -40).all()
    assert abs(blueness[0, 2]) <= 4  # zero is neutral


def test_the_colours_are_centred_at_zero_where_both_signs_occur():
    scale = scale_of(np.array([-1.0, 4.0]))
    assert scale.levels(np.array([0.0, 4.0, -4.0])).tolist() == [125, 250, 0]
    assert scale_of(np.array([2.0, 4.0])).colour(2.0) == "#000000"
    assert scale_of(np.array([-2.0, -1.0])).colour(-1.0) == "#ffffff"


def test_images_look_like_images():
    batch = EXAMPLES["images"]
    shown = images(dg.view(batch).svg)
    del shown["key"]
    assert list(shown) == [str(k) for k in range(64)]
    grey = shown["5"].astype(int)
    assert (grey[..., 0] == grey[..., 1]).all() and (grey[..., 1] == grey[..., 2]).all()
    assert np.abs(grey[..., 0] - batch[5].astype(int)).max() <= 1
    assert "64 of 70 slices are shown" in str(dg.view(batch))


@pytest.mark.parametrize("value, entry", [(np.nan, NAN), (np.inf, PLUS), (-np.inf, MINUS)])
def test_one_bad_element_of_a_large_array_is_seen(value, entry):
    x = np.zeros((1_000, 1_000))
    x[777, 333] = value
    picture = picture_of_array(x)
    assert max(picture.tiles[0].values.shape) <= 256 and picture.block == (4, 4)
    pixels = images(dg.view(x).svg)[""]
    marked = np.argwhere((pixels == rgb(MARKS[entry])).all(axis=2))
    assert marked.tolist() == [[777 // 4, 333 // 4]]
    assert "at [777, 333]" in str(dg.view(x))


def test_means_of_blocks_are_means():
    x = RNG.normal(size=(10, 7))
    found = cells_of(x, 4)
    assert found.block == (3, 2)
    for row in range(4):
        for column in range(4):
            block = x[3 * row : 3 * row + 3, 2 * column : 2 * column + 2]
            assert np.isclose(found.values[row, column], block.mean())
    huge = np.full((4, 4), 1.7e308)
    assert (cells_of(huge, 2).values == 1.7e308).all()


def test_all_tiles_together_stay_within_the_limit():
    for shape in ((64, 300, 300), (64, 200, 40, 40), (8, 8, 100, 900), (3, 5, 2000)):
        picture = picture_of_array(np.zeros(shape))
        assert sum(tile.values.size for tile in picture.tiles) <= CELLS
        assert max(max(tile.values.shape) for tile in picture.tiles) <= 256


def test_statistics_are_of_all_elements():
    x = np.zeros((600, 900), "float32")
    x[::2] = 3.0
    x[599, 899] = np.nan
    summary = summarise(x)
    good = x[np.isfinite(x)].astype("float64")
    assert (summary.low, summary.high) == (0.0, 3.0)
    assert np.isclose(summary.mean, good.mean(), rtol=1e-12)
    assert np.isclose(summary.deviation, good.std())
    assert (summary.zeros, summary.nan, summary.first_bad) == (300 * 900 - 1, 1, (599, 899))


def test_a_share_is_never_rounded_to_none_or_all():
    x = np.ones(1_000_000)
    x[0] = 0
    assert "zeros: under 0.01 %" in in_words(summarise(x))
    assert "zeros: over 99.9 %" in in_words(summarise(1 - x))
    assert "zeros: 100 %" in in_words(summarise(0 * x))
    assert "zeros: none" in in_words(summarise(x + 1))


def test_large_values_do_not_overflow_their_own_statistics():
    summary = summarise(np.array([1.7e308, 1.7e308, -1.7e308]))
    assert np.isclose(summary.mean, 1.7e308 / 3) and np.isfinite(summary.deviation)
    assert np.isclose(summarise(np.array([65000.0] * 100, "float16")).mean, 64992)


def test_the_histogram_counts_every_finite_element():
    for x in EXAMPLES.values():
        found = histogram(np.asarray(x))
        assert sum(found.counts) == np.isfinite(x).sum()
    dice = histogram(np.array([1, 1, 6, 3]))
    assert dice.whole and dice.counts == (2, 0, 1, 0, 0, 1)


def test_a_bar_that_would_flatten_all_others_is_cut():
    heights, cut = bar_heights((10, 1_000, 5))
    assert cut == 1 and heights[1] == 1.0 and heights[0] == 0.8
    assert bar_heights((7,)) == ([1.0], None)
    svg = dg.view(np.r_[np.zeros(990), np.arange(1, 11)]).svg
    assert ">99 %<" in svg


def test_numbers_stand_in_large_cells_and_can_be_read():
    svg = dg.view(np.array([[-1.5, 0.25], [1234567.0, 1e-9]])).svg
    for words in ("-1.5", "0.25", "1e-09"):
        assert f">{words}<" in svg
    assert cell_text(1234567.0, 10) == ""
    assert readable_on("#000000") == "#ffffff" and readable_on("#f7f7f5") == "#000000"


def test_cells_are_whole_pixels_where_there_is_room():
    for name in ("small", "images", "counts"):
        place = plan_of(picture_of_array(EXAMPLES[name])).places[0]
        assert place.cell[0] == place.cell[1] == int(place.cell[0])


def test_png_is_what_other_programs_read():
    from PIL import Image

    levels = RNG.integers(0, 254, (13, 9)).astype(np.uint8)
    for signed in (True, False):
        palette = Scale(-1.0, 1.0, signed).palette
        for shown in (levels, np.minimum(levels, 250)):
            with Image.open(io.BytesIO(png(shown, palette))) as image:
                assert np.array_equal(np.array(image.convert("RGB")), palette[shown])
    raw = png(np.zeros((1, 1), np.uint8), palette)
    assert raw[-8:-4] == b"IEND" and raw[-4:] == zlib.crc32(b"IEND").to_bytes(4, "big")


def test_it_is_called_as_the_user_calls_it():
    weights = dg.Tensor([[1.0, 2.0]])
    named = dg.Parameter([1.0], name="bias")
    assert str(dg.view(weights)).startswith("weights: shape 1 × 2")
    assert str(dg.view(named)).startswith("bias: ")
    assert str(dg.view(np.ones(3) * 2)).startswith("shape (3,)")


def test_words_for_those_who_cannot_see():
    figure = dg.view([[1.0, float("nan")], [0.0, 2.5]], title="m")
    assert figure.describe().splitlines()[-2:] == ["  1 nan", "  0 2.5"]
    root = ET.fromstring(figure.svg)
    assert root.attrib["role"] == "img" and "NaN: 1" in root.attrib["aria-label"]
    assert root.find("{http://www.w3.org/2000/svg}desc").text == figure.describe()


@pytest.mark.parametrize(
    "title", ["</script><b>", '"><svg onload=x>', "]]>", "‮abc", "x" * 10_000, "图 🙂", "a\x00b"]
)
def test_a_title_is_only_ever_text(title):
    figure = dg.view([[1.0]], title=title)
    bundle = figure._repr_mimebundle_()
    assert ET.fromstring(bundle["image/svg+xml"]) is not None
    assert "onload=x>" not in bundle["text/html"] and "<b>" not in bundle["text/html"]
    assert "‮" not in bundle["image/svg+xml"]


def test_what_cannot_be_shown():
    with pytest.raises(ShapeError, match="up to four axes"):
        dg.view(np.zeros((1, 1, 1, 1, 1)))
    with pytest.raises(DtypeError, match="real numbers"):
        dg.view(np.array([1j]))
    with pytest.raises(DtypeError, match="view shows numbers"):
        dg.view("text")
    with pytest.raises(OperationError, match="no array"):
        dg.view([[1.0], [1.0, 2.0]])
    with dg.Graph().as_default():
        x = dg.placeholder((2,), name="x")
    with pytest.raises(SymbolicValueError, match="no value until"):
        dg.view(x)


def test_it_is_saved(tmp_path):
    path = dg.view([[1.0, 2.0]]).save(tmp_path / "w.svg")
    assert ET.parse(path).getroot().tag.endswith("svg")
