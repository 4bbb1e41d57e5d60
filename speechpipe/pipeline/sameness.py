"""What is read of a recording is what was hashed: nobody wrote it meanwhile, and it did not go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from speechpipe.errors import MediaNotFound, MediaUnavailable, RepositoryError, SpeechpipeError
from speechpipe.pipeline.stages import Stages
from speechpipe.repositories.contract import Fetched, Item, Repository


@contextmanager
def unchanged(stages: Stages, repository: Repository, item: Item, fetched: Fetched) -> Iterator[None]:
    """Around a stage, which may read the recording that was ``fetched``.

    Raises:
        RepositoryError: it changed, or its repository went. MediaUnavailable: it went.
    """
    reads = stages.scratch.reads
    try:
        yield
    except MediaNotFound as error:
        raise _gone(repository, item, fetched) from error
    if stages.scratch.reads == reads:
        return
    try:
        changed = _has_changed(repository, item, fetched)
    except SpeechpipeError as error:
        stages.scratch.drop()  # with the plan that was made of it, since nobody knows of what
        raise (_gone(repository, item, fetched) if isinstance(error, MediaNotFound) else error) from error
    if changed:
        stages.workspace.clear()
        raise RepositoryError(f"{fetched.path} changed while it was read.", cure="It is done when it rests.")


def _has_changed(repository: Repository, item: Item, fetched: Fetched) -> bool:
    after, before = repository.stat(item), fetched.stat
    if (after.size, after.mtime_ns) != (before.size, before.mtime_ns):
        return True
    # Perhaps another file, with the date of the first; or only its rights changed, or numbers that do not last.
    touched = (after.inode, after.ctime_ns) != (before.inode, before.ctime_ns)
    return touched and repository.fetch(item).sha256 != fetched.sha256


def _gone(repository: Repository, item: Item, fetched: Fetched) -> SpeechpipeError:
    """Why a recording is not there that was there when it was hashed."""
    try:
        repository.stat(item)
    except RepositoryError as error:
        return error
    except MediaNotFound:
        pass
    return MediaUnavailable(f"{fetched.path} went while it was read.", cure="It is done when it is back.")
