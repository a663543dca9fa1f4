"""What is said in a call."""

from drivers.pyvoip.conversation import By, Conversation, Say


def story(conversation: Conversation, events: str) -> str:
    """The utterances as a line: "." an utterance ends, digits are keys, "_" five seconds pass."""
    told = [str(conversation.begin())]
    now = 0.0
    for event in events:
        now += 5.0 if event == "_" else 0.5
        if event == ".":
            said = conversation.played(now)
        elif event == "_":
            said = conversation.due(now)
        else:
            said = conversation.key(event, now)
        told += [str(said)] if said else []
    return " ".join(told) + (" over" if conversation.over else "")


def test_without_an_offer_the_call_ends_after_the_speech() -> None:
    assert story(Conversation(), ".") == "speech over"
    assert story(Conversation(), "1.") == "speech over"


def test_who_presses_nothing_hears_goodbye() -> None:
    assert story(Conversation(repeats=2), "._.") == "speech bye over"


def test_the_pin_is_heard_again_by_pressing_1() -> None:
    assert story(Conversation(repeats=2), ".1._.") == "speech again bye over"


def test_it_is_repeated_only_so_often() -> None:
    assert story(Conversation(repeats=2), ".1.1.1.") == "speech again again bye over"


def test_a_key_pressed_too_early_counts_when_the_speech_is_over() -> None:
    assert story(Conversation(repeats=2), "1._.") == "speech again"
    assert story(Conversation(repeats=2), "1.._.") == "speech again bye over"


def test_other_keys_do_nothing_and_are_told() -> None:
    conversation = Conversation(repeats=1)
    assert story(conversation, "2.#_.") == "speech bye over"
    assert conversation.keys == "2#"


def test_a_question_keeps_the_pin_from_a_voicemail() -> None:
    assert story(Conversation(asks=True, repeats=1), "._._") == "question question over"


def test_a_question_is_answered_while_it_is_asked_or_after() -> None:
    assert story(Conversation(asks=True), "1.") == "question speech over"
    assert story(Conversation(asks=True), ".1.") == "question speech over"
    assert story(Conversation(asks=True, repeats=1), "._1._.") == "question question speech bye over"


def test_nothing_is_said_after_the_end() -> None:
    assert story(Conversation(repeats=1), "._.1") == "speech bye over"


def test_few_keys_are_kept() -> None:
    conversation = Conversation()
    for _ in range(100):
        conversation.key("5", 0.0)
    assert len(conversation.keys) == 16
    assert Say.SPEECH is conversation.said


def test_a_key_that_is_told_twice_counts_once() -> None:
    conversation = Conversation(asks=True, repeats=2)
    conversation.begin()
    assert conversation.key("1", 1.0, By.INFO) is Say.SPEECH
    assert conversation.key("1", 1.1, By.EVENT) is None
    assert conversation.keys == "1"
    assert conversation.played(5.0) is None  # nobody wanted it again
    assert conversation.key("1", 6.0, By.INFO) is Say.AGAIN
    assert conversation.keys == "11"


def test_nothing_is_said_before_it_is_known_who_answered() -> None:
    conversation = Conversation(listens=True)
    assert story(conversation, "._") == "nothing"
    assert conversation.judged(machine=False) is Say.SPEECH
    assert conversation.judged(machine=True) is None
    assert (conversation.over, conversation.machine) == (False, False)


def test_a_machine_is_told_nothing() -> None:
    conversation = Conversation(asks=True, listens=True)
    conversation.begin()
    assert conversation.judged(machine=True) is None
    assert (conversation.over, conversation.machine) == (True, True)
    assert conversation.key("1", 1.0) is None


def test_who_presses_a_key_is_no_machine() -> None:
    assert story(Conversation(asks=True, listens=True), "51.") == "nothing question speech over"
