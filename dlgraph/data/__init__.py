"""Data sets and batches: MNIST and Fashion-MNIST, checked; digits, always there; a `DataLoader`.

    mnist, fashion_mnist   the four original files, from a folder, DLGRAPH_DATA, the cache, or the
                           network
    digits                 real handwriting that needs neither network nor files
    mnist_or_digits        MNIST where it can be had, else digits; says which, and why
    read_idx               any other file in the format of MNIST
    DataLoader             batches, in an order that depends only on (seed, epoch)
    locate                 where a data set would be read from (reads and downloads nothing)

Everything here is NumPy arrays.  Read next: `datasets.py`, then `loader.py`.
"""

from dlgraph.data.dataset import Dataset, Split
from dlgraph.data.datasets import fashion_mnist, mnist, mnist_or_digits
from dlgraph.data.digits import digits
from dlgraph.data.idx import read_idx
from dlgraph.data.loader import DataLoader
from dlgraph.data.places import Place, locate

__all__ = [
    "DataLoader",
    "Dataset",
    "Place",
    "Split",
    "digits",
    "fashion_mnist",
    "locate",
    "mnist",
    "mnist_or_digits",
    "read_idx",
]
