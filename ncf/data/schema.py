"""What a checked log looks like, as a pandera schema, and its failures in our words."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaError, SchemaErrors

from ncf.data.columns import ITEM_ID, RATING, TIMESTAMP, USER_ID
from ncf.data.faults import Fault, Locate, fault_in, refuse, row_number
from ncf.data.ids import are_ids, are_not_empty
from ncf.data.times import IN_RANGE, LAST_SECOND
from ncf.errors import DataError

LAST_MICROSECOND = LAST_SECOND * 10**6 + 999_999
ID_CHECKS = (
    (are_not_empty, "an id must not be empty, nor white space alone"),
    (are_ids, "whole numbers below 2**63, text, or UUIDs: one of these in the whole column"),
)


def _id_column() -> pa.Column:
    return pa.Column(checks=[_check(function, error) for function, error in ID_CHECKS], nullable=True)


def _check(function: Any, error: str) -> pa.Check:
    # ignore_na would pass NaN; n_failure_cases: the rows are counted from check_output, one example will do
    return pa.Check(function, error=error, ignore_na=False, n_failure_cases=1)


def _finite(numbers: "pd.Series[float]") -> "pd.Series[bool]":
    return numbers.abs().lt(np.inf)


CHECKED = pa.DataFrameSchema(
    {
        USER_ID: _id_column(),
        ITEM_ID: _id_column(),
        RATING: pa.Column("float64", _check(_finite, "it must be a finite number"), nullable=True),
        TIMESTAMP: pa.Column(
            "int64", _check(lambda times: times.between(0, LAST_MICROSECOND), IN_RANGE), nullable=True
        ),
    },
    strict=True,
    ordered=True,
)


def check_frame(
    frame: pd.DataFrame, raw: pd.DataFrame, faults: Sequence[Fault] = (), locate: Locate = row_number
) -> None:
    """Hold a frame to the schema.

    Args:
        frame: user_id, item_id, rating, timestamp, converted; what could not be is NaN or as it came.
        raw: the same rows as they came, whose values are told.
        faults: what the conversion found already.
        locate: words for a row.

    Raises:
        DataError: with every column's first unusable row.
    """
    refuse([*faults_of(frame, raw), *faults], locate)


def faults_of(frame: pd.DataFrame, raw: pd.DataFrame) -> list[Fault]:
    """What is wrong by the schema; the arguments are those of `check_frame`."""
    try:
        # An environment variable can switch pandera off; not here.
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            CHECKED.validate(frame, lazy=True, inplace=True)  # inplace: no copy of the whole; there is no parser
    except SchemaErrors as errors:
        return [fault for error in errors.schema_errors for fault in _fault(error, raw)]
    return []


def _fault(error: SchemaError, raw: pd.DataFrame) -> list[Fault]:
    column = str(getattr(error.schema, "name", ""))
    if isinstance(error.check, pa.Check) and isinstance(error.check_output, pd.Series) and column in raw:
        bad: NDArray[np.bool_] = ~error.check_output.to_numpy(bool)
        return fault_in(raw[column], bad, str(error.check.error))
    raise DataError("the log does not have the form it should have", got=str(error)) from None
