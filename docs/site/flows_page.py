"""The page of flows, deployments and automations, from prefect.yaml and from the code."""

import importlib
import inspect
from typing import Any

import yaml

from docs.site.commands import COMMANDS
from docs.site.links import REPOSITORY
from flows.automations.apply import RULES

HEAD = """# Flows and deployments

Generated from [prefect.yaml](../../prefect.yaml) and from the flows themselves when this site is built. `make up`, or
`prefect --no-prompt deploy --all`, puts the deployments on a Prefect server ([how](../deployment.md)). Run one with

```
.venv/bin/prefect deployment run retrain/ml-100k --watch
```

Its only parameter is `settings`, a JSON object ([all settings](settings.md)): `-p 'settings={"seed": 1}'`.

| deployment | schedule | at the same time | settings |
| --- | --- | --- | --- |
"""
COLLISION = {"CANCEL_NEW": "one; another is cancelled", "ENQUEUE": "one; another waits"}


def page() -> str:
    """The page as Markdown."""
    deployments = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]
    rows = [_row(deployment) for deployment in deployments]
    about = [_about(deployment) for deployment in deployments]
    return "\n".join([HEAD + "\n".join(rows), "", *about, "## What happens by itself", "", AUTOMATIONS, *_rules()])


AUTOMATIONS = """Automations on the Prefect server. `make up` or `python -m flows.automations` creates them and keeps
them in line with the code. If you switch one off on its page in Prefect, it stays off.

| automation | what it does |
| --- | --- |"""


def _flow(deployment: dict[str, Any]) -> Any:
    path, function = deployment["entrypoint"].split(":")
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    return getattr(module, function)


def _row(deployment: dict[str, Any]) -> str:
    flow = _flow(deployment)
    schedules = [f"`{each['cron']}` {each.get('timezone', '')}" for each in deployment.get("schedules", [])]
    limit = deployment.get("concurrency_limit")
    at_once = COLLISION[limit["collision_strategy"]] if limit else "any number"
    name = f"{flow.name}/{deployment['name']}"
    return (
        f"| [`{name}`](#{name.replace('/', '')}) | {', '.join(schedules) or 'none'} | {at_once} | {_settings(flow)} |"
    )


def _settings(flow: Any) -> str:
    """The command whose settings the flow takes, as a link."""
    kind = inspect.signature(flow.fn, eval_str=True).parameters["settings"].annotation
    return next(
        f"[{each.name}](settings.md#{each.name.replace(' ', '-')})" for each in COMMANDS if each.settings is kind
    )


def _about(deployment: dict[str, Any]) -> str:
    flow = _flow(deployment)
    about = inspect.getdoc(flow.fn) or ""
    return f"### {flow.name}/{deployment['name']}\n\n{deployment['description']}\n\n{about}\n"


def _rules() -> list[str]:
    return [f"| {rule.__name__.replace('_', ' ')} | {inspect.getdoc(rule)} |" for rule in RULES]
