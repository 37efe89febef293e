"""Layers, initialisers and losses."""

from dlgraph.nn import init
from dlgraph.nn.attention import (
    Embedding,
    MultiHeadAttention,
    TransformerEncoderBlock,
    attention,
    sinusoidal_positions,
)
from dlgraph.nn.layers import Dropout, Flatten, Linear, ReLU, Sequential, Sigmoid, Softmax, Tanh
from dlgraph.nn.module import Module
from dlgraph.nn.norm import BatchNorm, GroupNorm, LayerNorm
from dlgraph.nn.recurrent import GRU, LSTM, RNN
from dlgraph.ops.nn import accuracy, cross_entropy, l1_loss, mse_loss, softmax_cross_entropy

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "BatchNorm",
    "Dropout",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "Module",
    "MultiHeadAttention",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "TransformerEncoderBlock",
    "accuracy",
    "attention",
    "cross_entropy",
    "init",
    "l1_loss",
    "mse_loss",
    "sinusoidal_positions",
    "softmax_cross_entropy",
]
