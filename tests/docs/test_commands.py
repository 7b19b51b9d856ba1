"""The commands of README.md and docs/: targets that exist, and options that the real command lines take."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
import yaml

from docs.site.commands import COMMANDS, Command
from docs.site.settings_page import names_in
from ncf.config import Settings
from tests.docs.make import make, outside_make
from tests.docs.pages import PAGES, REPOSITORY, inline, name, named_targets, shell_lines

PYTHON = ("python", "python3", ".venv/bin/python")
PREFECT = ("prefect", ".venv/bin/prefect")
PLACEHOLDER = re.compile(r"\.\.\.|NAME|DATASET|MODEL|X$")
# Of other programs than ours, in inline code.
FOREIGN = {"--scale", "--detach", "--build", "--rm", "--username", "--artifacts-destination"}


@cache
def recipe(*words: str) -> str:
    """What make would run for a target, once everything is installed."""
    done = run_make("--dry-run", *words)
    assert done.returncode == 0, f"{shlex.join(words)}: {done.stderr}"
    return done.stdout.replace("\\\n", " ")


def run_make(*words: str) -> subprocess.CompletedProcess[str]:
    env = outside_make(os.environ)
    return subprocess.run(make(*words), cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=60)


@cache
def help_of_make() -> str:
    return run_make("help").stdout


def command_of(module: str, args: Sequence[str]) -> Command | None:
    """The command that a module and its arguments are."""
    of_module = [each for each in COMMANDS if each.module == module]
    return next((each for each in of_module if tuple(args[: len(each.words)]) == each.words), None)


def run_python(words: Sequence[str]) -> Settings | None:
    """Read the arguments of `-m flows.NAME ...` as the command does; a benchmark, or another module, must exist."""
    module, *args = words[words.index("-m") + 1 :]
    command = command_of(module, args)
    if command is not None:
        try:
            return command.read(args)
        except SystemExit as end:
            assert end.code == 0 and "--help" in args, words
            return None
    assert importlib.util.find_spec(module) is not None, f"no module {module}"
    assert not module.startswith("flows.") or not args or args[0].isdigit(), f"{module} is no command that is checked"
    return None


@cache
def deployments() -> dict[str, type[Settings]]:
    """Settings of each deployment of prefect.yaml, by its name."""
    entries = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]
    found = {}
    for entry in entries:
        flow = entry["entrypoint"].rpartition(":")[2]
        name_of_command = f"registry {flow}" if flow == "promote" else flow
        kind = next(command.settings for command in COMMANDS if command.name == name_of_command)
        found[f"{flow}/{entry['name']}"] = kind
    return found


def run_deployment(words: Sequence[str]) -> None:
    """A deployment that exists, with settings that it takes."""
    settings = deployments()[words[3]]
    for word in words:
        if word.startswith("settings="):
            settings.model_validate(json.loads(word.removeprefix("settings=")))


def make_lines() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        for words in shell_lines(page):
            if words[0] == "make" and len(words) > 1 and not any(PLACEHOLDER.search(word) for word in words):
                yield name(page), words[1:]


MAKE = [(page, words) for page, words in make_lines() if not words[0].startswith("PYTHON=")]


def test_there_are_commands_to_check() -> None:
    assert len([words for page, words in MAKE if page == "README.md"]) >= 10
    assert {page for page, _words in MAKE} >= {"README.md", "docs/data.md", "docs/tutorial.md", "docs/serving.md"}


@pytest.mark.parametrize(("page", "words"), MAKE, ids=[f"{page}-{' '.join(words)}" for page, words in MAKE])
def test_make(page: str, words: list[str]) -> None:
    assert re.search(rf"^{words[0]} ", help_of_make(), re.MULTILINE), f"make help does not list {words[0]}"
    for line in recipe(*words).splitlines():
        parts = shlex.split(line)
        if "-m" in parts and parts[parts.index("-m") + 1].startswith("flows."):
            run_python(parts)


def test_targets_in_prose_exist() -> None:
    known = set(re.findall(r"^([a-z-]+) ", help_of_make(), re.MULTILINE))
    assert {target for page in PAGES for target in named_targets(page)} <= known


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_python_and_deployments(page: Path) -> None:
    for words in shell_lines(page):
        if any(PLACEHOLDER.search(word) for word in words):
            continue
        if words[0] in PYTHON and len(words) > 2 and words[1] == "-m":
            run_python(words)
        if words[0] in PREFECT and words[1:3] == ["deployment", "run"]:
            run_deployment(words)


def options() -> set[str]:
    """Every option of every command, with hyphens; a group of settings counts as well."""
    found = {"--help", "--dataset"}
    for command in COMMANDS:
        found |= {f"--{path.replace('_', '-')}" for path in names_in(command.settings)}
    return found


def test_options_in_prose_exist() -> None:
    known = options()
    wrong = [
        f"{name(page)}: {option}"
        for page in PAGES
        for code in inline(page)
        for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9.-]*[a-z0-9]", code)
        if code.startswith("--") and option.replace("--no-", "--", 1) not in known and option not in FOREIGN
    ]
    assert wrong == []


def test_the_arguments_of_an_outer_make_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe("retrain", "ARGS=--seed 1"), recipe("prepare")
    for name_of_variable, value in {
        "MAKEFLAGS": "-- ARGS=--durations=9",
        "ARGS": "--durations=9",
        "DATASET": "x",
    }.items():
        monkeypatch.setenv(name_of_variable, value)
    recipe.cache_clear()
    assert (recipe("retrain", "ARGS=--seed 1"), recipe("prepare")) == before


def test_a_task_installs_only_what_it_needs() -> None:
    def extras(target: str) -> list[str]:
        env = outside_make(os.environ)
        command = ["make", "--dry-run", "--always-make", target]
        done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=60)
        return re.findall(r"--editable '\.\[(\w+)\]'", done.stdout)

    users = {command.line.removeprefix("make ") for command in COMMANDS if command.line.startswith("make ")}
    assert {target: extras(target) for target in users | {"mlflow"} if extras(target)} == {}
    assert extras("optuna") == ["dashboard"]
    assert extras("test") == extras("check") == ["dev"]
    assert extras("check-deploy") == ["dev", "deploy"]


def test_an_unknown_option_would_be_seen() -> None:
    with pytest.raises(Exception, match="embedding-dimension"):
        run_python(["python", "-m", "flows.retrain", "--gmf.model.embedding-dimension", "64"])
    with pytest.raises(AssertionError, match="No rule to make target"):
        recipe("retrian")


def test_the_commands_are_all_that_make_offers() -> None:
    lines = {command.line.removeprefix("make ") for command in COMMANDS if command.line.startswith("make ")}
    targets = set(re.findall(r"^([a-z-]+) ", help_of_make(), re.MULTILINE))
    ours = {target for target in targets if "-m flows." in recipe(target)} - {"optuna"}  # a server with a port alone
    assert ours == lines
