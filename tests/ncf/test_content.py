from ncf.config import content_key, flatten


def test_flatten_names_nested_values_with_dots() -> None:
    assert flatten({"a": {"b": 1, "c": {"d": [2]}}, "e": None}) == {"a.b": 1, "a.c.d": [2], "e": None}


def test_equal_values_have_the_same_key_whatever_their_order() -> None:
    assert content_key({"a": 1, "b": [2]}, 3) == content_key({"b": [2], "a": 1}, 3)
    assert content_key({"a": 1}) != content_key({"a": 2})
