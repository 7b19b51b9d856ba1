"""Only a query that reads is taken."""

import pytest
from pydantic import ValidationError

from ncf.errors import ConfigError
from ncf.ingest.config import SQLSource

READING = [
    "SELECT user_id, item_id FROM ratings",
    "select 1;",
    "-- what was bought; no INSERT\nSELECT * FROM bought /* not DELETE */ ;  -- end",
    "WITH recent AS (SELECT * FROM t) SELECT * FROM recent",
    "(SELECT a FROM t) UNION ALL (SELECT b FROM u)",
    "SELECT replace(item, 'a', 'b') AS item_id FROM t WHERE note = 'delete from t; drop table t'",
    'SELECT "update", t.delete, updated_at, t.start FROM t',
    "SELECT user_id, count(*) AS rating FROM t WHERE item LIKE '50%' AND note <> ':x' GROUP BY 1",
]
WRITING = [
    ("DELETE FROM ratings", "DELETE"),
    ("  \n-- c\n drop table ratings", "drop"),
    ("UPDATE ratings SET rating = 1", "UPDATE"),
    ("SELECT 1; DELETE FROM ratings", "2 statements"),
    ("SELECT * INTO copy FROM ratings", "INTO"),
    ("WITH gone AS (DELETE FROM ratings RETURNING *) SELECT * FROM gone", "DELETE"),
    ("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", "INSERT"),
    ("SELECT * FROM ratings FOR UPDATE", "UPDATE"),
    ("COPY ratings TO '/tmp/x'", "COPY"),
    ("CALL cleanup()", "CALL"),
    ("VACUUM", "VACUUM"),
    ("PRAGMA user_version = 7", "PRAGMA"),
    ("", "0 statements"),
    ("-- nothing", "0 statements"),
]


@pytest.mark.parametrize("query", READING)
def test_a_query_that_reads_is_taken_as_it_is(query: str) -> None:
    assert SQLSource(query=query).query == query


@pytest.mark.parametrize(("query", "got"), WRITING)
def test_any_other_statement_is_refused_in_the_settings(query: str, got: str) -> None:
    with pytest.raises(ConfigError, match=f"query must be one SELECT that only reads: '{got}'; what to do: "):
        SQLSource(query=query)


def test_a_table_or_a_query_but_not_both() -> None:
    for values in ({}, {"table": "t", "query": "SELECT 1"}):
        with pytest.raises(ValidationError, match="give either table or query"):
            SQLSource.model_validate(values)
