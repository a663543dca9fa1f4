"""What `make soak` puts between a call and the ear: losses in bursts, noise of a known level; and what it aims at."""

from collections import Counter
from itertools import groupby

import numpy as np
import pytest

from tests.soak.ears import Score
from tests.soak.hearing import Verdict
from tests.soak.mobile import BURST, LINES, Line, Noise, lost, street
from tests.soak.mobile_codecs import Codec

FRAMES = 200_000


@pytest.mark.parametrize("share", [0.03, 0.05])
def test_frames_are_lost_in_bursts_and_as_many_as_asked(share: float) -> None:
    found = lost(FRAMES, share, np.random.default_rng(1))
    bursts = [len([*group]) for is_lost, group in groupby(found) if is_lost]
    assert sum(found) / FRAMES == pytest.approx(share, rel=0.05)
    assert sum(bursts) / len(bursts) == pytest.approx(BURST, rel=0.05)


def test_nothing_is_lost_on_a_good_line() -> None:
    assert not any(lost(FRAMES, 0.0, np.random.default_rng(1)))


def test_a_street_is_low_and_as_loud_as_it_is_said_to_be() -> None:
    noise = street(80_000, np.random.default_rng(1))
    power = np.abs(np.fft.rfft(noise)) ** 2
    assert (noise**2).mean() == pytest.approx(1)
    assert power[:10_000].sum() > 2 * power[10_000:].sum()  # below and above 1 kHz


STREET = Line(Codec.AMR_475, 0.0, Noise.STREET)


@pytest.mark.parametrize(
    ("line", "right", "wrong_twice", "reached"),
    [
        (STREET, 38, 0, True),
        (STREET, 37, 0, False),
        (STREET, 38, 1, False),
        (Line(Codec.AMR_122, 0.0, Noise.BABBLE), 36, 0, True),
        (Line(Codec.AMR_122, 0.0, Noise.BABBLE), 35, 0, False),
        (Line(Codec.AMR_475, 0.0, Noise.BABBLE), 20, 0, True),
        (Line(Codec.AMR_475, 0.0, Noise.BABBLE), 40 - 1, 1, False),
    ],
)
def test_a_line_is_good_if_enough_is_understood_and_nothing_wrongly_twice(
    line: Line, right: int, wrong_twice: int, reached: bool
) -> None:
    verdicts = Counter({Verdict.RIGHT: right, Verdict.WRONG: wrong_twice, Verdict.NOT_HEARD: 40 - right - wrong_twice})
    assert line.reached(Score(verdicts, right, wrong_twice)) is reached


def test_every_codec_is_tried_with_losses_and_with_both_noises() -> None:
    assert len(LINES) == len({*LINES}) == len(Codec) * 5
