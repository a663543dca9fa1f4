"""Google's voices by gTTS. The texts go to Google, so no PIN does; whoever renders agrees to Google's terms.

gTTS makes the requests and knows the service's dialect; we send them. Its own sending does not verify TLS, waits for
ever, follows redirects to captchas, and takes an answer without any audio for success.
"""

import base64
import binascii
import re
from collections.abc import Mapping

import numpy as np
import requests
from gtts import gTTS

from daemon.prompts.making.chain import NoSpeech, Samples, decoded
from daemon.prompts.making.engines.contract import EngineFailed, EngineName, EngineRests, Line
from daemon.prompts.making.engines.pace import Pace, TooSoon

URL = "https://translate.google.{domain}/_/TranslateWebserverUi/data/batchexecute"
TIMEOUTS_S = (5.0, 15.0)
ANSWER = re.compile(rb'"jQ1olc","\[\\"([A-Za-z0-9+/=]*)\\"\]')
RPC = b"jQ1olc"
PAGE = re.compile(rb"\s*<(?:!doctype|html)", re.IGNORECASE)
SAME_AGAIN = "run the same again: what is done is kept"


class Gtts:
    """A language's accent comes with the domain of the service. timeouts_s: to connect, and between two octets."""

    name = EngineName.GTTS
    note = ""
    VOICES: Mapping[str, tuple[str, str]] = {  # language as Google spells it, domain
        "en-au": ("en", "com.au"),
        "en-gb": ("en", "co.uk"),
        "en-in": ("en", "co.in"),
        "en-us": ("en", "us"),
        "es-es": ("es", "es"),
        "es-mx": ("es", "com.mx"),
        "es-us": ("es", "us"),
        "fil-ph": ("tl", "com"),
        "fr-ca": ("fr-CA", "ca"),
        "fr-fr": ("fr", "fr"),
        "nb-no": ("no", "com"),
        "pt-br": ("pt", "com.br"),
        "pt-pt": ("pt-PT", "pt"),
        "zh-cn": ("zh-CN", "com"),
        "zh-tw": ("zh-TW", "com"),
    }

    def __init__(self, pace: Pace, timeouts_s: tuple[float, float] = TIMEOUTS_S) -> None:
        self._pace = pace
        self._timeouts_s = timeouts_s
        self._session = requests.Session()

    def speaks(self, locale: str) -> bool:  # noqa: ARG002
        return True

    def voice(self, locale: str) -> str:
        return "/".join(self._voice(locale))

    def parameters(self, line: Line) -> Mapping[str, float | bool]:
        return {"slow": line.rate < 1}  # it has two speeds

    def speak(self, line: Line) -> tuple[Samples, int]:
        """One request for each 100 characters, at the service's pace."""
        language, domain = self._voice(line.locale)
        # lang_check would turn pt-PT into pt, fr-CA into fr, and refuse tl and no.
        spoken = gTTS(line.text, lang=language, tld=domain, slow=line.rate < 1, lang_check=False)
        try:
            parts = [decoded(self._asked(body, domain)) for body in spoken.get_bodies()]
        except NoSpeech as exc:
            raise EngineFailed(f"gtts sent no audio for {line.locale}: {exc}; {SAME_AGAIN}") from exc
        except AssertionError as exc:
            raise EngineFailed(
                f"gtts finds no speakable text in {line.text!r}; see the phrases of {line.locale}"
            ) from exc
        return np.concatenate([samples for samples, _ in parts]), parts[0][1]

    def _voice(self, locale: str) -> tuple[str, str]:
        return self.VOICES.get(locale, (locale.partition("-")[0], "com"))

    def _asked(self, body: str, domain: str) -> bytes:
        """The MP3 of one request."""
        try:
            self._pace.wait()
        except TooSoon as exc:
            raise EngineRests(f"gtts: {exc}; {SAME_AGAIN}") from exc
        audio = _audio(self._answer(body, domain))
        self._pace.served()
        return audio

    def _answer(self, body: str, domain: str) -> bytes:
        """What came back, if it came from the service itself."""
        url = URL.format(domain=domain)
        headers = {name: str(value) for name, value in gTTS.GOOGLE_TTS_HEADERS.items()}
        try:
            answer = self._session.post(url, body, headers=headers, timeout=self._timeouts_s, allow_redirects=False)
        except requests.exceptions.SSLError as exc:
            remedy = "behind a proxy that opens TLS, set REQUESTS_CA_BUNDLE to its certificate"
            raise EngineRests(f"gtts does not trust what answers for {url}; {remedy}") from exc
        except requests.exceptions.Timeout as exc:
            raise EngineRests(f"gtts does not answer within {self._timeouts_s[1]:g} s; {SAME_AGAIN}") from exc
        except requests.exceptions.RequestException as exc:
            raise EngineRests(
                f"gtts cannot be reached; is there a way to the internet, or HTTPS_PROXY? {SAME_AGAIN}"
            ) from exc
        elsewhere = answer.headers.get("Location", "")
        if answer.status_code == 429 or "/sorry" in elsewhere:
            raise EngineRests(f"gtts (429): {self._pace.refused()}; {SAME_AGAIN}")
        if answer.is_redirect:
            raise EngineRests(
                f"gtts sends us to {elsewhere.partition('?')[0]}, as it does for consent; try another network"
            )
        if not answer.ok:
            raise EngineRests(f"gtts answers {answer.status_code} {answer.reason}; {SAME_AGAIN}")
        return answer.content


def _audio(answer: bytes) -> bytes:
    """The MP3 in an answer of the batchexecute kind. An answer without one is no success."""
    found = ANSWER.search(answer)
    if found is not None:
        try:
            return base64.b64decode(found[1], validate=True)
        except binascii.Error as exc:
            raise EngineRests(f"gtts sent half an answer; {SAME_AGAIN}") from exc
    if not answer.strip():
        raise EngineRests(f"gtts sent an empty answer; {SAME_AGAIN}")
    if PAGE.match(answer):
        raise EngineRests("gtts sent a web page (consent, or a block) instead of speech; try another network")
    if RPC in answer:
        raise EngineFailed("gtts has no voice for that text or language; import recordings instead")
    raise EngineRests(f"gtts sent something without speech in it; {SAME_AGAIN}")
