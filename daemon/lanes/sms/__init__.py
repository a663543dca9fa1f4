"""The lane of messages: one queue in front of a pool of modems."""

from daemon.lanes.sms.lane import SmsLane
from daemon.lanes.sms.modem_slot import ModemSlot, NoSuchModem
from daemon.lanes.sms.sending import SmsText

__all__ = ["ModemSlot", "NoSuchModem", "SmsLane", "SmsText"]
