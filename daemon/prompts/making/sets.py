"""Prompt sets on the disk: what their manifests say, what their files hold, and how a set takes another's place.

Plain Python: `pinwheel prompts check` works on a host that renders nothing.
"""

import ctypes
import errno
import fcntl
import hashlib
import json
import math
import os
import shutil
import tempfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from operator import mul
from pathlib import Path
from typing import Any

from daemon.core.phrases import DIGITS, QUESTION, SENTENCES, Announcement
from daemon.prompts.library import LEVEL_DBFS
from drivers import RATE
from drivers.codecs.wav import read_wav, write_wav
from drivers.permissions import Reader

FORMAT = 2
MANIFEST = "manifest.json"
BLOCK = RATE // 100  # 10 ms
ACTIVE_DB = 20.0  # under the loudest 10 ms: somebody speaks
FAR_DB = 3.0  # from the level that is wanted: no longer one level; Pinwheel 0.1 used to make clips 4 dB lower
QUIETEST_DBFS = -45.0  # less is no speech
SHORTEST_S, LONGEST_S = 0.15, 20.0
NOTHING_DBFS = -120.0
CLIPS = (*SENTENCES, QUESTION, *Announcement, *DIGITS)
"""Of every locale; welcomes of brands come to them."""
IMPORT = "import"  # in place of an engine: a recording of the operator's own


class SetUnusable(Exception):
    """A set cannot be read, written or replaced; the text names the place and the remedy."""


@dataclass(frozen=True, slots=True)
class Sound:
    """How clips are to sound. level_dbfs: while somebody speaks; emphasis_db: gain above 2.5 kHz."""

    level_dbfs: float = LEVEL_DBFS
    emphasis_db: float = 0.0


DEFAULT_SOUND = Sound()


@dataclass(frozen=True, slots=True)
class Made:
    """How a clip came to be, as the manifest has it. dbfs: active speech level; sha256: of the samples.

    emphasis_db: as in Sound. source, source_sha256: the file of an imported clip. note: what an operator has to know
    of the engine.
    """

    engine: str = ""
    voice: str = ""
    text: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    dbfs: float = 0.0
    emphasis_db: float = 0.0
    sha256: str = ""
    source: str = ""
    source_sha256: str = ""
    note: str = ""


def measured(made: Made, pcm: bytes, sound: Sound) -> Made:
    """The same, of a clip with these samples, which are as `sound` says (16 bits, little-endian)."""
    return replace(
        made,
        seconds=round(len(pcm) / 2 / RATE, 3),
        dbfs=round(active_dbfs(pcm), 1),
        emphasis_db=sound.emphasis_db,
        sha256=digest(pcm),
    )


def read_manifest(folder: Path) -> dict[str, Made]:
    """What it says of each clip; nothing where there is none, as in a set made by hand. Raises SetUnusable."""
    known = {f.name for f in fields(Made)}
    try:
        clips = json.loads((folder / MANIFEST).read_text())["clips"]
        return {name: Made(**{key: clip[key] for key in clip if key in known}) for name, clip in clips.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise SetUnusable(f"cannot use {folder / MANIFEST}: {exc}; render or import the set again") from exc


def write_manifest(folder: Path, locale: str, clips: Mapping[str, Made]) -> None:
    about = {"format": FORMAT, "locale": locale, "clips": {name: _brief(made) for name, made in clips.items()}}
    (folder / MANIFEST).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")


def _brief(made: Made) -> dict[str, Any]:
    return {key: value for key, value in asdict(made).items() if value not in ("", {}, 0.0)}


# --- a clip --------------------------------------------------------------------------------------------------


def write_clip(path: Path, pcm: bytes) -> None:
    """16-bit samples as the daemon reads them."""
    with path.open("wb") as file:
        write_wav(file, pcm)


def read_clip(path: Path) -> bytes:
    """The 16-bit samples of a clip. Raises SetUnusable for a file that the daemon could not use."""
    try:
        return read_wav(path)
    except OSError as exc:
        raise SetUnusable(f"cannot read {path}: {exc.strerror or exc}") from exc
    except ValueError as exc:
        raise SetUnusable(f"cannot use {path}: {exc}; render or import it again") from exc


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def active_dbfs(pcm: bytes) -> float:
    """The level while somebody speaks: RMS of the 10 ms blocks within 20 dB of the loudest; full scale is 32768."""
    samples = array("h", pcm)
    starts = range(0, len(samples) - BLOCK + 1, BLOCK)
    blocks = [samples[start : start + BLOCK] for start in starts]
    powers = [sum(map(mul, block, block)) / BLOCK / 32768**2 for block in blocks]
    loudest = max(powers, default=0.0)
    if not loudest:
        return NOTHING_DBFS
    active = [power for power in powers if power > loudest * 10 ** (-ACTIVE_DB / 10)]
    return 10 * math.log10(sum(active) / len(active))


# --- replacing a set -------------------------------------------------------------------------------------------


@contextmanager
def replacing(directory: Path, locale: str) -> Iterator[Path]:
    """An empty folder that becomes directory/locale at the end, unless something is raised. Raises SetUnusable.

    One process at a time; the old set stays until the new one is complete.
    """
    try:
        _make(directory)
        with _locked(directory / f".{locale}.lock", locale):
            for left in directory.glob(f".{locale}-*"):  # by a run that was killed
                shutil.rmtree(left, ignore_errors=True)
            work = Path(tempfile.mkdtemp(prefix=f".{locale}-", dir=directory))
            try:
                yield work
                _let_read(work)
                _exchange(work, directory / locale)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    except OSError as exc:
        raise SetUnusable(f"cannot write to {exc.filename or directory}: {exc.strerror}; see --directory") from exc


def _make(directory: Path) -> None:
    """With its parents; the daemon, another user, may read in what is new, whatever the umask of the caller."""
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for each in missing:
        each.chmod(0o755)


def _let_read(folder: Path) -> None:
    """The daemon reads the clips, whatever the umask of who made them; there is nothing secret in them."""
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)


