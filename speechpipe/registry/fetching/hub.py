"""The hub of models: what a repository holds at a commit, and its bytes, resumed where they stopped.

Files are fetched over plain HTTP also where the hub offers Xet: it serves every file that way, so do mirrors, and only
so can a download be resumed by another process (huggingface_hub starts anew with each).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speechpipe.errors import DependencyError, HubError, HubOutOfReach, UnknownModel
from speechpipe.files import BLOCK, explained
from speechpipe.registry.entries import list_models, unknown
from speechpipe.registry.fetching.layouts import Remote
from speechpipe.registry.storing.locks import safe_path

_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository at one commit. ``licence`` is what its card says."""

    repository: str
    commit: str
    files: tuple[Remote, ...]
    licence: str | None = None


def listing(repository: str, revision: str | None) -> Listing:
    """What the repository holds at ``revision`` (a branch, tag or commit; None: its default branch).

    Raises:
        UnknownModel: no such repository or revision. HubError: it cannot be reached, or not without a token.
    """
    from huggingface_hub import HfApi

    with _explained(repository, revision):
        info = HfApi(endpoint=_endpoint()).model_info(
            repository, revision=revision, files_metadata=True, timeout=_TIMEOUT_S
        )
    if not isinstance(info.sha, str) or not re.fullmatch(r"[0-9a-f]{40,64}", info.sha):
        raise HubError(f"The hub does not tell the commit of {repository}.", cure=_MIRROR)
    return Listing(repository, info.sha, tuple(_remotes(info.siblings or ())), _licence(info))


