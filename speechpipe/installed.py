"""Where the parts that stand beside the package in a checkout, and inside it in a wheel, are found."""

from __future__ import annotations

from importlib import metadata, util
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def models_folder() -> Path:
    """The folder of ``registry.yaml`` and the embedded models."""
    inside = PACKAGE / "models"
    return inside if inside.is_dir() else PACKAGE.parent / "models"


def flows_module() -> str:
    """The name under which the flows are imported."""
    return "speechpipe.flows" if util.find_spec("speechpipe.flows") else "flows"


def version() -> str:
    try:
        return metadata.version("speechpipe")
    except metadata.PackageNotFoundError:
        return "0.1.0"
