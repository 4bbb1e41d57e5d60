"""Work beside the decode: done when there is more, ended with the block, and by an error alone."""

from __future__ import annotations

import threading

from speechpipe.pipeline.chunk.background import Beside


class Counted(Beside):
    def __init__(self, fails_at: int | None = None) -> None:
        super().__init__("counted")
        self.turns, self.done, self._fails_at = 0, threading.Event(), fails_at

    def work(self) -> None:
        self.turns += 1
        self.done.set()
        if self.turns == self._fails_at:
            raise ValueError("heard twice")


def test_it_works_each_time_there_is_more_and_rests_between() -> None:
    with Counted() as work:
        for turn in (1, 2, 3):
            work.more.set()
            assert work.done.wait(60)
            assert work.turns == turn
            work.done.clear()
    assert work.turns == 3
    assert not work._thread.is_alive()


def test_nothing_is_done_before_there_is_more() -> None:
    """A recording of two lanes would be taken for one of a single lane, when only the first of them is there yet."""
    with Counted() as work:
        assert not work.done.wait(0.2)
    assert work.turns == 0


def test_an_error_ends_the_work_ahead_and_nothing_else() -> None:
    with Counted(fails_at=1) as work:
        work.more.set()
        work._thread.join(60)
        work.more.set()
    assert work.turns == 1
