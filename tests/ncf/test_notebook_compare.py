import numpy as np
import pandas as pd
import pytest

from ncf.data.prepared import PreparedData
from ncf.notebook import compare
from tests.ncf.toy_data import fixed_scores

# of `literal`: what is scored highest is the test item of both evaluated users, 3 and 4
RIGHT = fixed_scores([[0, 0, 0, 9, 0, 0], [0, 0, 0, 0, 9, 0], [0, 0, 0, 0, 0, 0]])
WRONG = fixed_scores([[5, 5, 5, 0, 5, 5], [5, 5, 5, 5, 0, 5], [0, 0, 0, 0, 0, 0]])


def test_means_with_their_intervals_below_the_baselines(literal: PreparedData) -> None:
    table = compare({"right": RIGHT, "wrong": WRONG}, literal, metrics=["full/mrr_at_10", "sampled/hr_at_1"])
    assert table.index.tolist() == ["popularity", "item-knn", "right", "wrong"]
    assert list(table) == ["full/mrr_at_10", "full/mrr_at_10_ci95", "sampled/hr_at_1", "sampled/hr_at_1_ci95"]
    wilson = (1 - 0.3424) / 2  # half of the score interval of 2 hits of 2
    assert table.loc["right", :].tolist() == pytest.approx([1.0, wilson, 1.0, wilson], abs=5e-5)
    # user 0 has 0, 1 in train and 2 as validation: 4 and 5 come before 3; user 1 has 0, 2 and 1: 3 and 5 before 4
    assert table.loc["wrong", "full/mrr_at_10"] == pytest.approx(1 / 3)
    assert table.loc["wrong", "sampled/hr_at_1"] == 0.0


def test_the_validation_and_no_baselines(literal: PreparedData) -> None:
    table = compare({"wrong": WRONG}, literal, "validation")
    assert compare({"wrong": WRONG}, literal, "validation", baselines=False).equals(table.loc[["wrong"]])
    assert list(table)[::2] == ["full/hr_at_10", "full/ndcg_at_10", "sampled/hr_at_10", "sampled/ndcg_at_10"]


def test_what_has_no_interval_goes_without(literal: PreparedData) -> None:
    table = compare({"right": RIGHT}, literal, metrics=["full/coverage_at_1"], baselines=False)
    # user 0's first of 3, 4, 5 is 3 and user 1's of 3, 4, 5 is 4
    pd.testing.assert_frame_equal(
        table, pd.DataFrame({"full/coverage_at_1": [np.float64(2 / 6)]}, index=pd.Index(["right"], name="model"))
    )
