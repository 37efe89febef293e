"""Files that are cut off, wrong or malicious: a clear error names the entry, nothing is run."""

import contextlib
import copy
import json
import pickle
import struct

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.errors import DataError, DlgraphError
from dlgraph.io.plain import read_json
from dlgraph.io.tensors import check_header, from_bytes, to_bytes


def packed(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_arrays_of_every_kind_come_back():
    arrays = {
        "scalar": np.float32(2.5).reshape(()),
        "empty": np.zeros((0, 3), "float64"),
        "turned": np.arange(6, dtype="int64").reshape(2, 3).T,
        "big endian": np.array([1, 2, 3], ">i4"),
        "flags": np.array([True, False]),
        "half": np.array([1.5, np.inf], "float16"),
        "key": np.array([2**64 - 1], "uint64"),
        "not a number": np.array([np.nan, -0.0]),
        "complex": np.array([1 + 2j], "complex64"),
        "läuft/..": np.array([1], "int8"),
    }
    found, _ = from_bytes(to_bytes(arrays, {}), "file")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].shape == array.shape, name
        assert found[name].dtype == array.dtype.newbyteorder("="), name
        assert np.array_equal(found[name], array, equal_nan=name == "not a number"), name
    found["turned"][0] = 7  # they may be written to


def test_every_truncation_is_noticed():
    content = to_bytes({"a": np.arange(3.0), "b": np.ones((2, 2), "float32")}, {"k": "v"})
    for length in range(len(content)):
        with pytest.raises(DataError, match=r"^file"):
            from_bytes(content[:length], "file")
    from_bytes(content, "file")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes are too few"),
        (struct.pack("<Q", 2**60) + b"{}", "the header claims 1,152,921,504,606,846,976 bytes"),
        (packed(b"[1, 2"), "not valid JSON"),
        (packed(b"[]"), "not an object"),
        (packed(b"\xff\xfe{}"), "not valid JSON"),
        (packed(b"[" * 100_000), "nested deeper than 64"),
        (packed(b'{"a": ' * 80 + b"1" + b"}" * 80), "nested deeper than 64"),
        (packed({"a": entry(shape=(2,))}, b"1234"), r"entry 'a': shape \(2,\) of F32 takes 8"),
        (packed({"a": entry(shape=(-1,))}, b"1234"), r"entry 'a': shape: -1 is not a whole"),
        (packed({"a": entry(shape=(1.0,))}, b"1234"), r"entry 'a': shape: 1.0 is not a whole"),
        (packed({"a": entry(shape=(True,))}, b"1234"), r"entry 'a': shape: True is not a whole"),
        (packed(b'{"a": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 4]}}'), "NaN is no"),
        (packed({"a": entry(shape=(2**62,) * 9)}, b"1234"), "entry 'a': shape"),
        (packed({"a": entry(dtype="PICKLE")}, b"1234"), "entry 'a': the dtype 'PICKLE'"),
        (packed({"a": entry(offsets=(0, 400))}, b"1234"), "entry 'a': its data is said to lie"),
        (packed({"a": entry(offsets=(4, 0))}, b"1234"), "entry 'a': its data is said to lie"),
        (packed({"a": entry(offsets=(0,))}, b"1234"), "entry 'a': 'data_offsets' is not a pair"),
        (packed({"a": {"dtype": "F32"}}, b"1234"), "entry 'a': 'shape' is missing"),
        (packed({"a": [1]}, b"1234"), "entry 'a': an object is needed"),
        (packed({"a": {**entry(), "x": 1}}, b"1234"), "entry 'a': the field 'x' is unknown"),
        (packed({"a": entry(), "b": entry()}, b"1234"), "entry 'b': overlaps"),
        (packed({"a": entry(offsets=(4, 8))}, b"12345678"), "entry 'a': leaves a gap"),
        (packed({"a": entry()}, b"12345678"), "4 bytes at its end belong to no entry"),
        (
            packed(b'{"a": %b, "a": %b}' % ((json.dumps(entry()).encode(),) * 2), b"1234"),
            "'a' occurs twice",
        ),
        (packed({"__metadata__": {"a": 1}}), "entry '__metadata__'"),
        (packed(b"9" * 5000), "not valid JSON"),
    ],
)
def test_wrong_headers(content, message):
    with pytest.raises(DataError, match=message):
        check_header(content, "file")


