"""Saving and loading, without pickle: nothing in a file is ever executed.

    save, load                 values of a model by name: one safetensors file
    save_inference_model       a graph with its weights, readable JSON beside safetensors
    load_inference_model       runs it without the Python that built it
    save_checkpoint            a training run, to be continued bit for bit

Every write replaces the old file in one step; everything read is checked first.  Read next:
`weights.py`, then `graphs.py`.
"""

from dlgraph.io.checkpoint import load_checkpoint, save_checkpoint
from dlgraph.io.inference import InferenceModel, load_inference_model, save_inference_model
from dlgraph.io.weights import load, save

__all__ = [
    "InferenceModel",
    "load",
    "load_checkpoint",
    "load_inference_model",
    "save",
    "save_checkpoint",
    "save_inference_model",
]
