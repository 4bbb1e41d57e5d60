"""Whatever an archive does by day, a night does each recording once, loses no correction and leaves nothing to do."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from speechpipe.repositories import Choice, FolderRepository, Package, Policy, Receipt, select, settle

NAMES = st.sampled_from(
    (
        "a.wav",
        "a.wav.v2.wav",
        "b/a.wav",
        "-x.wav",
        "b\u00e5nd.wav",
        "ba\u030and.wav",
        "[a]*.wav",
        "l\nn.wav",
        "\udce5.wav",
    )
)
#: Two of one length, so that size alone tells nothing.
CONTENTS = st.sampled_from([b"one", b"two", b"three"])
POLICY = Policy(settle=timedelta(0), software="speechpipe")


class Archive(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        (self.root / "source").mkdir()
        (self.root / "source" / "keep.wav").write_bytes(b"keep")  # an empty folder counts as not mounted
        self.repository = FolderRepository(self.root / "source", self.root / "results")
        self.corrections: set[bytes] = set()
        self.clock = 1_000_000
        self.fsync, os.fsync = os.fsync, lambda descriptor: None

    def teardown(self) -> None:
        os.fsync = self.fsync
        shutil.rmtree(self.root)

    def path(self, name: str) -> Path:
        path = self.repository.source / name
        path.parent.mkdir(exist_ok=True)
        return path

    @rule(name=NAMES, content=CONTENTS)
    def digitise(self, name: str, content: bytes) -> None:
        self.clock += 1
        self.path(name).write_bytes(content)
        os.utime(self.path(name), (self.clock, self.clock))

    @rule(name=NAMES, to=NAMES)
    def rename(self, name: str, to: str) -> None:
        if self.path(name).exists() and not self.path(to).exists():
            self.path(name).rename(self.path(to))

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)

    @rule(name=NAMES)
    def correct(self, name: str) -> None:
        results = self.repository.outputs / f"{name}.vtt"
        if results.exists():
            text = f"corrected at {self.clock} {name!r}".encode()
            self.corrections -= {results.read_bytes()}
            self.corrections.add(text)
            results.write_bytes(text)

    @rule()
    def night(self) -> None:
        present = {item.location: self.path(item.location).read_bytes() for item in self.repository.discover()}
        for choice in settle(self.repository, select(self.repository, POLICY)).todo:
            self.deposit(choice)
        after = select(self.repository, POLICY)
        assert {choice.item.location: choice.kind for choice in after.choices} == dict.fromkeys(present, "done")
        for choice in after.choices:
            assert choice.receipt is not None
            assert choice.receipt.message == str(present[choice.item.location]), "the results are those of this content"
        kept = {path.read_bytes() for path in self.root.rglob("*.vtt")}
        assert self.corrections <= kept

    def deposit(self, choice: Choice) -> None:
        fetched = self.repository.fetch(choice.item)
        receipt = Receipt(
            choice.item.identifier,
            "done",
            fetched.path.name,
            location=choice.item.location,
            source_size=fetched.stat.size,
            source_mtime_ns=fetched.stat.mtime_ns,
            source_sha256=fetched.sha256,
            message=str(fetched.path.read_bytes()),
            software="speechpipe",
        )
        text = b"machine " + fetched.path.read_bytes()
        self.repository.deposit(choice.item, Package({".vtt": text, ".json": text}, replace(receipt, version=1)))


TestNights = Archive.TestCase
TestNights.settings = settings(
    max_examples=60, stateful_step_count=25, suppress_health_check=list(HealthCheck), deadline=None
)
