"""SHA-256 sums of a folder's files, in a file beside them, as `sha256sum --check SHA256SUMS` reads it."""

import hashlib
from pathlib import Path

SUMS = "SHA256SUMS"


def write_sums(folder: Path) -> None:
    """Write the sums of all files of a folder."""
    files = sorted(path for path in folder.iterdir() if path.name != SUMS)
    text = "".join(f"{_sum_of(path)}  {path.name}\n" for path in files)
    (folder / SUMS).write_text(text, encoding="ascii")


def sum_of_sums(folder: Path) -> str:
    """The sum that stands for the whole folder, hexadecimal.

    Raises:
        OSError: the file with the sums is not there.
    """
    return _sum_of(folder / SUMS)


def check_sums(folder: Path, names: tuple[str, ...]) -> None:
    """Make sure that each of these files is as it was when the sums were written.

    Raises:
        OSError: a file, or that with the sums, is not there.
        ValueError: a file is another, or the sums are not of exactly these files.
    """
    *lines, end = (folder / SUMS).read_bytes().decode("ascii").split("\n")
    sums = {name: told for told, _, name in (line.partition("  ") for line in lines)}
    if sorted(sums) != sorted(names) or len(lines) != len(sums) or end:
        raise ValueError(f"{SUMS} is about {', '.join(sorted(sums)) or 'nothing'}, not about {', '.join(names)}")
    for name in names:
        if (found := _sum_of(folder / name)) != sums[name]:
            raise ValueError(f"{name} has the SHA-256 sum {found}, not {sums[name]}: damaged, or of another bundle")


def _sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
