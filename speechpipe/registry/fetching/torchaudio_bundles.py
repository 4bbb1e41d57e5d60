"""The models that torchaudio publishes, fetched and tried by its own code into a folder.

Nobody announces digests of them: what came at the first fetch is recorded, and holds from then on.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from speechpipe.errors import BrokenModel, DependencyError, HubError
from speechpipe.files import explained, write_atomically
from speechpipe.registry.entries import Family
from speechpipe.registry.storing.folders import BUNDLE, BUNDLE_WEIGHTS

_LOOK_S = 0.5


def download(name: str, family: Family, folder: Path, moved: Callable[[int], None]) -> None:
    """Fetch the weights of the bundle ``name`` into ``folder``; ``moved`` is told how many bytes are there.

    Raises:
        DependencyError: torchaudio is not installed. BrokenModel: it has no such bundle, or not these weights.
        HubError: the download failed. OutputError: the disk is full.
    """
    try:
        import torchaudio
    except ImportError as error:
        raise DependencyError(
            f"The package torchaudio is not installed or does not load: {error}.", cure=_EXTRA
        ) from error
    bundle = getattr(torchaudio.pipelines, name, None)
    if bundle is None:
        raise BrokenModel(f"torchaudio {torchaudio.__version__} has no bundle {name}.", cure=_EXTRA)
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{BUNDLE_WEIGHTS}*"):  # torch begins anew, beside what it left
            left.unlink()
    how = {"model_dir": str(folder), "file_name": BUNDLE_WEIGHTS, "map_location": "cpu", "weights_only": True}
    with _told(folder, moved), _explained(name, folder), contextlib.redirect_stdout(io.StringIO()):
        bundle.get_model(dl_kwargs={**how, "progress": False})  # tries them, too
    write_atomically(folder / BUNDLE, json.dumps({"bundle": name, "family": family}).encode())


@contextlib.contextmanager
def _told(folder: Path, moved: Callable[[int], None]) -> Iterator[None]:
    """Look now and then how much is there, as torch tells nobody but a terminal."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(_LOOK_S):
            with contextlib.suppress(OSError):
                moved(sum(path.stat().st_size for path in folder.iterdir()))

    watching = threading.Thread(target=look, daemon=True)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()


@contextlib.contextmanager
def _explained(name: str, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # urllib's are among them
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            with explained(folder):
                raise
        raise HubError(f"The bundle {name} of torchaudio could not be fetched: {error}.", cure=_REACH) from error
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError) as error:
        why: Any = str(error).strip().splitlines() or [type(error).__name__]
        raise BrokenModel(
            f"What came as the bundle {name} of torchaudio is not its weights: {why[0]}", cure=_REACH
        ) from error


_EXTRA = 'Install it with: pip install "speechpipe[torchaudio]"'
_REACH = "Run it again where the network can be reached, or bring a bundle from there: speechpipe models import."
