"""The lane of messages: one queue in front of a pool of modems."""

from daemon.lanes.sms.lane import SmsLane
from daemon.lanes.sms.sending import SmsText
from daemon.lanes.sms.slots import ModemSlot, NoSuchModem

__all__ = ["Duty", "ModemSlot", "NoSuchModem", "SmsLane", "SmsText"]
