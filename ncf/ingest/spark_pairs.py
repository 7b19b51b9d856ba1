"""The filters of a log in Spark, `where` and those of `ncf.data.filters`, up to the pairs, which come in slices."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812 (its usual name)

from ncf.data import ITEM_ID, RATING, TIMESTAMP, USER_ID
from ncf.data.coded import CodedLog, Codes
from ncf.data.config import FeedbackConfig, FilterConfig, Where
from ncf.data.filters import core_reason, nothing_left, outside_scale, reasons_of, refuse_impossible
from ncf.data.ratings import Tally
from ncf.data.times import microseconds_of
from ncf.ingest.columns import FILTER
from ncf.ingest.spark_columns import BAD_LINE, Rows, refuse_lines
from ncf.ingest.where import RowFilter

SLICE_ROWS = 4_000_000  # that come here at once: some 100 MB
KEPT, *LEFT_OUT, NEVER = range(6)
DISLIKED, USER_PASSIVE, ITEM_PASSIVE, OUTSIDE_CORE = LEFT_OUT  # in the order of the filters
SLICE, STAGE, PAIRS, ROWS, LEFT, ODD, NEWEST = "slice", "stage", "pairs", "rows", "left", "odd", "newest"


def take_rows(rows: Rows, where: Where) -> tuple[Rows, RowFilter]:
    """The rows that `where` takes, with the ratings that it gives.

    Raises:
        DataError: a line is no row, or no row is taken.
    """
    taken, frame = RowFilter(where), rows.frame
    if where and BAD_LINE in frame.columns:
        every = [F.count(F.col(f"`{name}`")).alias(name) for name in frame.columns]  # so that each is read and judged
        if number := frame.agg(*every).toArrow()[BAD_LINE][0].as_py():
            refuse_lines(rows, number)
    for column in taken.columns:
        own = F.col(f"`{FILTER + column}`")
        counts = frame.groupBy(own.alias("value")).count().toArrow().to_pylist()
        values, _ = taken.of_groups(column, {row["value"]: row["count"] for row in counts})
        if not values:
            raise taken.refusal(rows.where)
        frame = frame.where(
            own.isin([value for value in values if value is not None]) | (own.isNull() & (None in values))
        )
        if column not in taken.unrated:
            ratings = taken.ratings(column, pd.Series(values, dtype=object)).tolist()
            each = (F.when(own.eqNullSafe(value), rating) for value, rating in zip(values, ratings, strict=True))
            frame = frame.withColumn(RATING, F.coalesce(*each))
    return replace(rows, frame=frame.drop(*(FILTER + column for column in taken.columns))), taken


@dataclass
class _Pairs:
    """One row a pair, kept on the executors' disks, and which users and items are left out of them so far.

    Attributes:
        frame: user_id, item_id, rating, timestamp, stage (KEPT, DISLIKED), rows of the pair, slice.
        gone: column -> stage -> the ids that are left out there.
    """

    spark: SparkSession
    frame: DataFrame
    gone: dict[str, dict[int, Any]] = field(default_factory=lambda: {USER_ID: {}, ITEM_ID: {}})

    def left(self) -> DataFrame:
        """The pairs that no stage has left out so far."""
        frame = self.frame.where(F.col(STAGE) == KEPT)
        for column, stages in self.gone.items():
            chunks = [chunk for ids in stages.values() for chunk in ids.chunks if len(chunk)]
            if chunks:
                gone = self.spark.createDataFrame(pa.table({column: pa.chunked_array(chunks)}))
                frame = frame.join(gone, column, "left_anti")
        return frame

    def leave_out(self, column: str, stage: int, ids: Any) -> None:
        """Mark users or items (an Arrow chunked array), which are left until now."""
        earlier = self.gone[column].get(stage)
        self.gone[column][stage] = pa.chunked_array([*(earlier.chunks if earlier else ()), *ids.chunks], ids.type)

    def leave_out_passive(self, column: str, stage: int, table: Any, since: int) -> int:
        """Mark those whose newest is before a time, of a table with how many pairs each has; returns their sum."""
        passive = table.filter(pc.less(table[NEWEST], since))
        self.leave_out(column, stage, passive[column])
        return int(pc.sum(passive[LEFT]).as_py() or 0)


def filtered_pairs(
    spark: SparkSession, rows: Rows, tally: Tally, filters: FilterConfig, feedback: FeedbackConfig
) -> CodedLog:
    """What `filter_ratings` makes of the same rows.

    Raises:
        DataError: as those of `filter_ratings`.
    """
    refuse_impossible(filters, has_times=TIMESTAMP in rows.frame.columns, has_splits=False)
    slices = -(-tally.rows_read // SLICE_ROWS)
    frame = _merged(rows, filters, feedback, slices).persist(StorageLevel.DISK_ONLY)
    try:
        return _filtered(_Pairs(spark, frame), rows, tally, filters, feedback, slices)
    finally:
        frame.unpersist()


def _merged(rows: Rows, filters: FilterConfig, feedback: FeedbackConfig, slices: int) -> DataFrame:
    """One row for each pair, with its stage; one shuffle, by user, does for this and for the order."""
    frame = rows.frame if TIMESTAMP in rows.frame.columns else rows.frame.withColumn(TIMESTAMP, F.lit(0).cast("bigint"))
    if filters.as_of is not None:
        frame = frame.where(F.col(TIMESTAMP) < microseconds_of(filters.as_of))
    pair = Window.partitionBy(USER_ID, ITEM_ID)
    in_order = pair.orderBy(TIMESTAMP, *(name for name in rows.order if name != ITEM_ID))
    whole = in_order.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    place = F.row_number().over(in_order)
    rating = F.sum(RATING).over(whole) if filters.repeated == "sum" else F.col(RATING)
    scale = feedback.scale
    outside = F.lit(None) if scale is None else F.when((rating < scale[0]) | (rating > scale[1]), rating)
    odd = outside if filters.repeated == "sum" or scale is None else F.max(outside).over(whole)
    kept = F.lit(1) if filters.repeated == "first" else F.count(F.lit(1)).over(whole)
    merged = frame.repartition(USER_ID).select(
        "*", place.alias("at"), kept.alias("kept"), F.count(F.lit(1)).over(whole).alias(ROWS), rating.alias("merged"),
        odd.cast("double").alias(ODD),
    )  # fmt: skip
    threshold = feedback.threshold
    stage = F.lit(KEPT) if threshold is None else F.when(F.col("merged") < threshold, DISLIKED).otherwise(KEPT)
    order = SLICE, USER_ID, TIMESTAMP, *rows.order
    return (
        merged.where(F.col("at") == F.col("kept"))
        .withColumn(RATING, F.col("merged"))
        .withColumn(STAGE, stage.cast("tinyint"))
        .withColumn(SLICE, F.pmod(F.hash(USER_ID), F.lit(slices)))
        .sortWithinPartitions(*order)
        .select(SLICE, USER_ID, ITEM_ID, RATING, TIMESTAMP, STAGE, ROWS, ODD)
    )


def _filtered(
    pairs: _Pairs, rows: Rows, tally: Tally, filters: FilterConfig, feedback: FeedbackConfig, slices: int
) -> CodedLog:
    reasons, frame = reasons_of(filters, feedback), pairs.frame
    users = _users(frame)
    total = {name: pc.sum(users[name]).as_py() or 0 for name in (PAIRS, ROWS, LEFT, ODD)}
    taken = tally.rows_read - sum(number for _, number in tally.dropped)
    tally = tally.drop(reasons.get("as_of", ""), taken - total[ROWS])
    if total[ODD] and feedback.scale is not None:
        [odd] = frame.where(F.col(ODD).isNotNull()).orderBy(USER_ID, TIMESTAMP).limit(1).toArrow().to_pylist()
        raise outside_scale(odd[USER_ID], odd[ITEM_ID], odd[ODD], feedback.scale, total[ODD])
    repeated = total[ROWS] - total[PAIRS]
    tally = replace(tally, repeated_pairs=repeated).drop(reasons["repeated"], repeated)
    tally = tally.drop(reasons.get("threshold", ""), total[PAIRS] - total[LEFT])
    if filters.users_active_since is not None:
        gone = pairs.leave_out_passive(USER_ID, USER_PASSIVE, users, microseconds_of(filters.users_active_since))
        tally = tally.drop(reasons["users_active_since"], gone)
    if filters.items_active_since is not None:
        newest = pairs.left().groupBy(ITEM_ID).agg(F.count(F.lit(1)).alias(LEFT), F.max(TIMESTAMP).alias(NEWEST))
        since = microseconds_of(filters.items_active_since)
        gone = pairs.leave_out_passive(ITEM_ID, ITEM_PASSIVE, newest.toArrow(), since)
        tally = tally.drop(reasons["items_active_since"], gone)
    tally = _leave_out_around_core(pairs, tally, filters)
    shipped = frame if feedback.below_threshold == "seen" else frame.where(F.col(STAGE) == KEPT)
    counts = users.select([USER_ID, PAIRS if feedback.below_threshold == "seen" else LEFT])
    if filters.max_users is not None:
        kept = pairs.left().groupBy(USER_ID).count().toArrow().sort_by(USER_ID)
        tally = tally.drop(reasons["max_users"], pc.sum(kept["count"][filters.max_users :]).as_py() or 0)
        if len(kept) > filters.max_users:
            beyond = kept[USER_ID][filters.max_users]
            shipped = shipped.where(F.col(USER_ID) < beyond.as_py())
            counts = counts.filter(pc.less(counts[USER_ID], beyond))
    log = _collected(pairs, shipped, counts, slices)
    if not len(log):
        raise nothing_left(tally)
    return replace(log, has_times=TIMESTAMP in rows.frame.columns, tally=tally)


def _users(frame: DataFrame) -> Any:
    """A table of one row a user, sorted: what there is of them, and how new the newest is that counts."""
    kept = F.when(F.col(STAGE) == KEPT, F.col(TIMESTAMP))
    facts = {
        PAIRS: F.count(F.lit(1)),
        ROWS: F.sum(ROWS),
        LEFT: F.count(kept),
        NEWEST: F.max(kept),
        ODD: F.count(ODD),
    }
    return frame.groupBy(USER_ID).agg(*(fact.alias(name) for name, fact in facts.items())).toArrow().sort_by(USER_ID)


def _leave_out_around_core(pairs: _Pairs, tally: Tally, filters: FilterConfig) -> Tally:
    """Round by round, as `ncf.data.filters` does it: those with too few go, until nobody has."""
    least = {USER_ID: filters.min_per_user, ITEM_ID: filters.min_per_item}
    sides = [column for column, number in least.items() if number > 1]
    rounds, before = 0, 0
    while sides:
        left = pairs.left()
        few = {
            side: left.groupBy(side).count().where(F.col("count") < least[side]).select(side).toArrow()[side]
            for side in sides
        }
        if not any(len(ids) for ids in few.values()):
            break
        before = before or left.count()
        rounds += 1
        for side, ids in few.items():
            pairs.leave_out(side, OUTSIDE_CORE, ids)
        if len(sides) == 1:  # leaving out one does not take another one along
            break
    gone = before - pairs.left().count() if rounds else 0
    return tally.drop(core_reason(filters.min_per_user, filters.min_per_item, rounds), gone)


def _collected(pairs: _Pairs, shipped: DataFrame, counts: Any, slices: int) -> CodedLog:
    """The pairs of these users, in their order, and which of them are left out.

    Args:
        pairs: with all that is left out.
        shipped: the rows that are to come.
        counts: user_id, sorted, and how many rows of each will come.
        slices: a user's rows are all in one.
    """
    user_ids, per_user = (counts[name].combine_chunks() for name in counts.column_names)
    item_ids = shipped.select(ITEM_ID).distinct().toArrow().sort_by(ITEM_ID)[ITEM_ID].combine_chunks()
    ends = np.cumsum(per_user.to_numpy())
    begins, rows = ends - per_user.to_numpy(), int(ends[-1]) if len(ends) else 0
    users = np.repeat(np.arange(len(user_ids), dtype=np.int32), per_user.to_numpy())
    items, ratings, times = np.empty(rows, np.int32), np.empty(rows), np.empty(rows, np.int64)
    stages = np.empty(rows, np.int8)
    for number in range(slices):
        part = shipped.where(F.col(SLICE) == number).select(USER_ID, ITEM_ID, RATING, TIMESTAMP, STAGE).toArrow()
        places = _places(pc.index_in(part[USER_ID], user_ids).to_numpy(), begins)
        items[places] = pc.index_in(part[ITEM_ID], item_ids).to_numpy()
        ratings[places], times[places] = part[RATING].to_numpy(), part[TIMESTAMP].to_numpy()
        stages[places] = part[STAGE].to_numpy()
    gone = np.minimum(_stages(pairs.gone[USER_ID], user_ids)[users], _stages(pairs.gone[ITEM_ID], item_ids)[items])
    stages = np.where((stages == KEPT) & (gone < NEVER), gone, stages)
    kept = stages == KEPT
    left_out = [(stages == stage, stage != DISLIKED) for stage in LEFT_OUT]
    return CodedLog(
        user_ids.to_numpy(zero_copy_only=False),
        item_ids.to_numpy(zero_copy_only=False),
        users[kept],
        items[kept],
        ratings[kept],
        times[kept],
        left_out=tuple((users[rows], items[rows], liked) for rows, liked in left_out if rows.any()),
    )


def _places(users: Codes, begins: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where rows belong whose users come in runs: after `begins` of the user, in their order."""
    new = np.flatnonzero(np.diff(users, prepend=-1))
    return np.arange(len(users)) + np.repeat(begins[users[new]] - new, np.diff(new, append=len(users)))


def _stages(gone: dict[int, Any], ids: Any) -> NDArray[np.int8]:
    """int8[ids]: the stage that left each out, or NEVER."""
    stages = np.full(len(ids), NEVER, dtype=np.int8)
    for stage, some in gone.items():
        codes = pc.index_in(some, ids).drop_null()
        stages[codes.to_numpy()] = stage
    return stages
