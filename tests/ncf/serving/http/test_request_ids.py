from typing import Any
from uuid import UUID

import pytest

from ncf.data.ids import IdKind
from ncf.errors import ConfigError
from ncf.serving.http.schemas import id_from_json, id_from_text

TEXT = "123e4567-e89b-12d3-a456-426614174000"


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("7", "int", 7),
        ("-7", "int", -7),
        ("9223372036854775807", "int", 2**63 - 1),
        ("7", "str", "7"),
        ("é 7", "str", "é 7"),
        (TEXT, "uuid", UUID(TEXT)),
        (TEXT.upper(), "uuid", UUID(TEXT)),
    ],
)
def test_text_becomes_an_id_of_the_models_type(text: str, kind: IdKind, expected: Any) -> None:
    found = id_from_text(text, kind, "user_id")
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *((text, "int") for text in ("", "x", "7.0", " 7", "7_0", "0x7", "٣", "9223372036854775808", "9" * 5000)),
        *((text, "uuid") for text in ("", "7", TEXT[:-1])),
    ],
)
def test_other_text_is_refused_with_what_is_allowed(text: str, kind: IdKind) -> None:
    with pytest.raises(ConfigError, match="user_id is of the wrong type: .*; allowed: ") as caught:
        id_from_text(text, kind, "user_id")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        *((value, "int") for value in ("7", 7.0, True, None, 2**63, -(2**63) - 1, [7])),
        *((value, "str") for value in (7, None, "\ud800", ["a"])),
        *((value, "uuid") for value in (7, None, "a")),
    ],
)
def test_json_values_of_another_type_are_refused(value: Any, kind: IdKind) -> None:
    with pytest.raises(ConfigError, match=r"item_ids\[3\] is of the wrong type"):
        id_from_json(value, kind, "item_ids[3]")
