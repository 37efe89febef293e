"""Every primitive, with every form of its attributes, comes back from a file as it was."""

import numpy as np
import pytest

import dlgraph as dg
from dlgraph.core.primitive import REGISTRY

table = pytest.importorskip("tests.ops.samples", reason="the table of samples is not here")


@pytest.mark.parametrize("name", table.SAMPLES)
def test_saved_and_loaded(name, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda handle: None)  # a thousand files, none of them kept
    for number, sample in enumerate(table.SAMPLES[name].samples):
        for known in (True, False)[: 1 if sample.known_sizes_only else 2]:
            with dg.Graph().as_default() as graph:
                inputs = [
                    dg.placeholder(a.shape if known else (None,) * a.ndim, a.dtype, name=f"x{i}")
                    for i, a in enumerate(sample.arrays)
                ]
                y = REGISTRY[name](*inputs, **sample.attrs)
            values = dict(zip(inputs, sample.arrays, strict=True))
            expected = dg.Session(graph.clone(for_test=True)).run(y, values)
            folder = tmp_path / f"{number}{known}"
            dg.save_inference_model(folder, inputs, {"y": y})
            found = dg.load_inference_model(folder)(*sample.arrays)
            np.testing.assert_array_equal(found, expected, err_msg=str(sample), strict=True)
