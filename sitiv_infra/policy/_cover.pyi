from collections.abc import Iterator
from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[
    Any
]  # any buffer: items, sizes and indices are checked when it is called

class Boxes:
    def __init__(self, lows: Array, highs: Array, order: tuple[int, ...], /) -> None: ...
    def overlapping(self, low: Array, high: Array, end: int, /) -> bytes: ...
    def ask(
        self, low: Array, high: Array, among: Array, budget: int, spent: type[Exception], /
    ) -> tuple[bytes | None, bytes | None]: ...
    def holes(
        self, low: Array, high: Array, among: Array, budget: int, spent: type[Exception], /
    ) -> Iterator[tuple[bytes, bytes]]: ...
    def shadows(
        self, starts: Array, certain: Array, budget: int, /
    ) -> tuple[bytes, bytes, bytes, bytes]: ...
    def deciding(self, corners: Array, after: Array, held: Array, /) -> bytes: ...
