"""Fixtures of all the tests of `ncf`."""

import numpy as np
import pytest
import torch

from ncf.data.prepared import PreparedData
from tests.ncf.toy_data import checkerboard, literal_data


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def literal() -> PreparedData:
    return literal_data()


@pytest.fixture(scope="session")
def board() -> PreparedData:
    return checkerboard()
