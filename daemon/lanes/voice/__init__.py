"""The lane of calls: one queue in front of a trunk that carries many calls at a time."""

from daemon.lanes.voice.lane import VoiceLane
from daemon.lanes.voice.one_call import Manner
from daemon.lanes.voice.trial_calls import TrialEnd

__all__ = ["Manner", "TrialEnd", "VoiceLane"]
