"""Write the copyright file of the package from what is bundled in it; a part without a licence stops the build.

usage: copyright.py SITE_PACKAGES > copyright
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageMetadata
from pathlib import Path

HEAD = """\
Pinwheel, with the Python libraries below /usr/lib/pinwheel. Each part is listed with its version, its origin, its
licence and its copyright. The texts of the GNU licences, the Apache License 2.0 and the Mozilla Public License 2.0 are
in /usr/share/common-licenses.

Pinwheel
    Copyright: 2026 Pinwheel maintainers
    Licence: GPL-3.0-or-later (/usr/share/common-licenses/GPL-3)
"""

BSD_3 = """\
Redistribution and use in source and binary forms, with or without modification, are permitted provided that the
following conditions are met: (1) Redistributions of source code must retain the above copyright notice, this list of
conditions and the following disclaimer. (2) Redistributions in binary form must reproduce the above copyright notice,
this list of conditions and the following disclaimer in the documentation and/or other materials provided with the
distribution. (3) Neither the name of the copyright holder nor the names of its contributors may be used to endorse or
promote products derived from this software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES,
INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL,
SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY,
WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF
THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What a wheel does not say itself. licence: an SPDX expression; text: what has no file in the wheel."""

    licence: str
    text: str = ""
    origin: str = ""


# By distribution; only what its metadata leaves out.
SAID_BY_HAND = {
    "pyserial": Known("BSD-3-Clause", f"Copyright (c) 2001-2020 Chris Liechti <cliechti@gmx.net>\n\n{BSD_3}"),
    "pysqlite3": Known("Zlib"),
    "espeakng-loader": Known(
        "GPL-3.0-or-later",
        "Copyright (C) 2005-2024 Reece H. Dunn, Jonathan Duddington and contributors: eSpeak NG, in the wheel with\n"
        "a loader of 30 lines by thewh1teagle, who names no licence of its own.",
        "https://github.com/espeak-ng/espeak-ng",
    ),
}
# Libraries in wheels, by the pattern of their files; each *.so* that is no module of Python must be here.
LIBRARIES = {
    "numpy.libs/libscipy_openblas*": "OpenBLAS and LAPACK: BSD-3-Clause (texts: numpy, below)",
    "numpy.libs/libgfortran-*": "GCC runtime: GPL-3.0-or-later with the GCC runtime library exception 3.1",
    "numpy.libs/libquadmath-*": "GCC libquadmath: LGPL-2.1-or-later",
    "_soundfile_data/libsndfile_*": (
        "libsndfile, mpg123, LAME: LGPL-2.1-or-later; FLAC, Ogg, Vorbis, Opus: BSD-3-Clause (built by soundfile)"
    ),
    "espeakng_loader/libespeak-ng.so*": "eSpeak NG: GPL-3.0-or-later",
    "cryptography/hazmat/bindings/_rust.*": "OpenSSL: Apache-2.0; Rust libraries: MIT OR Apache-2.0",
    "pylibsrtp/_binding.*": "libsrtp: BSD-3-Clause; OpenSSL: Apache-2.0",
    "pysqlite3/_sqlite3.*": "SQLite: public domain",
    "soxr/soxr_ext.*": "libsoxr: LGPL-2.1-or-later; nanobind: BSD-3-Clause",
    "uvloop/loop.*": "libuv: MIT",
    "httptools/parser/*": "llhttp, http-parser: MIT",
    "_cffi_backend.*": "libffi: MIT",
}
COMMON = {
    "GNU GENERAL PUBLIC LICENSE": "GPL-3",
    "GNU LESSER GENERAL PUBLIC LICENSE": "LGPL-2.1, LGPL-3",
    "GNU LIBRARY GENERAL PUBLIC LICENSE": "LGPL-2",
    "Apache License": "Apache-2.0",
    "Mozilla Public License": "MPL-2.0",
}
HEADING = re.compile(rf"^[ \t#]*({'|'.join(COMMON)})(?:,? Version [\d.]+)?[ \t]*$", re.MULTILINE | re.IGNORECASE)
HOMES = ("homepage", "home", "source", "source code", "code", "repository", "github", "documentation")
LICENCE_FILE = re.compile(r"(?i).*(licen[cs]e|copying|notice)[^/]*$")


def main(site: Path) -> None:
    print(HEAD)
    print("Libraries that wheels bring, beside their modules or compiled into them\n")
    print(*_libraries(site), sep="\n")
    for folder in sorted(site.glob("*.dist-info"), key=lambda path: path.name.lower()):
        if not folder.name.startswith("pinwheel-"):
            print(*_part(Distribution.at(folder), folder), sep="\n")


def _libraries(site: Path) -> Iterator[str]:
    for library in sorted(path for path in site.rglob("*.so*") if not path.is_symlink()):
        name = str(library.relative_to(site))
        said = next((text for pattern, text in LIBRARIES.items() if Path(name).match(pattern)), None)
        if said:
            yield f"    {name}\n        {said}"
        elif ".cpython-" not in name and ".abi3." not in name:
            raise SystemExit(f"cannot write the copyright: name the licence of {name} in LIBRARIES")


def _part(part: Distribution, folder: Path) -> Iterator[str]:
    known = SAID_BY_HAND.get(part.name.lower(), Known(""))
    licence = known.licence or _licence(part.metadata)
    texts = [known.text] if known.text else list(_texts(folder))
    if not licence or not texts:
        raise SystemExit(f"cannot write the copyright: name the licence of {part.name} in SAID_BY_HAND")
    yield f"\n{'-' * 100}\n{part.name} {part.version}"
    yield f"    Origin: {known.origin or _origin(part.metadata)}"
    yield f"    Licence: {licence}\n"
    for text in texts:
        yield "\n".join(f"    {line}".rstrip() for line in text.strip().splitlines()) + "\n"


def _licence(metadata: PackageMetadata) -> str:
    classifiers = [
        text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier", []) if text.startswith("License")
    ]
    return _field(metadata, "License-Expression") or _field(metadata, "License") or ", ".join(classifiers)


def _origin(metadata: PackageMetadata) -> str:
    """Where its home or its source is; a wheel that names neither has its index entry only."""
    addresses = dict(text.lower().split(", ", 1) for text in metadata.get_all("Project-URL", []))
    named = [_field(metadata, "Home-page"), *(addresses.get(label, "") for label in HOMES)]
    return next((address for address in named if address), "not named by its authors")


def _field(metadata: PackageMetadata, name: str) -> str:
    return next(iter(metadata.get_all(name, [])), "").strip()


def _texts(folder: Path) -> Iterator[str]:
    """The licence files of a distribution, up to where the text of a common licence begins."""
    for file in sorted(path for path in folder.rglob("*") if LICENCE_FILE.match(path.name) and path.is_file()):
        text = file.read_text(encoding="utf-8", errors="replace")
        common = HEADING.search(text)
        if common is None:
            yield text
        else:
            place = ", ".join(f"/usr/share/common-licenses/{name}" for name in _common(common[1]))
            yield f"{text[: common.start()]}\n[{common[1]}: see {place}; the whole file: /{_installed(file)}]"


def _common(heading: str) -> list[str]:
    return COMMON[next(key for key in COMMON if key.lower() == heading.lower())].split(", ")


def _installed(file: Path) -> str:
    return "usr/lib/pinwheel/lib/" + str(file).partition("/usr/lib/pinwheel/lib/")[2]


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
