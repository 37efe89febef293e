"""The benchmark's workloads on the GPU give the check values; no time is looked at."""

import pytest

from tests.test_bench import VALUES, load


@pytest.mark.parametrize(
    "name", ["W1.fwdbwd", "W2", "W3.b16", pytest.param("W6", marks=pytest.mark.slow)]
)
def test_check_values(gpu, name):
    steps, wanted = VALUES[name]
    workloads = load()
    forms = {key: make for key, make in workloads.items() if key.startswith(f"{name}/")}
    on_gpu = [key for key in forms if key.endswith("-gpu")]
    assert len(on_gpu) == {"W3.b16": 3, "W6": 2}.get(name, 1)
    for key in on_gpu:
        setup, step = forms[key]()
        setup()
        assert step(steps) == pytest.approx(wanted, rel=2e-3), key