def download(listed: Listing, remote: Remote, target: Path, moved: Callable[[int], None]) -> str:
    """Fetch one file to ``target`` and return its SHA-256; ``moved`` is told of bytes as they come.

    What lies at ``target`` is kept if it is whole, what lies beside it as ``.part`` is gone on with.

    Raises:
        HubError: cut off, or not the bytes that the hub announced. OutputError: the disk is full.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    part = target.with_name(target.name + ".part")
    if target.is_file():
        if (digest := _matching(target, remote)) is not None:
            moved(remote.size)
            return digest
        target.unlink()
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        begun = part.stat().st_size if part.is_file() else 0
        if begun > remote.size:
            part.unlink()
            begun = 0
        moved(begun)
    url = hf_hub_url(listed.repository, remote.path, revision=listed.commit, endpoint=_endpoint())
    with explained(target), _explained(listed.repository, listed.commit), _open(part) as file:
        http_get(
            url,
            file,
            resume_size=begun,
            headers=build_hf_headers(),
            expected_size=remote.size,
            displayed_filename=remote.path,
            tqdm_class=_counter(moved),
        )
    digest = _matching(part, remote)
    if digest is None:
        part.unlink(missing_ok=True)
        raise HubError(
            f"What came as {remote.path} of {listed.repository} is not what the hub announced: its digest differs.",
            cure="Run it again; if that fails too, something between here and the hub alters files.",
        )
    with explained(target):
        part.replace(target)
    return digest


def _matching(path: Path, remote: Remote) -> str | None:
    """The file's SHA-256 if it is the one announced, by that digest or, for a small file, by git's."""
    if path.stat().st_size != remote.size:
        return None
    sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % remote.size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            sha256.update(block)
            git.update(block)
    whole = sha256.hexdigest() == remote.sha256 if remote.sha256 else git.hexdigest() == remote.blob
    return sha256.hexdigest() if whole else None


def _remotes(siblings: Any) -> Iterator[Remote]:
    for sibling in siblings:
        try:
            path = safe_path(sibling.rfilename)
        except ValueError:
            continue  # hidden files, and names that lead elsewhere
        if sibling.size is None or not (sibling.lfs or sibling.blob_id):
            raise HubError(f"The hub does not tell size and digest of {path}.", cure=_MIRROR)
        yield Remote(path, sibling.size, sibling.lfs.sha256 if sibling.lfs else None, sibling.blob_id)


def _licence(info: Any) -> str | None:
    """The card's licence: of the two places that the hub tells it in, the names of "other" ones included."""
    card = info.card_data.to_dict() if info.card_data else {}
    stated = card.get("license_name") if card.get("license") == "other" else card.get("license")
    if stated is None:
        stated = next((tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:")), None)
    if isinstance(stated, list):
        stated = ", ".join(str(one) for one in stated)
    return str(stated)[:100] if stated and stated != "unknown" else None


@contextmanager
def _open(part: Path) -> Iterator[Any]:
    # Unbuffered: what came is on the disk, whatever ends this process.
    with explained(part):
        file = part.open("ab", buffering=0)
    try:
        yield file
    finally:
        file.close()


def _counter(moved: Callable[[int], None]) -> Any:
    """A stand-in for a progress bar that passes on what it is told."""

    class Counter:
        def __init__(self, **_: Any) -> None:
            return

        def __enter__(self) -> Counter:
            return self

        def __exit__(self, *_: object) -> None:
            return

        def update(self, count: int) -> None:
            moved(count)

        def close(self) -> None:
            return

    return Counter


@contextmanager
def _explained(repository: str, revision: str | None) -> Iterator[None]:
    """Turn what huggingface_hub and its HTTP library raise into one line with the cure."""
    import errno

    try:
        from huggingface_hub import errors
    except ImportError as error:
        raise DependencyError(f"huggingface_hub does not load: {error}.", cure="Install speechpipe again.") from error
    # One name for what is raised by the HTTP library of either major version.
    transport: type[Exception] = errors.HfHubHTTPError.__bases__[0]
    at = f" at {revision}" if revision else ""
    try:
        yield
    except errors.GatedRepoError as error:
        raise HubError(f"{repository} is gated: its publisher asks who fetches it.", cure=_gated(repository)) from error
    except errors.RevisionNotFoundError as error:
        raise UnknownModel(f"{repository} has no revision {revision}.", cure=_branches(repository)) from error
    except errors.RepositoryNotFoundError as error:
        raise _no_repository(repository) from error
    except errors.HFValidationError as error:
        raise UnknownModel(f"{repository!r} cannot be a model's name on the hub.") from error
    except errors.EntryNotFoundError as error:
        raise HubError(f"A file of {repository}{at} is not on the hub any more.") from error
    except errors.OfflineModeIsEnabled as error:
        raise HubError("The hub is not asked, since HF_HUB_OFFLINE is set.", cure="Unset HF_HUB_OFFLINE.") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status in (401, 403):
            raise HubError(f"The hub refuses {repository} ({status}).", cure=_gated(repository)) from error
        kind = HubOutOfReach if status is None or status >= 500 else HubError
        raise kind(f"The hub at {_endpoint()} answered {status} for {repository}{at}.", cure=_LATER) from error
    except transport as error:
        what = str(error) or type(error).__name__
        raise HubOutOfReach(f"The hub at {_endpoint()} cannot be reached: {what}.", cure=_REACH) from error
    except json.JSONDecodeError as error:
        raise HubOutOfReach(f"What answers at {_endpoint()} is no hub of models.", cure=_MIRROR) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # the caller knows for which file there was no space
        raise HubError(f"The download of {repository} broke off: {error}.", cure=_LATER) from error


def _no_repository(repository: str) -> UnknownModel:
    known = any(entry.name.partition("@")[0] == repository for entry in list_models())
    cure = "It was renamed or withdrawn, or is private." if known else unknown(repository).advice
    private = "" if os.environ.get("HF_TOKEN") else f" If it is private: {_HOW_TO_ENTER}"
    return UnknownModel(f"There is no model {repository} on the hub.", cure=f"{cure}{private}")


def _gated(repository: str) -> str:
    return f"Accept its conditions at {_endpoint()}/{repository}, then: {_HOW_TO_ENTER}"


def _branches(repository: str) -> str:
    return f"See its branches and tags at {_endpoint()}/{repository}/tree/main"


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


_HOW_TO_ENTER = "make a token at https://huggingface.co/settings/tokens and set it as HF_TOKEN."
_LATER = "Run the same command again; what was fetched is kept."
_REACH = (
    "Check the network (HF_ENDPOINT names a mirror), or bring a bundle from another machine: speechpipe models import."
)
_MIRROR = "If HF_ENDPOINT names a mirror, check that it is one of the hub's kind."
