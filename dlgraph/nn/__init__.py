"""Layers, initialisers and losses."""

from typing import NoReturn

from dlgraph.nn import init
from dlgraph.nn.attention import (
    Embedding,
    MultiHeadAttention,
    TransformerEncoderBlock,
    attention,
    sinusoidal_positions,
)
from dlgraph.nn.convolutional import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    Conv1d,
    Conv2d,
    ConvTranspose1d,
    ConvTranspose2d,
    MaxPool2d,
)
from dlgraph.nn.layers import Dropout, Flatten, Linear, ReLU, Sequential, Sigmoid, Softmax, Tanh
from dlgraph.nn.module import Module
from dlgraph.nn.norm import BatchNorm, GroupNorm, LayerNorm
from dlgraph.nn.recurrent import GRU, LSTM, RNN
from dlgraph.ops.losses import cross_entropy
from dlgraph.ops.nn import accuracy, l1_loss, mse_loss, softmax_cross_entropy

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "Dropout",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "MaxPool2d",
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


def __getattr__(name: str) -> NoReturn:
    from dlgraph.core.names import no_function

    raise no_function("dlgraph.nn", name, __all__)
