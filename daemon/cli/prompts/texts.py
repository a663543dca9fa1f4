"""`pinwheel prompts texts`."""

import click

from daemon.cli.context import Context, json_flag, pass_context, table
from daemon.cli.prompts.common import check_locales, phrase_book
from daemon.core.phrases import Phrases, sms_text
from drivers.codecs import gsm7

TEXT_COLUMNS = ("locale", "language", "alphabet", "length", "parts", "text")
LONGEST_BRAND, SOME_PIN, SOME_MINUTES, LONGEST_MINUTES = 18, "123456", 5, 60  # the Verify reference


@click.command()
@click.argument("locales", nargs=-1, metavar="[LOCALE...]")
@click.option("--brand", default="Acme", show_default=True, help="The brand that they name.")
@json_flag
@pass_context
def texts(context: Context, locales: tuple[str, ...], brand: str) -> None:
    """The SMS of each LOCALE, or of all: its text, and whether it fits into one part.

    ALPHABET, LENGTH (septets of GSM-7 or characters of UCS2) and PARTS are those of the longest case: the brand filled
    up to 18 characters, a PIN of 6 digits, 1 to 60 minutes.
    """
    check_locales(locales)
    book = phrase_book().by_locale
    for locale in locales:
        if locale not in book:
            raise click.ClickException(f"no phrases for {locale}; write config/phrases/{locale}.toml first")
    rows = [_text_row(book[locale], brand) for locale in locales or sorted(book)]
    context.show([dict(zip(TEXT_COLUMNS, row, strict=True)) for row in rows], lambda: table(TEXT_COLUMNS, rows))


def _text_row(phrases: Phrases, brand: str) -> tuple[object, ...]:
    filled = brand.ljust(LONGEST_BRAND, "x")
    cases = (sms_text(phrases, filled, SOME_PIN, minutes) for minutes in range(1, LONGEST_MINUTES + 1))
    longest = gsm7.sendable(max(cases, key=len))
    alphabet = gsm7.alphabet(longest)
    cells = (alphabet, sum(gsm7.units(longest, alphabet)), len(gsm7.split(longest, alphabet)))
    return (phrases.locale, phrases.language, *cells, sms_text(phrases, brand, SOME_PIN, SOME_MINUTES))
