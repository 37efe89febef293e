"""Whatever the graph: it computes the same before and after every pass."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from dlgraph.passes import PASSES, PassManager
from tests.passes.random_graphs import graphs

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
some = settings(max_examples=40, deadline=None, suppress_health_check=SLOW)


@some
@given(graphs())
def test_exact_passes_keep_every_bit(made):
    for level in (0, 1, 2, 3):
        PassManager(level=level, exact=True, check=True).run(*made)


@some
@given(graphs())
def test_the_other_passes_stay_within_rounding(made):
    for target in ("planned", "fast"):
        PassManager(level=3, exact=False, check=True).run(*made, target=target)


@some
@given(graphs())
def test_without_knowing_the_shapes_too(made):
    graph, fetches, feeds = made
    PassManager(level=3, exact=False, check=True).run(graph, fetches, list(feeds))


@pytest.mark.parametrize("one", PASSES, ids=lambda one: one.name)
@settings(max_examples=15, deadline=None, suppress_health_check=SLOW)
@given(made=graphs())
def test_each_pass_alone(one, made):
    PassManager(passes=[one], exact=False, check=True).run(*made)


@some
@given(graphs())
def test_every_node_leads_back_to_the_graph_that_was_given(made):
    found = PassManager(level=3, exact=False).run(*made)
    size = len(made.graph)
    for record in found.graph.records:
        if found.graph is not made.graph:
            assert record.origin and all(0 <= i < size for i in record.origin)
    for old, new in zip(found.source.nodes, map(found.index, range(size)), strict=True):
        assert new is None or old.spec.dtype == found.graph.records[new].spec.dtype


@some
@given(graphs())
def test_under_a_memory_budget(made):
    PassManager(level=1, check=True).run(*made, memory_budget=100)
