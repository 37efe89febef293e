"""The engine.  Who interprets a primitive is decided here: Nodes before Tensors before arrays."""

from dlgraph.core.eager import apply_eager
from dlgraph.core.node import Node
from dlgraph.core.primitive import carrier
from dlgraph.core.symbolic import apply_graph
from dlgraph.core.tensor import Tensor

carrier(Node, apply_graph)
carrier(Tensor, apply_eager)
