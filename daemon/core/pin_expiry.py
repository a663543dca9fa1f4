"""A PIN's expiry: how long it is valid, when another one takes its place, and whether it has expired."""

from daemon.core.milliseconds import Ms, seconds
from daemon.core.model import Attempt, Request

DEFAULT_PIN_EXPIRY = seconds(300)
PIN_EXPIRY_S = range(60, 3601)


def effective_expiry(pin_expiry: Ms | None, next_event_wait: Ms | None) -> Ms:
    """How long a PIN is valid; a time that is not a multiple of a given wait becomes that wait."""
    if pin_expiry is None:
        return DEFAULT_PIN_EXPIRY
    if next_event_wait is not None and int(pin_expiry) % int(next_event_wait):
        return next_event_wait
    return pin_expiry


def pin_and_timer(request: Request, at: Ms, *, renew: bool) -> tuple[int, int, Ms, Ms]:
    """The PIN that the next event sends: its generation, its wrong codes, its end; and when the timer after it is due.

    The current PIN is sent while it is valid. Where no later event can make another, a PIN whose expiry the caller did
    not set is valid until the next timer, and one whose expiry he did set ends the request.
    """
    step = request.steps[request.step]
    until = request.pin_until
    due_at = at + step.wait
    generation, wrong = request.generation, request.wrong
    if generation == 0 or ((renew or at >= until) and not request.own_pin):
        generation, wrong, until = generation + 1, 0, at + request.pin_expiry
    if request.own_pin or request.step + 1 == len(request.steps):
        if request.expiry_given:
            due_at = min(due_at, until)
        else:
            until = max(until, due_at)
    return generation, wrong, until, due_at


def expired(request: Request, at: Ms) -> bool:
    """Whether the PIN that a submitted code is compared with has expired; before the first event there is none."""
    return at >= request.pin_until


def own_code_expired(request: Request, at: Ms) -> bool:
    """Whether the caller's own code has expired, which none can follow: no event may send it any more."""
    return request.own_pin and request.expiry_given and expired(request, at)


def expires_at(request: Request, attempt: Attempt) -> Ms:
    """When the PIN of an attempt expires, or expired; a later event may have prolonged it."""
    return request.pin_until if attempt.generation == request.generation else attempt.not_after
