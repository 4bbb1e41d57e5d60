"""Batches by kind, and fewer clips at once where memory is short."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from speechpipe.engines.batches import Batches, grouped, is_out_of_memory


def test_groups_are_of_one_kind_and_keep_their_order() -> None:
    assert list(grouped([1, 2, 3, 12, 4, 15, 5], 2, lambda n: n > 9)) == [[1, 2], [3, 4], [12, 15], [5]]
    assert list(grouped([], 2, id)) == []


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA failed with error out of memory"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("Failed to allocate memory"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
    ],
)
def test_what_native_code_says_when_memory_is_short(error: Exception, short: bool) -> None:
    assert is_out_of_memory(error) is short


def room_for(most: int, asked: list[int]) -> Callable[..., list[int]]:
    def decode(jobs: list[int]) -> list[int]:
        asked.append(len(jobs))
        if len(jobs) > most:
            raise RuntimeError("CUDA out of memory")
        return [10 * job for job in jobs]

    return decode


@pytest.mark.parametrize(
    ("most", "asked"), [(8, [8]), (7, [8, 4, 4]), (3, [8, 4, 2, 2, 2, 2]), (1, [8, 4, 2] + 8 * [1])]
)
def test_a_batch_is_halved_until_it_fits(most: int, asked: list[int]) -> None:
    sizes: list[int] = []
    done, divided = Batches().run(range(8), room_for(most, sizes))
    assert done == [10 * job for job in range(8)]
    assert divided is (most < 8)
    assert sizes == asked


def test_what_fits_is_remembered() -> None:
    batches, sizes = Batches(), list[int]()
    batches.run(range(8), room_for(3, []))
    assert batches.run(range(5), room_for(3, sizes)) == ([0, 10, 20, 30, 40], True)
    assert batches.run(range(2), room_for(3, sizes)) == ([0, 10], False)
    assert sizes == [2, 2, 1, 2]


def test_where_one_does_not_fit_the_error_comes_out() -> None:
    sizes: list[int] = []
    with pytest.raises(RuntimeError, match="out of memory"):
        Batches().run(range(3), room_for(0, sizes))
    assert sizes == [3, 1]


def test_another_error_comes_out_at_once() -> None:
    def decode(jobs: object) -> list[int]:
        raise RuntimeError("an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal"):
        Batches().run(range(3), decode)
