"""JSON that is refused, each with what the user is told; the advice is followed to its end."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ncf.errors import DataError
from tests.ncf.ingest.log_files import assert_refused, ids, load, write

GOOD = "".join(f'{{"user_id": {n}, "item_id": "i{n}", "rating": 4}}\n' for n in range(150))
FILES: dict[str, tuple[str | bytes, str]] = {
    "cut short": (
        GOOD + '{"user_id": 7, "ite',
        r"line 151 can't be read: .*: '\{\"user_id\": 7, \"ite'; allowed: one JSON object.*fix or remove the line",
    ),
    "no object further on": (GOOD + "[1]\n", r"line 151 is no object: '\[1\]'"),
    "a word further on": (GOOD + "\n\nnothing\n" + GOOD, r"line 153 can't be read"),
    "no user": (
        GOOD + '{"item_id": "i1", "rating": 4}\n' * 3,
        r"line 151 has no user_id \(field user_id\).*the 3 such lines",
    ),
    "an empty user": (GOOD + '{"user_id": null, "item_id": "i1", "rating": 4}\n', r"line 151 has no user_id"),
    "no rating": (GOOD + '{"user_id": 1, "item_id": "i1"}\n', r"line 151 has no rating \(field rating\)"),
    "users as text further on": (
        GOOD + '{"user_id": "7", "item_id": "i1", "rating": 4}\n',
        r"line 151 has an unusable user_id \(field user_id\): '7'; allowed: an integer, as in the lines before",
    ),
    "items as numbers further on": (
        GOOD + '{"user_id": 7, "item_id": 1, "rating": 4}\n',
        r"line 151 has an unusable item_id \(field item_id\): 1; allowed: text in quotes, as in the lines before",
    ),
    "users of both kinds in the first lines": (
        '{"user_id": 7, "item_id": 1}\n{"user_id": "x", "item_id": 1}\n',
        r"line 2 has an unusable user_id .*: 'x'; allowed: an integer",
    ),
    "a fraction": (GOOD + '{"user_id": 1.5, "item_id": "x", "rating": 4}\n', r"line 151 has an unusable user_id .*1.5"),
    "a fraction at once": (
        '{"user_id": 1.0, "item_id": 1}\n{"user_id": 1.5, "item_id": 1}\n',
        r"line 2 .*1.5; allowed: a whole",
    ),
    "a user beyond 64 bits": (GOOD + f'{{"user_id": {2**64}, "item_id": "x", "rating": 4}}\n', r"line 151 .*64 bits"),
    "a user that is true": (
        GOOD + '{"user_id": true, "item_id": "x", "rating": 4}\n',
        r"line 151 .*True; allowed: an int",
    ),
    "a user that is an object": (GOOD + '{"user_id": {"id": 1}, "item_id": "x", "rating": 4}\n', r"line 151 .*user_id"),
    "an empty text": (
        '{"user_id": "a", "item_id": "x"}\n{"user_id": "", "item_id": "x"}\n',
        r"line 2 has an unusable user_id",
    ),
    "NaN": (GOOD + '{"user_id": 1, "item_id": "x", "rating": NaN}\n', r"line 151 has an unusable rating"),
    "text for a rating": (
        GOOD + '{"user_id": 1, "item_id": "x", "rating": "good"}\n',
        r"line 151 has an unusable rating .*'good'",
    ),
    "words for ratings": (
        '{"user_id": 1, "item_id": "x", "rating": "4"}\n{"user_id": 2, "item_id": "x", "rating": "good"}\n',
        r"line 2 has an unusable rating \(field rating\): 'good'; allowed: it must be a finite number",
    ),
    "bytes of another encoding": (
        '{"user_id": "a", "item_id": "x"}\n{"user_id": "é", "item_id": "x"}\n'.encode("latin-1"),
        r"line 2 has an unusable user_id .*allowed: text in .*encoding",
    ),
    "a name twice": (
        GOOD + '{"user_id": 1, "user_id": 2, "item_id": "x", "rating": 4}\n',
        r"line 151 can't be read: .*twice",
    ),
    "half a letter": (
        GOOD + '{"user_id": 1, "item_id": "\\ud800", "rating": 4}\n',
        r"line 151 can't be read: .*surrogate",
    ),
    "neither field": ('{"a": {"b": 1}, "c": 2}\n', r"no column user_id; it has: \['a.b', 'c'\].*set columns.user"),
    "a near name": ('{"a": {"user_id": 1}, "item_id": 2}\n', r"did you mean 'a.user_id'\? set columns.user"),
    "nothing": ("", r" is empty"),
    "blank lines": ("\n \n", r" is empty"),
    "a damaged literal": ("{'user_id': 1, 'item_id': 2}\n{'user_id': 1, 'item\n", r"line 2 can't be read"),
    "text": ("user_id,item_id\n7,1\n", r"is no JSON: 'user_id,item_id'.*set format to text, or leave it out"),
}


@pytest.mark.parametrize("case", FILES)
def test_json_is_refused(tmp_path: Path, case: str) -> None:
    content, message = FILES[case]
    assert_refused(tmp_path, ({"log.jsonl": content}, "log.jsonl", {}, "log.jsonl.*" + message))


@pytest.mark.parametrize("case", [case for case in FILES if "further on" in case])
def test_literals_are_refused_alike(tmp_path: Path, case: str) -> None:
    content, message = FILES[case]
    literals = str(content).replace('"', "'")
    assert_refused(tmp_path, ({"log.json": literals}, "log.json", {}, "log.json.*" + message.replace('"', "'")))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            json.dumps([{"user_id": n, "item_id": f"0{n}"} for n in (1, 2)]),
            "is JSON, but not one object a line: 'an array'",
        ),
        (
            json.dumps([{"user_id": n, "item_id": f"0{n}"} for n in (1, 2)], indent=2),
            "is JSON, but not one object a line: 'an array'",
        ),
        (
            json.dumps({"user_id": {"0": 1, "1": 2}, "item_id": {"0": "01", "1": "02"}}),
            "is JSON, but not one object a line",
        ),
        (json.dumps({"user_id": [1, 2], "item_id": ["01", "02"]}), "is JSON, but not one object a line"),
        (
            "".join(json.dumps({"user_id": n, "item_id": f"0{n}"}, indent=2) for n in (1, 2)),
            r"is JSON, but not one object a line: '{'",
        ),
        (
            "".join(f'{{"user_id": {n}, "item_id": ["0{n}"]}}\n' for n in (1, 2)),
            r"the field item_id has no item_id: \['01'\]",
        ),
    ],
)
@pytest.mark.parametrize("name", ["log.json", "it's a log"])
def test_a_script_turns_other_json_into_what_can_be_read(tmp_path: Path, name: str, content: str, told: str) -> None:
    write(tmp_path / name, content)
    with pytest.raises(DataError, match=told) as error:
        load(tmp_path / name)
    script = re.findall(r"python -c .*$", str(error.value))[0]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True, env={**os.environ, "PATH": path})
    written = next(file for file in (tmp_path / "log.jsonl", tmp_path / "log.parquet") if file.exists())
    assert ids(load(written)) == ([1, 2], ["01", "02"])


def test_files_of_other_fields_do_not_go_together(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", '{"user_id": 1, "item_id": 1}\n')
    for row in (
        '{"user_id": 1, "item_id": 1, "rating": 1}',
        '{"user_id": "1", "item_id": 1}',
        '{"user": 1, "item_id": 1}',
    ):
        write(tmp_path / "b.jsonl", row + "\n")
        with pytest.raises(DataError, match=r"b.jsonl has other columns than .*a.jsonl"):
            load(tmp_path)
    write(tmp_path / "b.jsonl", '{"item_id": 2, "x": 1, "user_id": 2.0}\n')
    assert ids(load(tmp_path)) == ([1, 2], [1, 2])
