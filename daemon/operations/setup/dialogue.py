"""What setup asks or does next. Pure: of what is known comes the next question, the next task, or the end.

Each step is a function that says what it still lacks; the first that lacks something is next. A file of answers, a
terminal and the tests go the same way.
"""

from collections.abc import Callable, Mapping

from daemon.operations.setup.model import (
    AGAIN,
    NO,
    NONE,
    OTHER,
    SKIP,
    STOP,
    YES,
    Blank,
    Choice,
    Known,
    Profile,
    Question,
    Section,
    Stick,
    Task,
)

Next = Question | Task | None
"""None where a step lacks nothing."""

YES_OR_NO = (Choice(YES, "yes"), Choice(NO, "no"))
SECTION_OF: Mapping[Task, Section] = {
    **dict.fromkeys((Task.FIND, Task.PROBE, Task.FREE, Task.NETWORK, Task.SMS), Section.MODEM),
    **dict.fromkeys((Task.REGISTER, Task.CALL), Section.TRUNK),
    **dict.fromkeys((Task.PLAN, Task.WRITE, Task.START), Section.FILES),
}
NO_STICK = "There is no USB modem: plug it in, wait 20 s, and look again."
FAILED = "{}_failed"
"""The name of the question what to do about a task that failed."""
CODES: Mapping[Task, str] = {Task.SMS: "sms_code", Task.CALL: "call_code"}
"""The questions for what a test has brought."""
ASKED_AGAIN: Mapping[Task, frozenset[str]] = {
    Task.PROBE: frozenset({"modem", "port"}),
    Task.NETWORK: frozenset({"modem", "port", "sim_pin"}),
    Task.SMS: frozenset({"number", "sms_code"}),
    Task.REGISTER: frozenset({"trunk"}),
    Task.CALL: frozenset({"call", "call_code"}),
    Task.PLAN: frozenset({"trunk"}),
}
"""What is asked again before a task is tried again; of a trunk, all that its profile asks."""
DONE_AGAIN: Mapping[Task, frozenset[Task]] = {
    Task.PROBE: frozenset({Task.FIND, Task.PROBE}),
    Task.NETWORK: frozenset({Task.FIND, Task.PROBE, Task.FREE, Task.NETWORK}),
    Task.PLAN: frozenset({Task.REGISTER, Task.PLAN}),
    Task.WRITE: frozenset({Task.PLAN, Task.WRITE}),
    Task.START: frozenset({Task.PLAN, Task.WRITE, Task.START}),  # what was written may have been taken back
}


class Stopped(Exception):
    """The operator wants no more."""


def following(known: Known) -> Next:
    """The next question or task; None at the end. Raises Stopped."""
    return next((lacks for step in STEPS if (lacks := step(known)) is not None), None)


def names(known: Known) -> set[str]:
    """All that may stand in a file of answers."""
    fixed = {"modem", "port", "sim_pin", "number", "trunk", "call", "write", *CODES.values()}
    failed = {FAILED.format(task) for task in Task}
    return fixed | failed | {blank.key for profile in known.profiles for blank in profile.blanks}


def take(known: Known, question: Question, answer: str) -> Known:
    """The answer, and what it takes back. Raises Stopped."""
    task = next((each for each in Task if question.name == FAILED.format(each)), None)
    if question.name == "modem" and answer == AGAIN:
        return known.without(frozenset({"modem"}), frozenset({Task.FIND, Task.PROBE}))
    if task is not None and answer == STOP:
        raise Stopped
    if task is not None and answer == AGAIN:
        asked = ASKED_AGAIN.get(task, frozenset())
        blanks = {blank.key for blank in known.profile.blanks} if known.profile and "trunk" in asked else set()
        return known.without(frozenset({*asked, *blanks, question.name}), DONE_AGAIN.get(task, frozenset({task})))
    return known.answered(question.name, answer)


# --- the modem -------------------------------------------------------------------------------------------------


