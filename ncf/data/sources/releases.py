"""MovieLens' releases as data: where each lies, how it is written, and on what terms it may be used.

Source: https://files.grouplens.org/datasets/movielens/ and the README of each release.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ncf.data.sources.config import MovieLensName

BASE_URL = "https://files.grouplens.org/datasets/movielens"
CITE: Final = "Cite: F. M. Harper and J. A. Konstan, The MovieLens Datasets, ACM TiiS 5(4), 2015."
ASK: Final = "no commercial use without permission"
NOT_TO_PASS_ON: Final = f"GroupLens, University of Minnesota: free for research; no redistribution and {ASK}. {CITE}"
PASS_ON_ALIKE: Final = (
    f"GroupLens, University of Minnesota: free for research; {ASK}; redistribution on the same terms. {CITE}"
)

Writing: TypeAlias = Literal["u.data", "dat", "csv"]


@dataclass(frozen=True)
class Release:
    """One data set.

    Attributes:
        name: as in the settings.
        title: as GroupLens calls it.
        writing: u.data: tabs, and "|" for titles; dat: "::", no header; csv: RFC 4180 with a header.
        encoding: of the titles.
        size: bytes of the archive; None where it changes.
        md5: of the archive, as published beside it (NAME.zip.md5); None where it changes: then that file is asked.
        licence: in short.
        readme: file name of the terms in full.
        folder: in the archive.
    """

    name: MovieLensName
    title: str
    writing: Writing
    encoding: str
    size: int | None
    md5: str | None
    licence: str
    readme: str
    folder: str

    @property
    def url(self) -> str:
        """Address of the archive."""
        return f"{BASE_URL}/{self.name}.zip"

    @property
    def terms(self) -> str:
        """Address of the terms in full."""
        return f"{BASE_URL}/{self.readme}"

    @property
    def ratings_member(self) -> str:
        """Name of the ratings in the archive."""
        return f"{self.folder}/" + {"u.data": "u.data", "dat": "ratings.dat", "csv": "ratings.csv"}[self.writing]

    @property
    def items_member(self) -> str:
        """Name of the items' titles and genres in the archive."""
        return f"{self.folder}/" + {"u.data": "u.item", "dat": "movies.dat", "csv": "movies.csv"}[self.writing]


def _csv(name: MovieLensName, title: str, size: int | None, md5: str | None) -> Release:
    return Release(name, title, "csv", "utf-8", size, md5, PASS_ON_ALIKE, f"{name}-README.html", name)


RELEASES: dict[MovieLensName, Release] = {
    release.name: release
    for release in (
        Release(
            "ml-100k",
            "MovieLens 100K",
            "u.data",
            "latin-1",
            4_924_029,
            "0e33842e24a9c977be4e0107933c0723",
            NOT_TO_PASS_ON,
            "ml-100k-README.txt",
            "ml-100k",
        ),
        _csv("ml-latest-small", "MovieLens Latest (small)", None, None),
        Release(
            "ml-1m",
            "MovieLens 1M",
            "dat",
            "latin-1",
            5_917_549,
            "c4d9eecfca2ab87c1945afe126590906",
            NOT_TO_PASS_ON,
            "ml-1m-README.txt",
            "ml-1m",
        ),
        Release(
            "ml-10m",
            "MovieLens 10M",
            "dat",
            "utf-8",
            65_566_137,
            "ce571fd55effeba0271552578f2648bd",
            NOT_TO_PASS_ON,
            "ml-10m-README.html",
            "ml-10M100K",
        ),
        _csv("ml-20m", "MovieLens 20M", 198_702_078, "cd245b17a1ae2cc31bb14903e1204af3"),
        _csv("ml-25m", "MovieLens 25M", 261_978_986, "6b51fb2759a8657d3bfcbfc42b592ada"),
        _csv("ml-32m", "MovieLens 32M", 238_950_008, "d472be332d4daa821edc399621853b57"),
    )
}
