"""What a value of the core is: equal, hashed and shown by its fields."""

from dataclasses import field

import pytest

from daemon.core.values import value


@value
class Nothing:
    """Without a field."""


@value
class One:
    number: int


@value
class Two:
    number: int
    text: str = field(default="", compare=False, repr=False)


@value
class Three:
    number: int
    text: str = ""
    more: tuple[int, ...] = ()


@value
class Silent:
    secret: str

    def __repr__(self) -> str:
        return "Silent()"


@pytest.mark.parametrize(
    ("left", "right"),
    [(Nothing(), Nothing()), (One(1), One(1)), (Two(1, "a"), Two(1, "b")), (Three(1, "a", (2,)), Three(1, "a", (2,)))],
)
def test_values_are_equal_by_the_fields_that_count(left: object, right: object) -> None:
    assert left == right
    assert hash(left) == hash(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [(One(1), One(2)), (Three(1, "a"), Three(1, "b")), (Three(1), Three(1, "", (2,))), (One(1), Two(1)), (One(1), 1)],
)
def test_values_of_other_fields_or_of_another_class_differ(left: object, right: object) -> None:
    assert left != right
    assert len({left, right}) == 2


@pytest.mark.parametrize(
    ("each", "shown"),
    [
        (Nothing(), "Nothing()"),
        (Two(1, "secret"), "Two(number=1)"),
        (Three(1, "a'"), 'Three(number=1, text="a\'", more=())'),
        (Silent("secret"), "Silent()"),
    ],
)
def test_a_value_shows_the_fields_that_may_be_shown(each: object, shown: str) -> None:
    assert repr(each) == shown


def test_a_value_has_slots_and_no_room_for_more() -> None:
    with pytest.raises(AttributeError):
        One(1).another = 2  # type: ignore[attr-defined]
