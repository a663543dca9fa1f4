"""The figures as families of Prometheus: names, sentences and labels. On any thread."""

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from operator import attrgetter

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from daemon.core.canary import Standing
from daemon.core.histogram import Histogram
from daemon.core.milliseconds import in_seconds
from daemon.core.model import Channel, Status
from daemon.lanes.snapshots import Duty, ModemSnapshot, VoiceSnapshot
from daemon.operations import processes
from daemon.operations.doctor.facts import Facts
from daemon.operations.host.files import DAY_S
from daemon.operations.host.values import Backups, Certificate
from daemon.operations.metric_figures import Figures
from daemon.version import VERSION
from drivers import DeviceState

Labelled = Iterable[tuple[tuple[str, ...], float]]


class _Families(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        figures = self._figures
        yield _gauge("build_info", "The version that runs.", ["version"], [((VERSION,), 1)])
        yield from _of_requests(figures)
        yield from _of_queues(figures)
        if figures.now.sms is not None:
            yield from _of_modems(figures.now.sms.modems)
        if figures.now.voice is not None:
            yield from _of_the_trunk(figures.now.voice)
        if figures.now.canary:
            yield from _of_the_canary(figures.now.canary)
        yield from _of_the_daemon(figures)
        yield from _of_processes()


def exposition(figures: Figures) -> bytes:
    """The text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(figures))
    return generate_latest(registry)


def _of_requests(figures: Figures) -> Iterator[Metric]:
    counts = figures.counts
    if figures.requests is not None:
        states = [((status.name.lower(),), figures.requests.get(status, 0)) for status in Status]
        yield _gauge("requests", "Requests in the database by status.", ["state"], states)
    if figures.timers is not None:
        text = "Requests that wait for a time: of their next event, or their end."
        yield _gauge("timers_pending", text, [], [((), figures.timers)])
    yield _counter("requests_started", "Requests that were started.", ["workflow", "api"], counts.started.items())
    finished = counts.finished.items()
    yield _counter("requests_finished", "Requests that ended, by how.", ["outcome", "workflow"], finished)
    yield _counter(
        "attempts", "Messages and calls by what became of them.", ["channel", "outcome"], counts.attempts.items()
    )
    text = "Requests that were verified, by the last channel and the country of the number."
    yield _counter("conversions", text, ["channel", "country"], counts.conversions.items())
    yield _histogram(
        "verify_duration_seconds", "From the start to the right code.", ["channel"], _one_each(counts.durations)
    )
    lateness = [((), counts.lateness)]
    yield _histogram("timer_lateness_seconds", "From a timer's time until what follows is stored.", [], lateness)
    yield _counter("sms_parts", "SMS that were charged to a SIM.", ["modem"], _one(counts.parts))
    yield _counter("sms_parts_refunded", "Those of them that did not go out.", ["modem"], _one(counts.refunded))


def _of_queues(figures: Figures) -> Iterator[Metric]:
    lanes = {Channel.SMS: figures.now.sms, Channel.TTS: figures.now.voice}
    here = {str(channel): lane for channel, lane in lanes.items() if lane is not None}
    waiting = [((channel,), float(lane.waiting)) for channel, lane in here.items()]
    oldest = [((channel,), lane.oldest_s) for channel, lane in here.items()]
    yield _gauge("queue_deliveries", "Messages and calls that wait for a device.", ["channel"], waiting)
    yield _gauge("queue_oldest_seconds", "Since when the first of them waits.", ["channel"], oldest)


def _of_modems(modems: tuple[ModemSnapshot, ...]) -> Iterator[Metric]:
    states = (DeviceState.READY, DeviceState.WAITING)
    up = [((modem.name,), float(modem.status.state in states)) for modem in modems]
    registered = [((modem.name,), float(modem.status.state is DeviceState.READY)) for modem in modems]
    paused = [((modem.name,), float(modem.duty is not Duty.WORKING)) for modem in modems]
    signals = [((modem.name,), float(dbm)) for modem in modems if (dbm := modem.status.signal_dbm) is not None]
    failures = [((modem.name,), float(modem.failures)) for modem in modems]
    yield _gauge("modem_up", "Whether the modem answers.", ["modem"], up)
    yield _gauge("modem_registered", "Whether it can send: it is in a network.", ["modem"], registered)
    yield _gauge("modem_paused", "Whether the operator paused or drained it.", ["modem"], paused)
    yield _gauge("modem_signal_dbm", "Received signal strength; no series while unknown.", ["modem"], signals)
    yield _gauge("modem_failures", "Failures in a row.", ["modem"], failures)
    durations = [((modem.name,), modem.durations) for modem in modems]
    text = "From when a modem gets a message until the network has taken it."
    yield _histogram("modem_send_duration_seconds", text, ["modem"], durations)
    balances = [
        ((modem.name, known.currency), float(known.amount)) for modem in modems if (known := modem.status.balance)
    ]
    low = [((modem.name,), modem.balance_low) for modem in modems if modem.balance_low]
    yield _gauge("sim_balance", "What is left on the SIM; no series while unknown.", ["modem", "currency"], balances)
    yield _gauge("sim_balance_low", "Below which that is low; no series where nobody says.", ["modem"], low)
    left = [quota for modem in modems for quota in _left(modem)]
    yield _gauge("modem_quota_remaining_messages", "SMS until the limit of the SIM.", ["modem", "window"], left)
    for name, text in (
        ("errors", "How often the modem stopped working."),
        ("restarts", "Restarts of the modem, by us and by itself."),
        ("power_cycles", "How often its power was cut."),
    ):
        of = attrgetter(name)
        series = [((modem.name, str(why)), count) for modem in modems for why, count in of(modem.counts).items()]
        yield _counter(f"modem_{name}", text, ["modem", "cause"], series)


def _left(modem: ModemSnapshot) -> Iterator[tuple[tuple[str, str], float]]:
    """For each window that has a limit."""
    used, limits = modem.used, modem.limits
    for window, limit, sent in (("hour", limits.hourly, used.hour), ("day", limits.daily, used.day)):
        if limit:
            yield (modem.name, window), float(max(limit - sent, 0))


def _of_the_trunk(voice: VoiceSnapshot) -> Iterator[Metric]:
    ready = float(voice.status.state is DeviceState.READY)
    yield _gauge("trunk_ready", "Whether calls can be made.", ["trunk"], [((voice.driver,), ready)])
    if voice.status.registered is not None:
        registered = [((voice.driver,), float(voice.status.registered))]
        yield _gauge("trunk_registered", "Whether the registrar knows us.", ["trunk"], registered)
    yield _gauge("calls", "Calls under way.", [], [((), float(voice.status.calls))])
    yield _histogram(
        "call_setup_duration_seconds", "From dialling until the phone rings, or is answered.", [], [((), voice.setups)]
    )
    text = "How late packets of speech went out against their schedule."
    yield _histogram("rtp_lateness_seconds", text, [], [((), voice.lateness)])
    text = "Calls by how they ended, and by the class of the last SIP response."
    yield _counter("calls", text, ["outcome", "sip_class"], voice.results.items())


def _of_the_canary(standings: Mapping[str, Standing]) -> Iterator[Metric]:
    successes = [
        ((device,), in_seconds(standing.succeeded_at))
        for device, standing in standings.items()
        if standing.succeeded_at is not None
    ]
    failures = [((device,), float(standing.failures)) for device, standing in standings.items()]
    text = "When its text or call last arrived; no series before."
    yield _gauge("canary_last_success_timestamp_seconds", text, ["device"], successes)
    yield _gauge("canary_failures", "Texts or calls in a row that did not arrive.", ["device"], failures)


def _of_the_daemon(figures: Figures) -> Iterator[Metric]:
    problems = _one(figures.problems)
    yield _gauge("health_problems", "What does not work: pinwheel doctor says what.", ["severity"], problems)
    broken = figures.now.store.broken or figures.now.store.damaged
    yield _gauge("store_broken", "Whether the last write failed, or the database is damaged.", [], [((), broken)])
    yield _histogram(
        "http_request_duration_seconds", "Until the answer begins.", ["route", "status"], figures.answers.items()
    )
    yield _histogram("commit_duration_seconds", "Of a batch in the database.", [], [((), figures.commits)])
    yield from _of_the_files(figures.around)
    for name, path in figures.files.items():
        size = path.stat().st_size if path.exists() else 0
        yield _gauge(f"{name}_size_bytes", f"Size of the {name} file.", [], [((), float(size))])


def _of_the_files(around: Facts) -> Iterator[Metric]:
    """Times; no series where there is no certificate, or no backup."""
    now = time.time()
    if isinstance(around.certificate, Certificate):
        expires = [((), float(round(now + around.certificate.days * DAY_S)))]
        yield _gauge("certificate_expiry_timestamp_seconds", "End of the certificate of [api] tcp.", [], expires)
    if isinstance(around.backups, Backups) and around.backups.newest_s is not None:
        made = [((), float(round(now - around.backups.newest_s)))]
        yield _gauge("last_backup_timestamp_seconds", "When pinwheel-backup.service last made one.", [], made)


def _of_processes() -> Iterator[Metric]:
    for prefix, found in (("", processes.own()), ("pinwheel_audio_", processes.audio())):
        if found is not None:
            yield CounterMetricFamily(f"{prefix}process_cpu_seconds", "User and system CPU time.", found.cpu_s)
            for name, text, value in (
                ("resident_memory_bytes", "Resident memory.", found.resident),
                ("virtual_memory_bytes", "Virtual memory.", found.virtual),
                ("start_time_seconds", "Start, in Unix time.", found.started),
                ("open_fds", "Open files.", found.files),
            ):
                yield GaugeMetricFamily(f"{prefix}process_{name}", text, value)
    yield GaugeMetricFamily("process_max_fds", "The most files that may be open.", processes.files_allowed())


def _gauge(name: str, text: str, labels: list[str], series: Labelled) -> Metric:
    family = GaugeMetricFamily(f"pinwheel_{name}", text, labels=labels)
    for values, value in series:
        family.add_metric(values, value)
    return family


def _counter(name: str, text: str, labels: list[str], series: Labelled) -> Metric:
    family = CounterMetricFamily(f"pinwheel_{name}", text, labels=labels)
    for values, value in series:
        family.add_metric(values, value)
    return family


def _histogram(name: str, text: str, labels: list[str], series: Iterable[tuple[tuple[str, ...], Histogram]]) -> Metric:
    family = HistogramMetricFamily(f"pinwheel_{name}", text, labels=labels)
    for values, found in series:
        bounds = [*map(str, found.bounds), "+Inf"]
        family.add_metric(values, list(zip(bounds, accumulate(found.counts), strict=True)), found.total)
    return family


def _one(counts: Mapping[str, int]) -> Labelled:
    return [((label,), count) for label, count in counts.items()]


def _one_each(histograms: Mapping[str, Histogram]) -> list[tuple[tuple[str, ...], Histogram]]:
    return [((label,), found) for label, found in histograms.items()]
