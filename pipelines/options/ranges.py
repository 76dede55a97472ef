"""What the numbers among the options may be."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Range"]


@dataclass(frozen=True)
class Range:
    """What a number may be: `steps: Annotated[int, Range(1, 10_000)]`; of a tuple each of its numbers.

    Attributes:
        least: smallest value.
        most: largest value.
        above: the smallest is itself excluded.
        or_zero: 0 stands for none and is allowed too.
    """

    least: float
    most: float
    above: bool = False
    or_zero: bool = False

    def __contains__(self, number: float) -> bool:
        inside = self.least <= number <= self.most and not (self.above and number == self.least)
        return inside or (self.or_zero and number == 0)

    def __str__(self) -> str:
        start = f"above {_digits(self.least)} and up to" if self.above else f"from {_digits(self.least)} to"
        return f"{start} {_digits(self.most)}{', or 0' * self.or_zero}"


def _digits(number: float) -> str:
    return f"{number:,.0f}" if number == round(number) else f"{number:g}"
