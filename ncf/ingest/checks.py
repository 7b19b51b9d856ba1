"""Checks of settings by their text alone: a query that only reads, a URL without a password."""

import re

import sqlparse
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlparse.sql import Token
from sqlparse.tokens import Comment, Keyword, Whitespace

from ncf.errors import ConfigError

FIRST = ("SELECT", "WITH")
WRITING = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "UPSERT", "INTO", "TRUNCATE", "DROP", "ALTER", "CREATE"})

EXAMPLE = "postgresql://user@host:5432/database"
SECRET_KEY = re.compile(r"pass|pwd|secret|token", re.IGNORECASE)
SECRET_PART = re.compile(r"(?:pass|pwd|secret|token)\w*\s*=\s*([^;&]+)", re.IGNORECASE)  # within odbc_connect


WHERE_PASSWORDS_GO = "put the whole URL into $NCF_DATABASE_URL (url_variable) or a Prefect Secret block (secret_block)"


def check_select(query: str) -> None:
    """Refuse all but one SELECT; this reads the text alone.

    Raises:
        ConfigError: it is another statement, or several.
    """
    statements = [words for words in map(_words, sqlparse.parse(query)) if words]
    words = statements[0] if statements else []
    first = next((word for word in words if word.value != "("), None)
    writing = [word for word in words if word.ttype in Keyword and word.normalized.split()[0] in WRITING]
    do = "read with SELECT, or WITH ... SELECT"
    if len(statements) != 1:
        got = f"{len(statements)} statements"
    elif first is None or first.normalized not in FIRST:
        got = first.value if first else ""
    elif writing:
        got, do = writing[0].value, "leave it out; if it is the name of a column, put it in quotes"
    else:
        return
    raise ConfigError("query must be one SELECT that only reads", got=got, do=do)


def _words(statement: Token) -> list[Token]:
    """The tokens that mean something, without the ; at the end."""
    flat = statement.flatten()  # type: ignore[no-untyped-call]
    tokens = [token for token in flat if token.ttype not in Whitespace and token.ttype not in Comment]
    while tokens and tokens[-1].value == ";":
        tokens.pop()
    return tokens


def check_public_url(text: object, do: str = WHERE_PASSWORDS_GO) -> None:
    """Refuse a URL that has a password; nothing of it is repeated.

    Args:
        text: a URL, or nothing.
        do: where such a URL belongs, in words.

    Raises:
        ConfigError: it has one, or can't be read.
    """
    if isinstance(text, str) and _secrets(parse_url(text)):
        raise ConfigError(
            "the setting url must not have a password: settings are shown and logged",
            allowed=f"a URL without one, such as {EXAMPLE}",
            do=do,
        )


def parse_url(text: str) -> URL:
    """Read a URL.

    Raises:
        ConfigError: it is none; the message does not repeat it.
    """
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        url = None
    if url is None or "@" in (url.host or ""):
        raise ConfigError(
            "the database's URL can't be read",
            allowed=f"an SQLAlchemy URL such as {EXAMPLE}",
            do="write @ : / ? # % in a password as %40 %3A %2F %3F %23 %25",
        )
    return url


def _secrets(url: URL) -> list[str]:
    given = {key: [value] if isinstance(value, str) else value for key, value in url.query.items()}
    values = [(key, value) for key, several in given.items() for value in several]
    found = [value for key, value in values if SECRET_KEY.search(key)]
    found += [part for _, value in values for part in SECRET_PART.findall(value)]
    return [secret for secret in (str(url.password or ""), *found) if secret]
