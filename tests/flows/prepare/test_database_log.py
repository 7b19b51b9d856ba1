"""A log in PostgreSQL with UUIDs, through the real flows: from a Secret block to a champion that answers."""

import io
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import mlflow
import pandas as pd
import pytest
from prefect.blocks.system import Secret

from flows.retrain.flow import retrain
from flows.retrain.report import Report
from flows.tracking.store import global_store, tracking_uri
from tests.flows.conftest import quick
from tests.flows.leaks import captured_logs, stored_texts
from tests.postgres import SECRETS, Postgres

pytestmark = pytest.mark.slow

USERS, ITEMS, ROWS_A_USER = 60, 30, 12


def user_id(number: int) -> UUID:
    return UUID(int=(number + 1) << 96)


@pytest.fixture(scope="module")
def log(postgres: Postgres, workspace: Path, prefect_server: None) -> Iterator[None]:
    """Users of two tastes: an even user plays even songs, an odd one odd songs."""
    rows = [
        (user_id(user), (user + 2 * (user + 3 * place)) % ITEMS, 1_700_000_000 + 60 * place)
        for user in range(USERS)
        for place in range(ROWS_A_USER)
    ]
    postgres.run("DROP TABLE IF EXISTS plays", "CREATE TABLE plays (listener uuid, song bigint, at timestamptz)")
    postgres.run("INSERT INTO plays VALUES (%s, %s, to_timestamp(%s))", rows=rows)
    Secret(value=postgres.url()).save("plays-db", overwrite=True)
    yield
    postgres.run("DROP TABLE plays")


@pytest.fixture(scope="module")
def said() -> Iterator[io.StringIO]:
    with captured_logs() as text:
        yield text


@pytest.fixture(scope="module")
def champion(log: None, said: io.StringIO) -> Report:
    columns = {"user": "listener", "item": "song", "timestamp": "at"}
    source = {"table": "public.plays", "secret_block": "plays-db", "columns": columns, "chunk_rows": 100}
    return retrain(quick(dataset="plays", source=source, data={"num_candidates": 10}))


def test_recommendations_carry_the_uuids(champion: Report, workspace: Path) -> None:
    frame = pd.read_csv(workspace / "recommendations" / "plays.csv")
    assert set(frame["user_id"]) == {str(user_id(user)) for user in range(USERS)}


def test_the_registered_model_takes_and_gives_uuids_as_text(champion: Report) -> None:
    with global_store(tracking_uri()):
        model = mlflow.pyfunc.load_model("models:/ncf-plays@champion")
    asked = [str(user_id(3)), str(UUID(int=5))]
    answer = model.predict(pd.DataFrame({"user_id": asked}), params={"k": 2})
    assert answer["user_id"].tolist() == [asked[0], asked[0], asked[1], asked[1]]
    assert answer["source"].tolist() == ["model", "model", "popularity", "popularity"]


def test_the_password_is_in_no_file_no_log_and_no_parameter(
    champion: Report, workspace: Path, said: io.StringIO
) -> None:
    assert any(path.name == "mlflow.db" for path in workspace.rglob("*"))
    for text in (*stored_texts(workspace), said.getvalue()):
        for secret in SECRETS:
            assert secret not in text
