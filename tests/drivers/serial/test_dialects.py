"""Commands that makers understand differently: which form is used, and what does not work."""

from drivers.serial.at import Final, Reply
from drivers.serial.dialects import LIST, PHASE, REPORTS, SELECT, SETTINGS, Dialect
from drivers.serial.error_causes import ResultKind
from drivers.serial.procedure import Talk
from tests.drivers.serial.hand import done

ERROR = Final(ResultKind.ERROR)


class Maker:
    """Accepts some commands; refusal: what the others end in; asked: all that it was asked."""

    def __init__(self, *accepted: str, refusal: Final = ERROR) -> None:
        self.accepted, self.refusal = accepted, refusal
        self.asked: list[str] = []

    def __call__(self, command: str, answer: str) -> Talk[Reply]:
        self.asked.append(command)
        yield from ()
        return Reply(Final(ResultKind.OK) if command in self.accepted else self.refusal, [f"{answer}: 0"])


def test_the_form_that_fits_is_remembered() -> None:
    maker = Maker('AT+CPMS="SR","ME","SM"', 'AT+CPMS="ME","ME","SM"')
    dialect = Dialect(maker)
    for storage in ("SR", "ME"):
        assert done(dialect.use(SELECT, storage=storage, writing="ME", receiving="SM")).ok
    assert maker.asked == ['AT+CPMS="SR"', 'AT+CPMS="SR","ME","SM"', 'AT+CPMS="ME","ME","SM"']
    assert dialect.remarks() == ()


def test_what_no_form_does_is_remarked() -> None:
    dialect = Dialect(Maker())
    done(dialect.use(REPORTS))
    done(dialect.use(SELECT, storage="SR", writing="ME", receiving="SM"))
    assert [remark.partition(":")[0] for remark in dialect.remarks()] == [
        "delivery reports, and incoming messages as they come",
        "stored messages",
    ]


def test_a_form_that_lacks_something_is_the_last_and_remarked() -> None:
    maker = Maker("AT+CNMI=2,1,0,0,0")
    dialect = Dialect(maker)
    assert done(dialect.use(REPORTS)).ok
    assert dialect.remarks() == (dialect.lacks(REPORTS),) != ("",)
    maker.accepted = ("AT+CNMI=2,1,0,1,0",)
    done(dialect.retry(REPORTS))
    done(dialect.use(REPORTS))
    assert maker.asked[-2:] == ["AT+CNMI=2,1,0,1,0"] * 2
    assert dialect.remarks() == ()


# A listing that timed out used to be "the modem does not list them" in `modems show`.
def test_no_answer_in_time_proves_nothing_of_what_a_modem_knows() -> None:
    maker = Maker(refusal=Final(ResultKind.NONE))
    dialect = Dialect(maker)
    done(dialect.use(LIST))
    assert dialect.remarks() == ()
    maker.refusal = ERROR
    done(dialect.use(LIST))
    assert dialect.remarks() == (LIST.lacks,)
    maker.accepted = ("AT+CMGL=4",)
    done(dialect.use(LIST))
    assert dialect.remarks() == ()


def test_a_modem_that_is_still_busy_is_asked_no_other_form() -> None:
    maker = Maker(refusal=Final(ResultKind.CMS, 512))
    done(Dialect(maker).use(REPORTS))
    assert len(maker.asked) == 1


def test_of_two_commands_the_second_is_not_said_without_the_first() -> None:
    maker = Maker("AT+CSMS=1", "AT+CNMI=2,1,0,1,1")
    dialect = Dialect(maker)
    assert not dialect.knows(REPORTS)
    maker.accepted = ("AT+CSMS=1",)
    done(dialect.use(REPORTS))
    assert maker.asked.count("AT+CSMS=1") == 2


def test_what_was_refused_is_tried_later_unless_it_is_refused_for_ever() -> None:
    maker = Maker(refusal=Final(ResultKind.CME, 3))
    dialect = Dialect(maker)
    done(dialect.use(PHASE))
    assert dialect.refused() == [PHASE]
    for refusal, later in (
        (Final(ResultKind.NONE), [PHASE]),
        (Final(ResultKind.CME, 4), []),
        (Final(ResultKind.CMS, 303), []),
    ):
        maker.refusal = refusal
        done(dialect.retry(PHASE))
        assert dialect.refused() == later
    assert PHASE in SETTINGS


def test_a_form_that_fits_stays_though_it_is_refused_once() -> None:
    maker = Maker("AT+CMGL=4")
    dialect = Dialect(maker)
    done(dialect.use(LIST))
    maker.accepted = ()
    assert not done(dialect.use(LIST)).ok
    assert dialect.knows(LIST)
    assert dialect.remarks() == ()
