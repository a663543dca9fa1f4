"""Which tests are to notice a mutant of which module, and the score that they must reach."""

from dataclasses import dataclass

PURE, OTHERS = 0.90, 0.80
CORE, API, SERIAL, SIP = "tests/daemon/core/", "tests/daemon/api/", "tests/drivers/serial/", "tests/drivers/sip/"
REQUEST_STATES = (CORE + "test_timelines.py", CORE + "test_request_states.py")
ENGINE = ("tests/daemon/test_engine_acting.py", "tests/daemon/test_engine.py")
# The contract's suite is for every database; here it is SQLite that changes.
STORE_TESTS = "tests/daemon/store/"
STORED = (
    f"{STORE_TESTS}test_{name}.py"
    for name in (
        "sqlite",
        "sqlite_disk",
        "sqlite_loading",
        "listing",
        "batch_thread",
        "batches",
        "contract",
        "readers",
        "store",
        "files",
    )
)
STORE = (*STORED, "-k", "not postgres")
AGENT = tuple(
    f"{SIP}test_{name}.py"
    for name in (
        "agent",
        "dialog",
        "challenges",
        "call_ending",
        "failover",
        "session_timers",
        "uas",
        "where_requests_go",
    )
)
CONFIG = "tests/daemon/config/test_config.py"
REPR = "tests/daemon/test_repr.py"
DOCTOR = (
    *(f"tests/daemon/operations/test_{name}.py" for name in ("doctor", "doctor_limits", "judging", "bundle_masking")),
    "-k",
    "not start_of_the_daemon",
)


@dataclass(frozen=True, slots=True)
class Target:
    """goal: the part of the mutants to kill; tests: as arguments of pytest."""

    goal: float
    tests: tuple[str, ...]


