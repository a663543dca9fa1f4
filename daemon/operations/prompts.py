"""The prompts that calls speak from: loaded as the configuration says, and what of them is missing or broken."""

import logging
from collections.abc import Sequence
from pathlib import Path

from daemon.config import Config
from daemon.core.phrases import DEFAULT_LOCALE, locale_for_region
from daemon.prompts.library import PromptLibrary, shipped_prompts

log = logging.getLogger("pinwheel")


def loaded(config: Config) -> PromptLibrary:
    return PromptLibrary.open([Path(config.prompts.directory), shipped_prompts()])


def log_prompts(config: Config, prompts: PromptLibrary) -> None:
    """Which locales can be spoken, and which somebody may expect that cannot."""
    log.info("prompts=loaded complete=%s", ",".join(prompts.locales) or "none")
    if lacks := lacking(config, prompts):
        log.warning("prompts=incomplete locales=%s remedy='pinwheel prompts check'", ",".join(lacks))
    for mistake in (mistake for mistakes in prompts.broken.values() for mistake in mistakes):
        log.error("prompts=broken reason=%r", mistake)


def lacking(config: Config, prompts: PromptLibrary) -> list[str]:
    """The locales that somebody may expect, and that cannot be spoken."""
    likely = {*prompts.begun, *_likely_locales(config.security.allow_prefixes), DEFAULT_LOCALE}
    return sorted(likely - {*prompts.locales})


def _likely_locales(prefixes: Sequence[str]) -> set[str]:
    """The locales of the countries whose numbers are allowed, where only some are."""
    if not prefixes:
        return set()
    import phonenumbers  # late: most configurations allow all

    codes = {int(prefix[:digits]) for prefix in prefixes for digits in (1, 2, 3)}
    regions = (region for code in codes for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ()))
    return {locale_for_region(region) for region in regions}
