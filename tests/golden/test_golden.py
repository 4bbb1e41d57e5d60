"""One fixed interview in every format, byte for byte. After a wanted change: python -m tests.golden.test_golden"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from speechpipe import formats
from tests.transcripts import INTERVIEW, NOTHING_SAID

FOLDER = Path(__file__).parent
FIXED = {"interview": INTERVIEW, "nothing-said": NOTHING_SAID}
CASES = [(stem, name) for stem in FIXED for name in formats.FORMATS]


def without_assets(page: bytes) -> bytes:
    """A page without the style, the script, their digests and its own words, which are the same on every page."""
    return re.sub(
        rb"(?s)(?<=id=\"words\">).*?(?=</script>)|(?<=<style>).*?(?=</style>)|(?<=<script>).*?(?=</script>)|(?<='sha256-).*?(?=')",
        b"",
        page,
    )


@cache
def written(stem: str) -> dict[str, bytes]:
    """All formats; the METS describes two of the others, so that a person can still read it."""
    alone = [name for name, row in formats.FORMATS.items() if not row.describes]
    package = formats.compose(FIXED[stem], ["vtt", "alto", "mets"], stem)
    files = formats.compose(FIXED[stem], alone, stem) | package
    return {name: without_assets(file) if name.endswith(".html") else file for name, file in files.items()}


@pytest.mark.parametrize(("stem", "name"), CASES)
def test_written_as_ever(stem: str, name: str) -> None:
    expected = (FOLDER / f"{stem}{formats.suffix(name)}").read_bytes()
    assert written(stem)[f"{stem}{formats.suffix(name)}"].decode() == expected.decode()


@pytest.mark.parametrize("stem", FIXED)
def test_an_old_json_is_still_read(stem: str) -> None:
    assert formats.read((FOLDER / f"{stem}.json").read_bytes(), "json") == FIXED[stem]


if __name__ == "__main__":
    for stem in FIXED:
        for name, content in written(stem).items():
            (FOLDER / name).write_bytes(content)