TARGETS: dict[str, Target] = {
    "daemon.pins": Target(PURE, ("tests/daemon/test_pins.py",)),
    "daemon.core.next_delivery": Target(PURE, (CORE + "test_next_delivery.py", REPR)),
    "daemon.core.alerting": Target(PURE, (CORE + "test_alerting.py", REPR)),
    "daemon.core.flapping": Target(PURE, (CORE + "test_flapping.py",)),
    "daemon.core.histogram": Target(PURE, (CORE + "test_histogram.py",)),
    "daemon.core.masking": Target(PURE, (CORE + "test_masking.py",)),
    "daemon.core.fast_replace": Target(PURE, (CORE + "test_fast_replace.py",)),
    "daemon.core.values": Target(
        PURE, (CORE + "test_values.py", CORE + "test_fast_replace.py", CORE + "test_purity.py", *REQUEST_STATES)
    ),
    "daemon.core.canary": Target(PURE, (CORE + "test_canary.py",)),
    "daemon.lanes.voice.lines": Target(PURE, ("tests/daemon/lanes/test_lines.py",)),
    "drivers.rtp.source": Target(PURE, ("tests/drivers/rtp/test_source.py",)),
    "daemon.core.ownership": Target(PURE, (CORE + "test_ownership.py",)),
    "daemon.core.held_recipients": Target(PURE, (CORE + "test_held_recipients.py", CORE + "test_next_delivery.py")),
    "daemon.core.rate_limits": Target(PURE, (CORE + "test_rate_limits.py",)),
    "daemon.core.milliseconds": Target(PURE, (CORE + "test_milliseconds.py", CORE + "test_timelines.py")),
    "daemon.core.overload": Target(PURE, (CORE + "test_overload.py",)),
    "daemon.core.modem_pace": Target(PURE, (CORE + "test_modem_pace.py", CORE + "test_next_delivery.py")),
    "daemon.core.phrases": Target(PURE, (CORE + "test_phrases.py",)),
    "daemon.core.speech_plan": Target(PURE, (CORE + "test_speech_plan.py",)),
    "daemon.core.plurals": Target(PURE, (CORE + "test_plurals.py",)),
    "daemon.core.quota": Target(PURE, (CORE + "test_quota.py",)),
    "daemon.core.request_cache": Target(PURE, (CORE + "test_request_cache.py",)),
    "daemon.core.missing_reports": Target(PURE, (CORE + "test_missing_reports.py",)),
    "daemon.core.wheel": Target(PURE, (CORE + "test_wheel.py",)),
    "daemon.core.workflows": Target(
        PURE, (CORE + "test_timelines.py", CORE + "test_request_states.py", API + "test_start.py", CONFIG)
    ),
    "daemon.api.access": Target(PURE, (API + "test_access.py", REPR)),
    "daemon.api.params": Target(PURE, (API + "test_start.py", API + "test_gather.py", API + "test_params.py", REPR)),
    "daemon.api.numbering": Target(PURE, (API + "test_numbering.py", API + "test_params.py", API + "test_start.py")),
    "drivers.sip.digest": Target(
        PURE, (SIP + "test_digest.py", SIP + "test_challenges.py", SIP + "test_agent.py", REPR)
    ),
    "drivers.serial.balance_text": Target(OTHERS, (SERIAL + "test_balance_text.py",)),
    "drivers.serial.dialogue": Target(OTHERS, (SERIAL + "test_in_step.py",)),
    "drivers.serial.message_storage": Target(OTHERS, (SERIAL + "test_stored.py",)),
    "drivers.serial.modem": Target(OTHERS, (SERIAL + "test_modem.py", SERIAL + "test_session_chores.py")),
    "drivers.serial.initialisation": Target(OTHERS, (SERIAL + "test_session_chores.py",)),
    "drivers.serial.session_chores": Target(OTHERS, (SERIAL + "test_session_chores.py",)),
    "drivers.serial.chores": Target(OTHERS, (SERIAL + "test_chores.py",)),
    "drivers.serial.at": Target(
        OTHERS, (SERIAL + "test_at.py", SERIAL + "test_at_lines.py", SERIAL + "test_at_parser.py", REPR)
    ),
    "drivers.serial.balance_check": Target(OTHERS, (SERIAL + "test_balance_check.py",)),
    "drivers.serial.network_answer": Target(OTHERS, (SERIAL + "test_network_answer.py", SERIAL + "test_sending.py")),
    "drivers.serial.pdu": Target(OTHERS, (SERIAL + "test_pdu.py", SERIAL + "test_reports.py")),
    "drivers.serial.late_answers": Target(OTHERS, (SERIAL + "test_late_answers.py", SERIAL + "test_sending.py", REPR)),
    "drivers.serial.reports": Target(OTHERS, (SERIAL + "test_reports.py", SERIAL + "test_sending.py")),
    "drivers.serial.sending": Target(OTHERS, (SERIAL + "test_sending.py", SERIAL + "test_late_answers.py", REPR)),
    "drivers.serial.supervisor": Target(OTHERS, (SERIAL + "test_supervisor.py", REPR)),
    "drivers.serial.troubles": Target(PURE, (SERIAL + "test_troubles.py",)),
    "drivers.serial.ussd": Target(OTHERS, (SERIAL + "test_ussd.py", SERIAL + "test_balance_check.py")),
    "drivers.serial.whose_answer": Target(OTHERS, (SERIAL + "test_whose_answer.py", SERIAL + "test_sending.py")),
    "drivers.sip.message": Target(OTHERS, (SIP + "test_message.py", REPR)),
    "drivers.sip.uri": Target(OTHERS, (SIP + "test_uri.py",)),
    "drivers.sip.sdp": Target(OTHERS, (SIP + "test_sdp.py",)),
    "drivers.sip.call": Target(OTHERS, (SIP + "test_call.py", *AGENT)),
    "drivers.sip.client_transaction": Target(OTHERS, (SIP + "test_client_transaction.py", *AGENT)),
    "drivers.sip.server_transaction": Target(OTHERS, (SIP + "test_server_transaction.py", *AGENT)),
    "daemon.core.commands": Target(PURE, (CORE + "test_commands.py", CORE + "test_working_set.py", REPR)),
    "daemon.core.attempt_states": Target(
        PURE, (CORE + "test_delivery_records.py", CORE + "test_attempt_states.py", *REQUEST_STATES)
    ),
    "daemon.core.pin_expiry": Target(PURE, (*REQUEST_STATES, CORE + "test_attempt_states.py", API + "test_start.py")),
    "daemon.core.active_per_number": Target(PURE, (CORE + "test_commands.py",)),
    "daemon.core.code_check": Target(PURE, REQUEST_STATES),
    "daemon.core.request_states": Target(PURE, (*REQUEST_STATES, CORE + "test_attempt_states.py")),
    "daemon.core.model": Target(
        PURE,
        (
            CORE + "test_model.py",
            *REQUEST_STATES,
            CORE + "test_attempt_states.py",
            CORE + "test_delivery_records.py",
            REPR,
        ),
    ),
    "daemon.core.outcomes": Target(PURE, REQUEST_STATES),
    "daemon.core.batch": Target(PURE, (CORE + "test_batch.py", CORE + "test_working_set.py", REPR)),
    "daemon.core.report_match": Target(PURE, (CORE + "test_report_match.py", CORE + "test_working_set.py")),
    "daemon.core.working_set": Target(
        PURE, (CORE + "test_working_set.py", CORE + "test_batch.py", "tests/daemon/store/test_batches.py")
    ),
    "daemon.core.modem_rest": Target(PURE, (CORE + "test_modem_rest.py", CORE + "test_next_delivery.py")),
    "daemon.engine": Target(OTHERS, ENGINE),
    "daemon.timers": Target(OTHERS, (*ENGINE, "tests/daemon/test_timers.py")),
    "daemon.overdue_timers": Target(OTHERS, (*ENGINE, "tests/daemon/test_timers.py")),
    "daemon.store.batches": Target(OTHERS, STORE),
    "daemon.store.readers": Target(OTHERS, STORE),
    "daemon.store.rows": Target(OTHERS, STORE),
    "daemon.store.forgetting": Target(OTHERS, (STORE_TESTS + "test_forgetting.py",)),
    "daemon.store.retention": Target(
        OTHERS, (STORE_TESTS + "test_retention.py", STORE_TESTS + "test_forgetting.py", *STORE)
    ),
    "daemon.store.cached_figure": Target(OTHERS, (STORE_TESTS + "test_cached_figure.py",)),
    "daemon.store.condition": Target(PURE, (STORE_TESTS + "test_in_place.py",)),
    "daemon.store.sqlite.in_place": Target(PURE, (STORE_TESTS + "test_in_place.py",)),
    "daemon.store.sqlite.open_files": Target(OTHERS, (STORE_TESTS + "test_in_place.py",)),
    "daemon.store.sqlite.open_database": Target(OTHERS, (STORE_TESTS + "test_in_place.py", *STORE)),
    "daemon.store.sqlite.numbering": Target(OTHERS, (STORE_TESTS + "test_copying.py", *STORE)),
    "daemon.store.sqlite.database": Target(OTHERS, STORE),
    "daemon.store.sqlite.files": Target(OTHERS, STORE),
    "daemon.store.sqlite.listing": Target(OTHERS, STORE),
    "daemon.store.sqlite.loading": Target(OTHERS, STORE),
    "daemon.store.sqlite.reading": Target(OTHERS, STORE),
    "daemon.store.sqlite.migrations": Target(OTHERS, STORE),
    "daemon.store.sqlite.saving": Target(OTHERS, STORE),
    "daemon.store.store": Target(OTHERS, STORE),
    "daemon.operations.doctor.judging": Target(PURE, DOCTOR),
    "daemon.operations.doctor.bundle_masking": Target(PURE, DOCTOR),
    **{
        f"daemon.operations.doctor.checks.{name}": Target(PURE, DOCTOR)
        for name in ("audio", "configuration", "devices", "machine", "ports", "prompts", "sims", "trunk")
    },
}
