"""The files that a path, a folder, a glob or a URL means, in a fixed order; and what of them is not read."""

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, Literal, NamedTuple, TypeAlias

from ncf.errors import DataError
from ncf.ingest.locations import File, file_system, first_line, reading

Form: TypeAlias = Literal["text", "json", "parquet"]
Format: TypeAlias = Literal["auto", "text", "inter", "json", "parquet"]

ENDINGS: dict[Form, tuple[str, ...]] = {
    "parquet": (".parquet", ".pq", ".parq"),
    "json": (".jsonl", ".ndjson", ".json"),
    "text": (
        *(".csv", ".tsv", ".tab", ".txt", ".dat", ".data", ".psv", ".inter"),
        *(".rating", ".ratings", ".item"),
    ),
}
FORMS: dict[str, Form] = {ending: form for form, endings in ENDINGS.items() for ending in endings}
NAMES: dict[Form, str] = {"parquet": "Parquet", "json": "JSON", "text": "text"}
DOCUMENT = re.compile(  # has no rows, whatever folder it is in
    r"(readme|licen[cs]e|copying|notice|changelog|changes|authors|citation|manifest|makefile|(md5|sha\d*)sums?)(\.txt)?"
    r"|thumbs\.db|desktop\.ini|.*\.(md|rst|pdf|html?|png|jpe?g|gif|svg|py|ipynb|r|sql|sh|ya?ml|toml|crc|md5|sha\d*)",
    re.IGNORECASE,
)
HIDDEN = re.compile(r"(^|/)[._]")
MARK = re.compile(r"[*?\[]")
TABLES = (  # files of a table that keeps a list of those that count
    (re.compile(r"(^|/)_delta_log/"), "Delta"),
    (re.compile(r"(^|/)\.hoodie/"), "Hudi"),
    (re.compile(r"(^|/)metadata/[^/]*\.metadata\.json$"), "Iceberg"),
)
SHOWN = 10


class Found(NamedTuple):
    """The files to read, sorted by path, and what the user must know of those that are not."""

    files: list[File]
    notes: tuple[str, ...] = ()


def find_files(location: str, form: Format = "auto") -> Found:
    """The files of a path, folder, glob or URL, sorted by path.

    Names with a leading "." or "_" are passed over in folders and globs, unless the glob has a name that begins so. Of
    a folder with everything below it, those are taken whose ending fits the format, and those without an ending that
    fit by their first bytes.

    Raises:
        DataError: there are none, as many are left out of a folder as are read, or the file system can't be reached.
    """
    system, path = file_system(location)
    with _reached(system, location):
        if system.isfile(path):
            return Found([File(system, path)])
        if system.isdir(path):
            return _in_folder(system, path, form)
        if MARK.search(path):
            return _of_glob(system, path)
        raise _no_such(File(system, path))


@contextmanager
def _reached(system: Any, location: str) -> Iterator[None]:
    with reading(location):
        try:
            yield
        except (DataError, OSError, ValueError):
            raise
        except Exception as error:  # a driver raises whatever its service's client does
            raise OSError(f"{type(error).__name__}: {first_line(error)}") from error


def form_of(file: File) -> Form:
    """How a file that is asked for is read: as what it is, and what it is called."""
    named = FORMS.get(file.ending, "text")
    if named == "parquet":
        return named
    with reading(file):
        known: dict[str | None, Form] = {"Parquet": "parquet", "JSON": "json"}
        return known.get(file.content, named)


def _of_glob(system: Any, path: str) -> Found:
    below = len(path[: next(MARK.finditer(path)).start()].rpartition("/")[0])

    def marks(name: str) -> set[str]:
        return {mark[-1] for mark in re.findall(r"/[._]", f"/{name[below:]}")}

    found = sorted(str(name) for name in system.glob(path) if system.isfile(name))
    hidden = [name for name in found if marks(name) - marks(path)]
    kept = [File(system, name) for name in found if not marks(name) - marks(path)]
    if kept:
        return Found(kept, _passed_over(hidden, path))
    do = "check the pattern and the folder"
    if hidden:
        name = PurePosixPath(hidden[0]).name
        do = f"names that begin with . or _, as {name}, are passed over, unless a name in the pattern begins so"
    elif system.glob(path):
        do = "it matches folders: add /* to read what is in them"
    raise DataError("no file matches", got=str(File(system, path)), do=do)


def _in_folder(system: Any, path: str, asked: Format) -> Found:
    folder, below = File(system, path), len(path.rstrip("/")) + 1
    everything = sorted(str(name) for name in system.find(path))
    _refuse_table_format(folder, [name[below:] for name in everything])
    hidden = [name for name in everything if HIDDEN.search(name[below:])]
    files = [File(system, name) for name in everything if not HIDDEN.search(name[below:])]
    forms = {file: _form_in_folder(file, asked) for file in files}
    kinds = _kinds(folder, forms, asked)
    kept = [file for file in files if forms[file] in kinds and (asked != "inter" or file.ending == ".inter")]
    _refuse_copies(kept)
    read = set(kept)
    left = [file for file in files if file not in read]
    if not kept:
        raise _nothing(folder, files, asked)
    if asked == "auto":
        _refuse_leaving_out(folder, kept, [file for file in left if not DOCUMENT.fullmatch(file.name)])
    notes = (f"{len(left)} of {len(files)} files of {folder} are not read: {_shown(left)}",) if left else ()
    return Found(kept, notes + _passed_over(hidden, str(folder)))


