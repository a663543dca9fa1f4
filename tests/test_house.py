"""The rules of the house hold, and each rule finds what breaks it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import house
from tests.house import Broad, Class, House, Import, Rule

HERE = house.measured(house.ROOT)


@pytest.mark.parametrize("rule", house.RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_its_rules(rule: Rule) -> None:
    assert house.broken(HERE, rule) == []


def test_each_exception_is_needed_and_says_why() -> None:
    assert set(house.EXCEPTIONS) <= house.subjects(HERE)
    assert all(len(why.split()) > 5 for why in house.EXCEPTIONS.values())


def tree(root: Path, **files: str) -> House:
    """The figures of made-up modules: daemon_api_x is daemon/api/x.py."""
    for name, text in files.items():
        path = root.joinpath(*name.split("_")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return house.measured(root)


def test_a_function_is_as_long_as_from_its_def_to_its_last_line(tmp_path: Path) -> None:
    text = "class A:\n    @property\n    def f(self):\n" + "        pass\n" * 44
    assert list(house.long_functions(tree(tmp_path, daemon_main=text))) == ["daemon/main.py A.f: 45 lines"]


def test_a_class_has_the_attributes_that_any_method_sets(tmp_path: Path) -> None:
    fields = "".join(f"    f{i}: int = 0\n" for i in range(7))
    sets = "    def f(self, other):\n        other.much = 1\n" + "".join(
        f"        self.a{i} = self.a0\n" for i in range(8)
    )
    assert list(house.large_classes(tree(tmp_path, daemon_main=f"class A:\n{fields}{sets}"))) == [
        "daemon/main.py A: 15 attributes"
    ]


def test_a_class_has_the_methods_of_its_own_body(tmp_path: Path) -> None:
    methods = "".join(f"    def f{i}(self):\n        def g(): pass\n" for i in range(25))
    assert list(house.large_classes(tree(tmp_path, daemon_main=f"class A:\n{methods}"))) == [
        "daemon/main.py A: 25 methods"
    ]


@pytest.mark.parametrize("decorator", ["dataclass(frozen=True)", "value"])
def test_a_value_may_have_as_many_fields_as_it_needs(tmp_path: Path, decorator: str) -> None:
    fields = "".join(f"    f{i}: int\n" for i in range(30))
    text = f"@{decorator}\nclass A:\n{fields}"
    measured = tree(tmp_path, daemon_main=text)
    assert measured.classes == [Class("daemon/main.py A", 0, 30, frozen=True)]
    assert list(house.large_classes(measured)) == []


def test_a_file_has_fewer_than_400_lines(tmp_path: Path) -> None:
    measured = tree(tmp_path, daemon_main="\n" * 399, drivers_guard="\n" * 400)
    assert list(house.long_files(measured)) == ["drivers/guard.py: 400 lines"]


def test_a_value_of_many_fields_is_made_by_their_names(tmp_path: Path) -> None:
    """A swap of two of the 13 strings and numbers of a ModemSnapshot used to pass the type checker."""
    value = "@dataclass(frozen=True)\nclass A:\n    a: int\n\n\nclass B:\n    pass\n"
    made = "x.A(1, 2, 3, 4, 5, 6)\nx.A(1, 2, 3, 4, 5, 6, 7)\nx.A(1, 2, 3, 4, 5, 6, a=7)\nx.B(1, 2, 3, 4, 5, 6, 7)\n"
    found = house.values_without_names(tree(tmp_path, daemon_main=value, daemon_start=made))
    assert list(found) == ["daemon/start.py A: 7 values without a name"]


@pytest.mark.parametrize(
    "text",
    [
        "import daemon.api.b",
        "from daemon.api import b",
        "from daemon.api.b import thing",
        "def f():\n    from daemon.api.b import thing",
        "if TYPE_CHECKING:\n    from daemon.api.b import thing",
    ],
)
def test_every_kind_of_import_counts(tmp_path: Path, text: str) -> None:
    measured = tree(tmp_path, daemon_api_a=text, daemon_api_b="import asyncio\nfrom daemon.api.a import other")
    assert measured.imports == {Import("daemon.api.a", "daemon.api.b"), Import("daemon.api.b", "daemon.api.a")}
    assert list(house.circles(measured)) == ["daemon.api.a imports daemon.api.b imports daemon.api.a: a circle"]


def test_every_circle_is_found_and_what_is_no_circle_is_not() -> None:
    pairs = (("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "d"), ("a", "e"))
    house_ = House(imports={Import(source, target) for source, target in pairs})
    assert sorted(house.circles(house_)) == [
        "a imports b imports c imports a: a circle",
        "d imports e imports d: a circle",
    ]


@pytest.mark.parametrize(
    ("source", "target", "why"),
    [
        ("daemon.core.model", "drivers", "not down"),
        ("daemon.store.rows", "daemon.engine", "not down"),
        ("daemon.store.rows", "daemon.prompts.library", "not down"),
        ("drivers.serial.driver", "drivers.pyvoip.driver", "not down"),
        ("drivers.guard", "drivers.codecs.g711", "not down"),
        ("drivers.serial.driver", "daemon.core.model", "drivers know nothing of the daemon"),
        ("daemon.lanes.voice", "drivers.pyvoip.driver", "the inside of a driver"),
        ("daemon.cli.prompts", "drivers.sip.message", "the inside of a driver"),
        ("daemon.novelty.x", "daemon.core.model", "daemon.novelty stands on no floor"),
        ("daemon.main", "drivers.novelty.x", "drivers.novelty stands on no floor"),
    ],
)
def test_an_import_that_goes_where_it_must_not_is_named(source: str, target: str, why: str) -> None:
    found = house.upward_imports(House(imports={Import(source, target)}))
    assert list(found) == [f"{source} imports {target}: {why}"]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("daemon.store.sqlite.database", "daemon.store.contract"),
        ("daemon.main", "daemon.api.app"),
        ("daemon.lanes.voice", "drivers"),
        ("daemon.lanes.voice", "drivers.settings"),
        ("daemon.prompts.library", "drivers.codecs.g711"),
        ("drivers.pyvoip.calls", "drivers.guard"),
        ("drivers.checks", "drivers.settings"),
    ],
)
def test_an_import_that_goes_down_or_stays_is_fine(source: str, target: str) -> None:
    assert list(house.upward_imports(House(imports={Import(source, target)}))) == []


def broad(root: Path, text: str) -> Iterator[Broad]:
    yield from tree(root, daemon_main=text).broad


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("try: ...\nexcept: ...", ""),
        ("try: ...\nexcept Exception: ...", ""),
        ("try: ...\nexcept BaseException as exc: ...", ""),
        ("try: ...\nexcept (OSError, Exception): ...", ""),
        ("try: ...\nexcept Exception: ...  # noqa: BLE001", ""),
        ("with contextlib.suppress(Exception): ...", ""),
        ("with suppress(OSError, Exception): ...", ""),
        ("try: ...\nexcept Exception: ...  # noqa: BLE001 - a call ends here", "a call ends here"),
        ("try: ...\nexcept Exception: ...  # a call ends here", "a call ends here"),
    ],
)
def test_an_except_of_everything_needs_its_reason(tmp_path: Path, text: str, reason: str) -> None:
    (found,) = broad(tmp_path, text)
    assert found.reason == reason
    assert len(list(house.broad_excepts(House(broad=[found])))) == (not reason)


def test_an_except_of_something_needs_no_reason(tmp_path: Path) -> None:
    assert list(broad(tmp_path, "try: ...\nexcept (OSError, ValueError): ...\nwith suppress(OSError): ...")) == []
