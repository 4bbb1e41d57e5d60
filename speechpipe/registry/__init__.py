"""The models that speechpipe knows, and the check of a model's files before it is used."""

from __future__ import annotations

from speechpipe.registry.advice import Advice, aligner_for, default_aligner, memory_needed, recommend
from speechpipe.registry.entries import ModelEntry, canonical, embedded_folder, entry_named, list_models
from speechpipe.registry.finding import FoundModel, demonstration_warning, find, find_aligner, missing_aligner
from speechpipe.registry.storing.folders import FORMS, Form

__all__ = [
    "FORMS",
    "Advice",
    "Form",
    "FoundModel",
    "ModelEntry",
    "aligner_for",
    "canonical",
    "default_aligner",
    "demonstration_warning",
    "embedded_folder",
    "entry_named",
    "find",
    "find_aligner",
    "list_models",
    "memory_needed",
    "missing_aligner",
    "recommend",
]
