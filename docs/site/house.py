"""The size and shape of the three packages, as `make house` prints them: files, functions, rooms, imports, circles.

Blank lines, docstrings and comments count as lines. An import counts wherever it stands, inside a function too, except
under `if TYPE_CHECKING`. A room is what lies directly in a package, such as `flows.retrain`.
"""

import ast
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("ncf", "flows", "tuning")
IMPORTERS = (*PACKAGES, "benchmarks", "docs")
SMALL = 60
ENTRANCES = ("__init__.py", "__main__.py")


@dataclass(frozen=True)
class Module:
    """A Python file.

    Attributes:
        name: dotted, of a package without `__init__`.
        path: of the file, from the repository.
        lines: of the file.
        functions: lines of each function and method from `def` on, by `path:line name`.
        imports: the dotted name of each import, and what is taken from there; `import a` takes the empty text.
    """

    name: str
    path: str
    lines: int
    functions: Mapping[str, int]
    imports: frozenset[tuple[str, str]]

    @property
    def room(self) -> str:
        """The first two parts of the name."""
        return ".".join(self.name.split(".")[:2])


def read_module(file: Path, root: Path = REPOSITORY) -> Module:
    """Read one file.

    Args:
        file: below `root`.
        root: the folder of the packages.

    Raises:
        SyntaxError: the file is not Python.
    """
    path = file.relative_to(root)
    text = file.read_text(encoding="utf-8")
    nodes = list(_nodes(ast.parse(text, filename=str(file))))
    functions = {
        f"{path}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    imports = frozenset(pair for node in nodes for pair in _imported(node))
    name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    return Module(name, path.as_posix(), len(text.splitlines()), functions, imports)


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it, except the body of `if TYPE_CHECKING`."""
    yield node
    checking = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
    for child in node.orelse if isinstance(node, ast.If) and checking else ast.iter_child_nodes(node):
        yield from _nodes(child)


def _imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name, "") for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from ((node.module, alias.name) for alias in node.names)


@dataclass(frozen=True)
class Room:
    """What lies directly in a package.

    Attributes:
        name: such as `flows.retrain`.
        files: number of files.
        lines: of all of them.
        imports: other rooms of its package, and other packages of `PACKAGES`.
    """

    name: str
    files: int
    lines: int
    imports: tuple[str, ...]


class House:
    """The modules of the three packages, and what follows from them.

    Args:
        root: the folder that has the packages, and beside them `benchmarks` and `docs`, whose imports count too.
    """

    def __init__(self, root: Path = REPOSITORY) -> None:
        files = [file for name in IMPORTERS for file in sorted((root / name).rglob("*.py"))]
        self._read = [read_module(file, root) for file in files]
        self.modules = {module.name: module for module in self._read if module.path.split("/")[0] in PACKAGES}

    @cached_property
    def lines(self) -> dict[str, int]:
        """Lines of each file, the longest first."""
        return _descending({module.path: module.lines for module in self.modules.values()})

    @cached_property
    def functions(self) -> dict[str, int]:
        """Lines of each function and method, the longest first."""
        return _descending({name: size for module in self.modules.values() for name, size in module.functions.items()})

    def imports(self, module: Module) -> set[str]:
        """Modules of the three packages that a module imports.

        `from a import b` imports the module `a.b` if there is one, else `a`.
        """
        named = {
            f"{source}.{name}" if f"{source}.{name}" in self.modules else source for source, name in module.imports
        }
        return (named & self.modules.keys()) - {module.name}

    @cached_property
    def importers(self) -> dict[str, set[str]]:
        """Which files import a module: of the packages, the benchmarks and the documentation."""
        found: dict[str, set[str]] = {name: set() for name in self.modules}
        for module in self._read:
            for name in self.imports(module):
                found[name].add(module.path)
        return found

    @cached_property
    def splinters(self) -> dict[str, str]:
        """Files of fewer than `SMALL` lines with one importer, by path; the value is the importer."""
        return {
            module.path: next(iter(self.importers[name]))
            for name, module in self.modules.items()
            if module.lines < SMALL and len(self.importers[name]) == 1 and not module.path.endswith(ENTRANCES)
        }

    @cached_property
    def circles(self) -> list[list[str]]:
        """Modules that import each other, each circle once, sorted by name."""
        return _circles({name: self.imports(module) for name, module in self.modules.items()})

    @cached_property
    def room_circles(self) -> list[list[str]]:
        """Rooms of one package that import each other."""
        known = {room.name for room in self.rooms}
        graph = {room.name: {f"{room.name.split('.')[0]}.{other}" for other in room.imports} for room in self.rooms}
        return _circles({name: others & known for name, others in graph.items()})

    @cached_property
    def rooms(self) -> list[Room]:
        """Rooms in the order of their names; a package's `__init__` is no room."""
        names = sorted({module.room for module in self.modules.values()} - set(PACKAGES))
        return [self._room(name) for name in names]

    def _room(self, name: str) -> Room:
        inside = [module for module in self.modules.values() if module.room == name]
        rooms = {self.modules[other].room for module in inside for other in self.imports(module)} - {name}
        package = name.split(".")[0]
        own = {room.removeprefix(f"{package}.") for room in rooms if room.startswith(f"{package}.")}
        others = {room.split(".")[0] for room in rooms} - {package}
        return Room(name, len(inside), sum(module.lines for module in inside), (*sorted(own), *sorted(others)))


def _descending(sizes: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(sizes.items(), key=lambda entry: -entry[1]))


def _circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one node, or with an edge to itself."""
    reached = {name: _reachable(name, graph) for name in graph}
    mutual = {tuple(sorted(b for b in reached[a] if a in reached[b])) for a in graph if a in reached[a]}
    return [list(circle) for circle in sorted(mutual)]


def _reachable(start: str, graph: Mapping[str, set[str]]) -> set[str]:
    """Everything that imports lead to; `start` itself only by a circle."""
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph[name]
    return found


def percentile(sizes: Iterable[int], share: float) -> int:
    """The smallest size that at least this share of the sizes does not exceed.

    Raises:
        IndexError: there are no sizes.
    """
    ordered = sorted(sizes)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def report(house: House) -> str:
    """The figures as text."""
    lines, functions = house.lines, house.functions
    return "\n".join(
        [
            f"{', '.join(PACKAGES)}: {len(lines)} files, {sum(lines.values()):,} lines",
            f"Lines of a file: {_spread(lines)}",
            f"Lines of a function: {_spread(functions)}; {len(functions):,} functions",
            "",
            f"Files of fewer than {SMALL} lines with one importer: {len(house.splinters)}",
            *(f"  {path} ({lines[path]}) <- {importer}" for path, importer in house.splinters.items()),
            f"Circles of imports: {len(house.circles)}",
            *(f"  {', '.join(circle)}" for circle in house.circles),
            f"Circles of rooms: {len(house.room_circles)}",
            *(f"  {', '.join(circle)}" for circle in house.room_circles),
            "",
            f"{'room':24}{'files':>6}{'lines':>7}  imports",
            *(f"{room.name:24}{room.files:6}{room.lines:7}  {', '.join(room.imports)}" for room in house.rooms),
        ]
    )


def _spread(sizes: Mapping[str, int]) -> str:
    longest = next(iter(sizes))
    middle, high = statistics.median(sizes.values()), percentile(sizes.values(), 0.9)
    return f"median {middle:g}, 90th percentile {high}, longest {sizes[longest]} ({longest})"


if __name__ == "__main__":
    print(report(House()))  # noqa: T201 # a command's output