def test_files_of_other_formats_are_called_by_their_name(tmp_path):
    np.save(tmp_path / "w.npy", np.ones(3))
    np.savez(tmp_path / "w.npz", w=np.ones(3))
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"w": 1}))
    (tmp_path / "w.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(80))
    words = {"npy": "an array of NumPy", "npz": "a zip archive", "pkl": "a pickle", "h5": "an HDF5"}
    for end, called in words.items():
        with pytest.raises(DataError, match=f"this is {called}.*no safetensors file") as caught:
            dg.load(tmp_path / f"w.{end}")
        assert "damaged" not in caught.value.hint
    # A length whose first bytes are those of a pickle.
    check_header(struct.pack("<Q", 0x0480) + b"{}".ljust(0x0480), "file")


def test_a_long_json_is_refused(monkeypatch):
    monkeypatch.setattr("dlgraph.io.plain.MAX_JSON", 10)
    with pytest.raises(DataError, match="more than 10"):
        read_json(b" " * 11, "file")


def test_random_damage_never_gives_another_kind_of_error():
    good = to_bytes({"a": np.arange(3.0), "b": np.ones((2, 2), "float32")}, {"k": "v"})
    generator = np.random.default_rng(0)
    for _ in range(500):
        content = bytearray(good)
        for place in generator.integers(0, len(content), generator.integers(1, 4)):
            content[place] = generator.integers(256)
        try:
            from_bytes(bytes(content), "file")
        except DataError as error:
            assert error.what.startswith("file")


# ---- graphs --------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    w = dg.Parameter(np.ones((2, 2), "float32"), name="w")
    with dg.Graph().as_default():
        x = dg.placeholder((None, 2), name="x")
        h = (x @ w)[:, 0:1].sum(axis=1)
        y = dg.cond(h.sum() > 0, lambda a: a * 2.0, lambda a: a, h)
    dg.save_inference_model(tmp_path / "m", x, {"y": y})
    return tmp_path / "m"


def test_the_saved_model_is_good(saved):
    assert dg.load_inference_model(saved)([[1.0, 2.0]]).tolist() == [6.0]


def node(found, op):
    return next(entry for entry in found["nodes"] if entry["op"] == op)


def set_in(op, key, value):
    return lambda found: node(found, op).__setitem__(key, value)


def set_top(key, value):
    return lambda found: found.__setitem__(key, value)


def set_attr(op, key, value):
    return lambda found: node(found, op).setdefault("attrs", {}).__setitem__(key, value)


CHANGES = {
    "other format": (set_top("format", "x"), "its format is 'x'"),
    "newer version": (set_top("version", 2), "version 2"),
    "version text": (set_top("version", "1"), "'version' is text"),
    "unknown field": (set_top("code", "import os"), "'code' is unknown"),
    "path traversal": (set_top("weights", "../secret.safetensors"), "no name of a weights file"),
    "absolute path": (set_top("weights", "/etc/passwd"), "no name of a weights file"),
    "missing weights": (set_top("weights", f"weights-{'0' * 16}.safetensors"), "there is no file"),
    "wrong hash": (set_top("sha256", "0" * 64), "the hash differs"),
    "no nodes": (lambda found: found.pop("nodes"), "'nodes' is missing"),
    "nodes text": (set_top("nodes", "abc"), "'nodes' is text, not list"),
    "node is a list": (lambda found: found["nodes"].__setitem__(1, []), "node 1: an object"),
    "cycle": (set_in("matmul", "inputs", [0, 2]), "'matmul': inputs names node 2, which is not be"),
    "forward": (set_in("matmul", "inputs", [0, 9]), "'matmul': inputs names node 9, which is not"),
    "negative input": (set_in("matmul", "inputs", [0, -1]), "'matmul': inputs: -1 is not a whole"),
    "bool input": (set_in("matmul", "inputs", [0, True]), "'matmul': inputs: True is not a whole"),
    "too few inputs": (set_in("matmul", "inputs", [0]), "matmul takes 2 inputs, not 1"),
    "unknown op": (set_in("matmul", "op", "os.system"), "'os.system' is not known"),
    "op no text": (set_in("matmul", "op", 3), "'op' is 3, not str"),
    "duplicate name": (set_in("matmul", "name", "x"), "another node has this name"),
    "empty name": (set_in("matmul", "name", ""), "is no name"),
    "control character": (set_in("matmul", "name", "a\nb"), "is no name"),
    "huge name": (set_in("matmul", "name", "a" * 2000), "is no name"),
    "wrong shape": (set_in("matmul", "shape", [{"dim": 0}, 3]), r"matmul gives \(\?, 2\) float32"),
    "wrong rank": (set_in("matmul", "shape", [2]), "matmul gives"),
    "wrong dtype": (set_in("matmul", "dtype", "float64"), "matmul gives"),
    "object dtype": (set_in("matmul", "dtype", "object"), "'object' is no element type"),
    "negative size": (set_in("placeholder", "shape", [-3, 2]), "shape: -3 is not a whole"),
    "empty size": (set_in("placeholder", "shape", [{}]), "None is not a whole number"),
    "unknown dim": (set_in("placeholder", "shape", [{"dim": 7}, 2]), "7 is not a whole number"),
    "huge size": (set_in("placeholder", "shape", [2**70]), "is not a whole number"),
    "many axes": (set_in("placeholder", "shape", [1] * 65), "65 axes"),
    "unknown attribute": (set_attr("sum", "code", "x"), "has no argument code"),
    "wrong attribute": (set_attr("sum", "axis", "x"), "axis must be an integer"),
    "missing attribute": (lambda found: node(found, "slice").pop("attrs"), "needs the argument"),
    "zero step": (set_attr("slice", "index", [{"slice": [0, 1, 0]}]), "the step is 0"),
    "bad slice": (set_attr("slice", "index", [{"slice": ["a", 1, 1]}]), "start, stop and step"),
    "deep attribute": (set_attr("sum", "axis", [[[[[[[[[[1]]]]]]]]]]), "nested deeper than 8"),
    "unknown form": (set_attr("sum", "axis", {"eval": "1"}), "no known form"),
    "two forms": (set_attr("sum", "axis", {"dim": 0, "at": 0}), "no known form"),
    "missing tensor": (
        set_attr("variable", "tensor", {"tensor": "v", "trained": True}),
        "'w': attribute 'tensor': tensor: the file with the weights has no entry 'v'",
    ),
    "tensor is a number": (set_attr("variable", "tensor", 3), "a tensor is needed, not a int"),
    "body is a number": (set_attr("cond", "then", 0), "the attribute 'then' is no body"),
    "unknown body": (set_attr("cond", "then", {"body": 9}), "9 is not a whole number"),
    "body values": (lambda found: found["bodies"][0]["inputs"].pop(), "inputs are not its place"),
    "body outputs": (lambda found: found["bodies"][0].update(outputs=[99]), "names node 99"),
    "fetch beyond": (lambda found: found["fetches"][0].update(node=99), "99 is not a whole"),
    "no fetch": (set_top("fetches", []), "it has no fetches"),
    "feed twice": (lambda found: found["feeds"].append(found["feeds"][0]), "occurs twice"),
    "no feed": (set_top("feeds", []), "needs a value"),
    "dims": (set_top("dims", [3]), "3 is no name of a size"),
    "lines in dims": (set_top("dims", ["a\nb"]), "is no name of a size"),
    "inline array": (
        set_attr("constant", "value", {"array": "float32", "shape": [3], "values": [1.0]}),
        "1 values for the shape",
    ),
    "inline array of text": (
        set_attr("constant", "value", {"array": "float32", "shape": [1], "values": ["os"]}),
        "no numbers of type float32",
    ),
    "inline bomb": (
        set_attr("constant", "value", {"array": "float32", "shape": [2**40], "values": []}),
        "is not a whole number",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_wrong_graphs(name, saved):
    change, message = CHANGES[name]
    found = json.loads((saved / "graph.json").read_text())
    change(found)
    (saved / "graph.json").write_text(json.dumps(found))
    with pytest.raises(DataError, match=message):
        dg.load_inference_model(saved)


def test_mixed_up_weights_are_named(saved, tmp_path):
    weights = next(saved.glob("weights-*"))
    weights.write_bytes(to_bytes({"w": np.ones((2, 2), "float32"), "v": np.ones(2)}, {}))
    with pytest.raises(DataError, match="'v' is used by no node"):
        dg.load_inference_model(saved)
    weights.write_bytes(to_bytes({"w": np.ones((3, 2), "float32")}, {}))
    with pytest.raises(DataError, match=r"'w': variable gives \(3, 2\) float32, the file says"):
        dg.load_inference_model(saved)
    weights.write_bytes(to_bytes({"w": np.ones((2, 2), "float64")}, {}))
    with pytest.raises(DataError, match="variable gives"):
        dg.load_inference_model(saved)
    weights.write_bytes(to_bytes({"w": np.zeros((2, 2), "float32")}, {}))
    with pytest.raises(DataError, match="the hash differs"):
        dg.load_inference_model(saved)


def test_random_damage_of_a_graph_gives_clear_errors_only(saved):
    good = json.loads((saved / "graph.json").read_text())
    generator = np.random.default_rng(0)
    junk = [None, True, -1, 2**80, 1.5, "x", [], {}, [1], {"body": 0}, {"dim": 0}, {"stored": "w"}]
    loaded = 0
    for _ in range(400):
        found = copy.deepcopy(good)
        places = []
        stack = [found]
        while stack:
            part = stack.pop()
            keys = part.keys() if isinstance(part, dict) else range(len(part))
            for key in keys:
                places.append((part, key))
                if isinstance(part[key], (dict, list)):
                    stack.append(part[key])
        part, key = places[generator.integers(len(places))]
        part[key] = junk[generator.integers(len(junk))]
        (saved / "graph.json").write_text(json.dumps(found))
        try:
            model = dg.load_inference_model(saved)
            loaded += 1
        except DataError as error:
            assert error.what
            continue
        with contextlib.suppress(DlgraphError):  # what loads must also run, or say why not
            model(np.ones((1, 2), "float32"))
    assert loaded < 100


def test_a_missing_folder(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        dg.load_inference_model(tmp_path / "nothing")
