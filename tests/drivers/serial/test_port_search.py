"""Where a modem is looked for."""

from drivers.serial.port_search import Port, Search

PORTS = [Port(f"/dev/ttyUSB{i}", i + 100) for i in range(3)]


def test_the_ports_of_a_pattern_are_tried_in_turn() -> None:
    search = Search()
    tried = [
        search.choose(PORTS) for _ in range(4) if search.missed(search.choose(PORTS), PORTS, silent=False) is False
    ]
    assert [port.name[-1] for port in tried] == ["1", "2", "0", "1"]


def test_silence_counts_once_every_port_has_been_tried() -> None:
    search = Search()
    assert [search.missed(search.choose(PORTS), PORTS, silent=True) for _ in range(7)] == [False, False, True] * 2 + [
        False
    ]


def test_ports_that_answer_but_are_not_the_modems_mean_that_it_is_not_there() -> None:
    search = Search()
    assert not any(search.missed(search.choose(PORTS), PORTS, silent=False) for _ in range(6))


def test_where_the_modem_was_seen_its_silence_counts_at_once_and_that_of_others_never() -> None:
    search = Search()
    search.seen(PORTS[1])
    assert [search.missed(port, PORTS, silent=True) for port in PORTS] == [False, True, False]
    assert search.choose(PORTS) == PORTS[0]


def test_a_new_device_of_the_same_name_is_another_port() -> None:
    search = Search()
    search.seen(PORTS[0])
    new = [Port(PORTS[0].name, 999), *PORTS[1:]]
    assert not search.missed(new[0], new, silent=True)


def test_the_only_port_there_is_needs_no_round() -> None:
    search = Search()
    assert search.missed(PORTS[0], PORTS[:1], silent=True)
