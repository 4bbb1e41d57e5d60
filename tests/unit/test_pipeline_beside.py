"""Work beside the decode: done when there is more, ended with the block, and by an error alone."""

from __future__ import annotations

import threading

from speechpipe.pipeline.beside import Beside


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
            assert work.done.wait(10)
            assert work.turns == turn
            work.done.clear()
            work.more.set()
        assert work.done.wait(10)
    assert work.turns == 4
    assert not work._thread.is_alive()


def test_an_error_ends_the_work_ahead_and_nothing_else() -> None:
    with Counted(fails_at=1) as work:
        work._thread.join(10)
        work.more.set()
    assert work.turns == 1
