"""What several rooms' tests share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

import speechpipe  # noqa: F401  # first of all: no test lets a library report its use
from tests.containers import RATE, read_channels
from tests.sounds import levelled

# A loaded machine is no fault of the code: no deadline. What is drawn stays the same from run to run.
settings.register_profile("speechpipe", deadline=None, derandomize=True)
settings.load_profile("speechpipe")

ROOT = Path(__file__).resolve().parent.parent

# No test sees the models of whoever runs it, nor asks the hub for one.
os.environ["XDG_DATA_HOME"] = "/proc/none"  # no folder can be made there, also not by root
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever reads the collections is marked ``shared``, so that no test can do so unmarked."""
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def talk() -> np.ndarray:
    """11 s of speech at 16 kHz: two voices that take turns, from ``sample_audio``, as loud as speech mostly is."""
    sound = levelled(read_channels(ROOT / "sample_audio" / "interview.wav").sum(axis=1)[: 11 * RATE], -19)
    sound.flags.writeable = False
    return sound


@pytest.fixture(scope="session")
def shared() -> Path:
    """The collections, which users do not have: recordings of people, odd media, schemas, the tests of a standard."""
    folder = Path(os.environ.get("SPEECHPIPE_SHARED") or ROOT.parent / "shared")
    for part in ("speech", "formats", "cases"):
        if not (folder / part / "README.md").is_file():
            pytest.fail(f"no collections at {folder}; SPEECHPIPE_SHARED names their folder")
    return folder


@pytest.fixture(scope="session")
def speech(shared: Path) -> Path:
    """The folder of human speech and odd media files."""
    return shared / "speech"


@pytest.fixture(scope="session")
def formats_suite(shared: Path) -> Path:
    """The folder of schemas and of test data for parsers of WebVTT."""
    return shared / "formats"
