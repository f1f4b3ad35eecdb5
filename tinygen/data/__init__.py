"""Data: real images, toy densities, and the loader that gives them to training in a resumable order.

dataset.py     what a data set is
catalogue.py   the data sets by name: `load`, `NAMES`, `describe`
loader.py      batches, shuffled by a generator
digits.py      the embedded digits
densities.py   2-D densities with exact log-densities
folder.py      a folder of PNG and JPEG images
mnist.py       MNIST and Fashion-MNIST, found or downloaded
idx.py         their file format
download.py    mirrors, resumption, SHA-256
locations.py   TINYGEN_DATA and the cache
"""

from tinygen.data.catalogue import NAMES, Row, describe, load
from tinygen.data.dataset import Dataset
from tinygen.data.densities import DENSITIES, Density
from tinygen.data.errors import DataError
from tinygen.data.loader import Loader

__all__ = ["DENSITIES", "NAMES", "DataError", "Dataset", "Density", "Loader", "Row", "describe", "load"]