def _find(known: Known) -> Next:
    return _task(known, Task.FIND)


def _modem(known: Known) -> Next:
    if "modem" in known.answers:
        return None
    usable = [stick for stick in known.sticks if not stick.trouble]
    choices = [Choice(stick.port, stick.title, (_facts(stick),)) for stick in usable]
    choices += [Choice(OTHER, "another port, which I type"), Choice(AGAIN, "look again")]
    kept = ", ".join(known.present.modems)
    choices += [Choice(NONE, f"leave the modems as they are ({kept})" if kept else "no modem")]
    first = next((stick for stick in usable if stick.row), usable[0] if usable else None)
    unusable = [line for stick in known.sticks if stick.trouble for line in (f"{stick.title}:", f"  {stick.trouble}")]
    notes = unusable if known.sticks else [NO_STICK]
    default = first.port if first else NONE

    def port(answer: str) -> str:
        return known.check("port", answer)

    return Question(
        "modem", Section.MODEM, "Which modem?", tuple(notes), default, tuple(choices), others=True, check=port
    )


def _facts(stick: Stick) -> str:
    facts = [stick.port, f"IMEI ...{stick.imei[-6:]}" if stick.imei else "", f"is {stick.row}" if stick.row else ""]
    return ", ".join(filter(None, facts))


def _port(known: Known) -> Next:
    if known.answers["modem"] != OTHER:
        return None
    return _ask(known, "port", Section.MODEM, "Its port, such as /dev/ttyUSB2", check="port")


def _probe(known: Known) -> Next:
    named = known.answers.get("port") or known.answers["modem"]
    if named == NONE or named in [stick.port for stick in known.outcomes[Task.FIND].sticks]:
        return None
    return _task(known, Task.PROBE)


def _free(known: Known) -> Next:
    wanted = known.stick is not None and known.stick.held and not known.dry_run
    return _task(known, Task.FREE) if wanted else None


def _pin(known: Known) -> Next:
    stick = known.stick
    if stick is None or not stick.wants_pin or stick.row in known.present.pins:
        return None
    notes = ("The SIM wants its PIN. It is tried once, and kept in a file that only the daemon reads.",)
    return _ask(known, "sim_pin", Section.MODEM, "PIN of the SIM", notes, hidden=True, check="sim_pin")


def _network(known: Known) -> Next:
    return _task(known, Task.NETWORK) if known.stick is not None and not known.dry_run else None


def _number(known: Known) -> Next:
    if known.dry_run:
        return None
    notes = ("Now a real test: a code goes to your own phone, and you type it here.",)
    text = "Your mobile number, such as +447700900123, or none"
    return _ask(known, "number", Section.MODEM, text, notes, default=NONE, check="number")


def _sms(known: Known) -> Next:
    wanted = known.number and known.worked(Task.NETWORK)
    return _tried(known, Task.SMS, Section.MODEM, "Code in the SMS (Enter: none came)") if wanted else None


# --- the trunk -------------------------------------------------------------------------------------------------


def _trunk(known: Known) -> Next:
    kept = f"leave calls as they are ({known.present.trunk})" if known.present.trunk else "no calls"
    choices = (*(Choice(each.name, each.title) for each in known.profiles), Choice(NONE, kept))
    return _ask(known, "trunk", Section.TRUNK, "Which trunk makes the calls?", default=NONE, choices=choices)


def _blanks(known: Known) -> Next:
    profile = known.profile
    if profile is None:
        return None
    missing = [blank for blank in profile.blanks if blank.key not in known.answers]
    if not missing:
        return None
    return _blank(known, profile, missing[0], first=len(missing) == len(profile.blanks))