def _form_in_folder(file: File, asked: Format) -> Form | None:
    """How a file is read; None if it is not: its ending tells, or else what is in it."""
    if DOCUMENT.fullmatch(file.name):
        return None
    if file.ending in FORMS:
        return FORMS[file.ending]
    if file.ending and asked == "auto":
        return None
    with reading(file):
        known: dict[str | None, Form] = {"Parquet": "parquet", "JSON": "json", None: "text"}
        return known.get(file.content)


def _kinds(folder: File, forms: dict[File, Form | None], asked: Format) -> set[Form]:
    """The one kind of files to read.

    Raises:
        DataError: there are several, and none is asked for.
    """
    if asked != "auto":
        return {"text" if asked == "inter" else asked}
    first: dict[Form, File] = {}
    for file, form in forms.items():
        if form is not None:
            first.setdefault(form, file)
    objects = [file for file, form in forms.items() if form == "json"]
    tables = sum(form is not None for form in forms.values()) - len(objects)
    if len(objects) < tables and all(file.ending == ".json" for file in objects):
        first.pop("json", None)  # they describe the others, if anything
    if len(first) > 1:
        one, other = sorted(first, key=list(NAMES).index)[:2]
        got = f"{first[one]} and {first[other]}"
        do = f"set format to {one} or {other}, or give a glob"
        raise DataError(f"{folder} has both {NAMES[one]} and {NAMES[other]} files", got=got, do=do)
    return set(first)


def _refuse_leaving_out(folder: File, kept: list[File], left: list[File]) -> None:
    """Refuse a folder of which as many files are left out as are read, documents apart."""
    if len(left) < len(kept):
        return
    endings = {PurePosixPath(file.path).suffix for file in kept}
    do = "convert the others, or move them away"
    if len(endings) == 1 and "" not in endings:
        do += f"; to read {len(kept)} alone, give the glob {str(folder).rstrip('/')}/**/*{endings.pop()}"
    raise DataError(
        f"of the folder {folder} only {len(kept)} of {len(kept) + len(left)} files can be read",
        got=_shown(left),
        allowed=f"{' '.join(FORMS)}, also compressed (.gz .zst .bz2 .xz .lz4 .zip), and names without an ending",
        do=do,
    )


def _refuse_copies(files: list[File]) -> None:
    """Refuse a file beside the same one compressed: each row would count twice."""
    seen: dict[str, File] = {}
    for file in files:
        name = file.path[: -len(PurePosixPath(file.path).suffix)] if file.compression else file.path
        other = seen.setdefault(name, file)
        if other is not file:
            do = "move one of them away, or give a glob that takes one"
            raise DataError("two files of a folder are the same log, compressed and not", got=f"{other}, {file}", do=do)


def _refuse_table_format(folder: File, names: list[str]) -> None:
    for mark, kind in TABLES:
        if any(mark.search(name) for name in names):
            raise DataError(
                f"the folder {folder} is a table of {kind}",
                allowed="a folder in which every file counts",
                do=f"write the table's present state as Parquet with a program that knows {kind}, such as Spark; "
                f"to read replaced and deleted rows too, give the glob {str(folder).rstrip('/')}/**/*.parquet",
            )


def _passed_over(hidden: list[str], where: str) -> tuple[str, ...]:
    """A note on files that look as if they had rows, but for the beginning of their names."""
    logs = [file for file in (File(None, name) for name in hidden) if file.ending in FORMS]
    told = f"{len(logs)} files of {where} are passed over, since a name begins with . or _: {_shown(logs)}"
    return (told,) if logs else ()


def _shown(files: list[File]) -> str:
    return ", ".join(file.name for file in files[:SHOWN]) + (", ..." if len(files) > SHOWN else "")


def _nothing(folder: File, files: list[File], asked: Format) -> DataError:
    allowed = (".inter",) if asked == "inter" else FORMS if asked == "auto" else ENDINGS[asked]
    return DataError(
        f"the folder {folder} has no file to read",
        got=_shown(files) or "an empty folder",
        allowed=", ".join(allowed),
        do="check the folder, set format, or give a glob",
    )


def _no_such(file: File) -> DataError:
    path = PurePosixPath(file.path)
    try:
        names = [PurePosixPath(name).name for name in file.system.ls(str(path.parent), detail=False)]
    except (OSError, ValueError):
        return DataError("no such file", got=str(file), do=f"its folder {path.parent} is not there either")
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    return DataError("no such file", got=str(file), do=f"did you mean {near[0]}?" if near else "check the path")