@contextmanager
def _locked(path: Path, locale: str) -> Iterator[None]:
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise SetUnusable(f"{locale} is being made by process {holder}; wait for it, or end it") from exc
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


AT_FDCWD = -100
RENAME_EXCHANGE = 2  # renameat2(2)


def _exchange(new: Path, target: Path) -> None:
    """Put new in the place of target, and target, if it is there, in the place of new; in one step."""
    if not target.exists():
        os.rename(new, target)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, bytes(new), AT_FDCWD, bytes(target), RENAME_EXCHANGE) == 0:
        return
    code = ctypes.get_errno()
    if code not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(code, os.strerror(code), str(target))
    old = new.with_name(f"{new.name}-old")  # a file system that cannot: two steps
    os.rename(target, old)
    os.rename(new, target)
    shutil.rmtree(old, ignore_errors=True)


# --- what is there ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClipState:
    """A clip that is there. shipped: it came with Pinwheel; trouble: why it cannot be used as it is, or "".

    mendable: the samples are good, only not as loud or as emphasised as they should be. blocked: what keeps the daemon
    from reading it.
    """

    name: str
    made: Made
    seconds: float
    dbfs: float
    shipped: bool
    trouble: str
    mendable: bool = False
    blocked: Path | None = None


def clip_states(directories: Sequence[Path], locale: str, reader: Reader, sound: Sound) -> dict[str, ClipState]:
    """The clips of a locale as the daemon takes them: the first directory that has one wins; the last is shipped.

    reader: the daemon's user; a clip that it may not read is no clip to it. sound: how clips should sound.
    """
    found: dict[str, ClipState] = {}
    for directory in directories:
        try:
            manifest, broken = read_manifest(directory / locale), ""
        except SetUnusable as exc:
            manifest, broken = {}, str(exc)
        for path in sorted((directory / locale).glob("*.wav")):
            made, shipped = manifest.get(path.stem, Made()), directory == directories[-1]
            if blocked := reader.blocked(path):
                trouble = f"{reader.name} may not read {blocked}"
                found.setdefault(path.stem, _unusable(path, made, trouble, shipped=shipped, blocked=blocked))
            else:
                found.setdefault(path.stem, _clip_state(path, made, broken, sound, shipped=shipped))
    return found


def _clip_state(path: Path, made: Made, broken: str, sound: Sound, *, shipped: bool) -> ClipState:
    try:
        pcm = read_clip(path)
    except SetUnusable as exc:
        return _unusable(path, made, str(exc), shipped=shipped)
    seconds, dbfs = len(pcm) / 2 / RATE, active_dbfs(pcm)
    other = _other_sound(made, dbfs, sound)
    trouble = broken
    if made.sha256 and made.sha256 != digest(pcm):
        trouble = "changed since it was made"
    if not SHORTEST_S <= seconds <= LONGEST_S:
        trouble = f"{seconds:.2f} s long"
    mendable = bool(other) and not trouble and dbfs >= QUIETEST_DBFS
    return ClipState(path.stem, made, seconds, dbfs, shipped=shipped, trouble=other or trouble, mendable=mendable)


def _unusable(path: Path, made: Made, trouble: str, *, shipped: bool, blocked: Path | None = None) -> ClipState:
    return ClipState(path.stem, made, 0.0, NOTHING_DBFS, shipped=shipped, trouble=trouble, blocked=blocked)


def _other_sound(made: Made, dbfs: float, sound: Sound) -> str:
    """In what the clip differs from how it should sound; "" if in nothing."""
    if abs(dbfs - sound.level_dbfs) > FAR_DB:
        return f"level {dbfs:.0f} dBFS instead of {sound.level_dbfs:.0f}"
    if made.emphasis_db != sound.emphasis_db:
        return f"emphasis {made.emphasis_db:g} dB instead of {sound.emphasis_db:g}"
    return ""