def _blank(known: Known, profile: Profile, blank: Blank, *, first: bool) -> Question:
    notes = (*profile.first, f"Tested: {profile.tested}.") if first else ()
    present = known.present.voice.get(blank.key, "")
    found = "" if blank.hidden else known.earlier.get(blank.key) or present or blank.default
    kept = blank.hidden and "password_file" in known.present.voice
    default = found if found or blank.optional or kept else None
    enter = " (Enter: as it is)" if kept else " (Enter: none)" if default == "" else ""
    more = (blank.help,) if blank.help else ()

    def check(answer: str) -> str:
        return known.check(blank.key, answer)

    return Question(
        blank.key, Section.TRUNK, blank.text + enter, notes + more, default, hidden=blank.hidden, check=check
    )


def _register(known: Known) -> Next:
    return _task(known, Task.REGISTER) if known.profile is not None and not known.dry_run else None


def _call(known: Known) -> Next:
    if not (known.number and known.worked(Task.REGISTER)):
        return None
    text = "Call your phone now, and speak a code?"
    if asked := _ask(known, "call", Section.TRUNK, text, default=YES, choices=YES_OR_NO):
        return asked
    text = "Code that the voice said (Enter: none)"
    return _tried(known, Task.CALL, Section.TRUNK, text) if known.answers["call"] == YES else None


# --- the files -------------------------------------------------------------------------------------------------


def _plan(known: Known) -> Next:
    return _task(known, Task.PLAN)


def _write(known: Known) -> Next:
    if known.dry_run or not known.worked(Task.PLAN) or not known.outcomes[Task.PLAN].changed:
        return None
    if asked := _ask(known, "write", Section.FILES, "Write this?", default=YES, choices=YES_OR_NO):
        return asked
    return _task(known, Task.WRITE) if known.answers["write"] == YES else None


def _start(known: Known) -> Next:
    """Also where nothing was to be changed: the daemon may not have started the last time."""
    as_it_should_be = known.worked(Task.PLAN) and not known.outcomes[Task.PLAN].changed and not known.dry_run
    return _task(known, Task.START) if known.worked(Task.WRITE) or as_it_should_be else None


STEPS: tuple[Callable[[Known], Next], ...] = (
    *(_find, _modem, _port, _probe, _free, _pin, _network, _number, _sms),
    *(_trunk, _blanks, _register, _call),
    *(_plan, _write, _start),
)

# --- what steps have in common ---------------------------------------------------------------------------------


def _ask(
    known: Known,
    name: str,
    section: Section,
    text: str,
    notes: tuple[str, ...] = (),
    *,
    default: str | None = None,
    choices: tuple[Choice, ...] = (),
    hidden: bool = False,
    check: str = "",
) -> Question | None:
    """A question that has no answer yet. check: by this name."""
    if name in known.answers:
        return None
    earlier = None if hidden else known.earlier.get(name)

    def mistake(answer: str) -> str:
        return known.check(check, answer) if check else ""

    return Question(
        name, section, text, notes, default=earlier or default, choices=choices, hidden=hidden, check=mistake
    )


def _task(known: Known, task: Task) -> Next:
    """A task that was not done yet, or what to do about its failure."""
    outcome = known.outcomes.get(task)
    if outcome is None:
        return task
    return None if outcome.ok else _after_failure(known, task, outcome.remedy)


def _after_failure(known: Known, task: Task, remedy: tuple[str, ...]) -> Question | None:
    choices = (Choice(AGAIN, "try again"), Choice(SKIP, "go on without"), Choice(STOP, "stop here, write nothing"))
    return _ask(known, FAILED.format(task), SECTION_OF[task], "What now?", remedy, default=AGAIN, choices=choices)


def _tried(known: Known, task: Task, section: Section, text: str) -> Next:
    """A test, then the code that it has brought; nothing that came is a failure, too."""
    name = CODES[task]
    if (lacks := _task(known, task)) is not None or not known.worked(task):
        return lacks
    secret = known.outcomes[task].secret

    def check(answer: str) -> str:
        return "" if answer == secret else "this is another code; look again, or press Enter if none came"

    if name not in known.answers:
        return Question(name, section, text, (), "", check=check)
    return None if known.answers[name] else _after_failure(known, task, known.outcomes[task].remedy)
