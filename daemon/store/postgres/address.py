"""Where a PostgreSQL database is: its URL, as libpq's parameters. A password is in no text that is made here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

PREFIX = "postgresql://"
EXAMPLE = "postgresql://pinwheel@db.example.com/pinwheel"
NO_LIBRARY = "PostgreSQL's client library is missing; run: apt install libpq5"
OPTIONS = (
    "host", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "channel_binding", "gssencmode",
    "target_session_attrs", "application_name",
)  # fmt: skip
"""Of libpq ("Parameter Key Words" in its manual): what an operator may need behind the "?"."""


@dataclass(frozen=True, slots=True)
class Address:
    """parameters: for libpq, among them the password, if the URL has one. It is shown without user and password."""

    parameters: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, url: str, password: str = "") -> "Address":
        """password: "" for the one of the URL, if it has one. Raises ValueError where `mistake` finds one."""
        if wrong := mistake(url):
            raise ValueError(wrong)
        parts = urlsplit(url)
        found = {
            "host": unquote(parts.hostname or ""),
            "port": str(parts.port or ""),
            "user": unquote(parts.username or ""),
            "password": password or unquote(parts.password or ""),
            "dbname": unquote(parts.path.removeprefix("/")),
            **dict(parse_qsl(parts.query)),
        }
        return cls({name: value for name, value in found.items() if value})

    def __str__(self) -> str:
        where = self.parameters.get("host", "")
        port = f":{self.parameters['port']}" if "port" in self.parameters else ""
        return f"{self.parameters['dbname']} at {where or 'this machine'}{port}"


def mistake(url: str) -> str:
    """What is wrong with the text of a URL, or ""; nothing of it is repeated."""
    good = f'e.g. "{EXAMPLE}"'
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"its host or its port cannot be read (write %40 for an @ and %2F for a / in a name or password), {good}"
    if not url.startswith(PREFIX) or not url.isprintable() or "\\" in url:
        return f'must start with "{PREFIX}" and have no control characters, {good}'
    if parts.fragment or port == 0 or len(parts.path) < 2 or "/" in parts.path[1:]:
        return f"must name one database behind its host, {good}"
    return _wrong_options(parts)


def _wrong_options(parts: SplitResult) -> str:
    try:
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        return 'what stands behind the "?" must be name=value, e.g. "sslmode=verify-full"'
    for name, value in options:
        if name == "password":
            return 'has a password behind the "?"; write it into a file, and name that as password_file'
        if name not in OPTIONS:
            return f'what stands behind the "?" can be {", ".join(OPTIONS)}; there is another'
        if not value or "\0" in value:
            return f'{name} behind the "?" has no value'
    return "" if len(dict(options)) == len(options) else 'an option behind the "?" stands there twice'
