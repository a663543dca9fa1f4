"""The lane of messages: one queue in front of a pool of modems."""

from daemon.lanes.sms.lane import SmsLane, SmsText
from daemon.lanes.sms.slots import REST_S, Duty, ModemSlot, NoSuchModem

__all__ = ["REST_S", "Duty", "ModemSlot", "NoSuchModem", "SmsLane", "SmsText"]
