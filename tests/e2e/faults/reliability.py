"""The page docs/reliability.md, as the tests of faults find it."""

import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ncf.files import read_json, write_json
from tests.e2e.processes import REPOSITORY

TEMPLATE = Path(__file__).with_name("reliability.md")
PARTS = ("kill -9 of the flow process", "Workers, and two at once", "Servers and databases", "Disk and clock")
UNTRIED = "The tests are there, but have not been run to their end on this machine yet."
KEPT = REPOSITORY / "benchmarks" / "results" / "reliability.json"


@dataclass(frozen=True)
class Machine:
    """Where and when something was measured.

    Attributes:
        date: ISO 8601, UTC.
        what: system, Python, cores and memory in words.
        cores: of the CPU.
        load: average number of processes that wanted a core, over the last quarter of an hour.
    """

    date: str
    what: str
    cores: int
    load: float

    @classmethod
    def here(cls) -> "Machine":
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        cores = len(os.sched_getaffinity(0))
        system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
        what = f"{system}, {cores} CPU cores, {memory:.0f} GB of memory"
        return cls(f"{datetime.now(UTC):%Y-%m-%d}", what, cores, round(os.getloadavg()[2], 1))


@dataclass(frozen=True)
class Row:
    """A fault that was survived.

    Attributes:
        part: of the page.
        fault: what was done.
        happened: what followed, in words.
        seconds: from the fault until what it interrupted was done; None if nothing was interrupted.
        machine: where it was.
    """

    part: str
    fault: str
    happened: str
    seconds: int | None
    machine: Machine = field(default_factory=Machine.here)

    @classmethod
    def of_json(cls, values: dict[str, object]) -> "Row":
        return cls(**values | {"machine": Machine(**values["machine"])})  # type: ignore[arg-type]


@dataclass
class Reliability:
    """Rows in the order in which the faults were survived, and what is told of the soak."""

    rows: list[Row] = field(default_factory=list)
    soak: list[str] = field(default_factory=list)
    soaked_on: Machine | None = None

    def survived(self, part: str, fault: str, happened: str, seconds: float | None = None) -> None:
        """Note a fault after everything about it has been asserted."""
        self.rows.append(Row(part, fault, happened, None if seconds is None else round(seconds)))

    def soaked(self, lines: list[str]) -> None:
        """Note the soak after everything about it has been asserted."""
        self.soak, self.soaked_on = lines, Machine.here()

    def write(self, page: Path, kept: Path = KEPT) -> None:
        """Write the page; of what was not run now, the last results are in it."""
        merged = self.after(kept)
        rows = [asdict(row) for row in merged.rows]
        on = asdict(merged.soaked_on) if merged.soaked_on else None
        write_json(kept, {"rows": rows, "soak": merged.soak, "soaked_on": on})
        text = TEMPLATE.read_text(encoding="utf-8").replace("MACHINE", merged.where())
        page.write_text(text.replace("TABLES", merged.tables()).replace("SOAK", merged.told()), encoding="utf-8")

    def after(self, kept: Path) -> "Reliability":
        """The earlier results, with those of now in the place of the same faults'."""
        if not kept.exists():
            return self
        before = read_json(kept)
        now = {(row.part, row.fault): row for row in self.rows}
        earlier = [Row.of_json(values) for values in before["rows"]]
        rows = [now.pop((row.part, row.fault), row) for row in earlier] + list(now.values())
        if self.soak or not before["soak"]:
            return Reliability(rows, self.soak, self.soaked_on)
        return Reliability(rows, before["soak"], Machine(**before["soaked_on"]))

    def tables(self) -> str:
        """A table for each part."""
        found = {row.part for row in self.rows}
        parts = [*PARTS, *(part for part in dict.fromkeys(row.part for row in self.rows) if part not in PARTS)]
        return "\n\n".join(f"## {part}\n\n{self._table(part) if part in found else UNTRIED}" for part in parts)

    def _table(self, part: str) -> str:
        lines = ["| fault | what happened | seconds |", "| --- | --- | ---: |"]
        for row in self.rows:
            if row.part == part:
                lines.append(f"| {row.fault} | {row.happened} | {'-' if row.seconds is None else row.seconds} |")
        return "\n".join(lines)

    def told(self) -> str:
        """The soak, in words and figures."""
        if self.soaked_on is None:
            return "Not run to its end yet: `make soak`."
        return "\n".join([*self.soak, "", f"{where([self.soaked_on])}."])

    def where(self) -> str:
        """On which machines the faults were survived, and when."""
        return where([row.machine for row in self.rows])


def where(machines: list[Machine]) -> str:
    """Machines and dates in words, and whether they had other work to do."""
    places = "; ".join(dict.fromkeys(f"{machine.date}, {machine.what}" for machine in machines))
    loads = [machine.load for machine in machines]
    if all(machine.load <= 2 * machine.cores for machine in machines):
        return places
    rounded = sorted({f"{load:.0f}" for load in (min(loads), max(loads))}, key=float)
    load = f"load averages of {' to '.join(rounded)}"
    return f"{places}; busy with other work, {load}, so that everything took longer"
