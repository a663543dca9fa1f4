"""Puts the parts together as the configuration says."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import drivers
from daemon import master_key
from daemon.clock import Clock
from daemon.config import Config, Modem, Voice
from daemon.config.probing import key_place
from daemon.core.commands import Policy
from daemon.core.milliseconds import in_seconds, seconds
from daemon.core.model import Channel, Request, Verdict
from daemon.core.phrases import sms_text
from daemon.engine import Engine
from daemon.lanes.no_device import NoDevice
from daemon.lanes.sms import SmsLane
from daemon.lanes.sms.sending import SmsText
from daemon.lanes.voice import Manner, VoiceLane
from daemon.master_key_files import KeyPlace
from daemon.operations.canary import Canarying
from daemon.operations.forgetting import Forgetting
from daemon.operations.number_hash import SEALED, number_hash, sealed_again
from daemon.operations.old_key import OldKey
from daemon.operations.prompts import loaded, log_prompts
from daemon.operations.retention import Retaining
from daemon.pins import Pins
from daemon.prompts.library import PhraseBook, PromptLibrary, load_phrases
from daemon.serving import Daemon
from daemon.store.contract import COPY_OF, StoreUnusable
from daemon.store.database_kinds import database_of
from daemon.store.store import Store
from daemon.store.upkeep import Upkeep
from drivers import SmsDriver


def assemble(config: Config, path: Path) -> Daemon:
    """Open the store and make the rest. Raises StoreUnusable, KeyUnusable, PromptsUnusable or OSError."""
    phrases = load_phrases()
    state, place = _state_directory(config), key_place(config)
    store, keys, origin = _opened(config, place)
    engine = Engine(store, Clock(config.clock.speed, origin), _pins(keys), _policy(config))
    sms = calls = None
    engine.lanes = {channel: NoDevice(engine, channel) for channel in Channel}
    if config.modem:
        modems = [(_sms_driver(modem), modem) for modem in config.modem]
        engine.lanes[Channel.SMS] = sms = SmsLane(
            engine, modems, _text(config, phrases), flash=config.sms.flash, least_life_s=config.sms.least_life
        )
    if config.voice.configured:
        prompts = loaded(config)
        log_prompts(config, prompts)
        engine.lanes[Channel.TTS] = calls = _voice_lane(config, engine, prompts)
    hashed = number_hash(keys.current, store.reading.meta(SEALED) or "")
    upkeep = Upkeep(store)
    retaining = Retaining(upkeep, config.retention, hashed)
    forgetting = Forgetting(engine, upkeep, state / "forgotten", hashed, config.store.path)
    old_key = OldKey(engine, place, master_key.identity(keys.current))
    canary = Canarying(engine, sms, calls, config)
    prepare = partial(_prepared, engine, sms, calls, retaining, phrases)
    owners = (prepare, canary.prepare)
    return Daemon(
        config,
        path,
        store,
        engine,
        sms,
        calls,
        retaining=retaining,
        forgetting=forgetting,
        old_key=old_key,
        canary=canary,
        owners=owners,
    )


def _prepared(
    engine: Engine,
    sms: SmsLane | None,
    calls: VoiceLane | None,
    retaining: Retaining,
    phrases: PhraseBook,
    config: Config,
) -> Callable[[], None]:
    """For a reload: what of another configuration is the engine's and the lanes'. Nothing changes before the call."""
    policy, text = _policy(config), _text(config, phrases)
    change_pool = sms.pool.prepare(config.modem, _sms_driver) if sms is not None and config.modem else None

    def apply() -> None:
        engine.policy, retaining.ages = policy, config.retention
        if sms is not None:
            sms.change(text, flash=config.sms.flash)
        if change_pool is not None:
            change_pool()
        if calls is not None:
            voice = config.voice
            calls.change(_manner(voice), max_calls=voice.max_calls, a_second=voice.calls_per_second)

    return apply


def _policy(config: Config) -> Policy:
    security = config.security
    chosen = {Verdict.REFUSED: security.on_refused, Verdict.WITHDRAWN: config.sms.on_dropped}
    return Policy(
        max_active_per_number=security.max_active_per_number,
        cancel_after=seconds(security.cancel_after),
        cancel_before_event=security.cancel_before_event,
        move_on=frozenset(verdict for verdict, what in chosen.items() if what == "next"),
        resend={modem.name: modem.on_uncertain == "resend" for modem in config.modem},
    )


def _text(config: Config, phrases: PhraseBook) -> SmsText:
    def text(request: Request, pin: str) -> str:
        minutes = -(-int(request.pin_expiry) // 60_000)
        return sms_text(phrases.for_locale(request.locale), request.brand, pin, minutes, config.sms.origin)

    return text


def _sms_driver(modem: Modem) -> SmsDriver:
    """Not opened yet."""
    driver: SmsDriver = drivers.load(modem.driver).Driver(modem.name, modem.options)
    return driver


def _voice_lane(config: Config, engine: Engine, prompts: PromptLibrary) -> VoiceLane:
    voice, options = config.voice, config.voice.options
    if getattr(options, "state_file", None) == "":
        options = replace(options, state_file=str(_state_directory(config) / "voice.json"))
    driver = drivers.load(voice.driver).Driver(voice.driver, options)
    return VoiceLane(
        engine, driver, prompts, _manner(voice), max_calls=voice.max_calls, a_second=voice.calls_per_second
    )


def _manner(voice: Voice) -> Manner:
    return Manner(
        ring_s=voice.ring_seconds,
        repeats=voice.repeats,
        confirm=voice.confirm == "press1",
        limit_s=voice.limit_seconds,
        hang_up_on_machine=voice.machine == "hangup",
    )


def _pins(keys: master_key.Keyring) -> Pins:
    return Pins(keys.current, keys.number, Pins(keys.old) if keys.old is not None else None)


def _opened(config: Config, place: KeyPlace) -> tuple[Store, master_key.Keyring, float]:
    """The store, the keys that its requests know, and where its clock began. Raises StoreUnusable or KeyUnusable."""
    store = Store(database_of(config.store))
    store.open()
    with contextlib.ExitStack() as undo:
        undo.callback(store.close)
        if store.reading.meta(COPY_OF) is not None:
            raise StoreUnusable("the database is a copy that is not complete; run pinwheel store copy again")
        known = master_key.known_by(store.reading)
        keys = master_key.load(place, known)
        settings = master_key.remember(keys)
        if keys.old is not None and keys.number > known.number:
            settings[SEALED] = sealed_again(keys.old, store.reading.meta(SEALED) or "", keys.current)
        store.set_meta(settings)
        origin = float(store.meta("clock origin", repr(in_seconds(Clock().now()))))
        undo.pop_all()
    return store, keys, origin


def _state_directory(config: Config) -> Path:
    directory = config.store.directory
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o750)
    except OSError as exc:
        raise StoreUnusable(f"cannot make {directory}: {exc.strerror}; see [store] url") from exc
    return directory
