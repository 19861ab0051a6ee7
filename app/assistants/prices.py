"""What a run's tokens cost, by the table in `prices.toml`."""

import re
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from app.domain import Usage

_TABLE = Path(__file__).with_name("prices.toml")
_MILLION = 1_000_000
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for a million tokens of each kind."""

    input: Decimal
    cached: Decimal
    output: Decimal

    def dollars(self, usage: Usage) -> Decimal:
        """Return what these tokens cost."""
        fresh = max(0, usage.input_tokens - usage.cached_tokens)
        paid = (
            fresh * self.input
            + usage.cached_tokens * self.cached
            + usage.output_tokens * self.output
        )
        return paid / _MILLION


def price_of(model: str) -> Price | None:
    """Return the price of `model`, also of a dated version of it, if it is known."""
    with _TABLE.open("rb") as file:
        table = tomllib.load(file)
    row = table.get(model) or table.get(_DATED.sub("", model))
    if row is None:
        return None
    return Price(**{kind: Decimal(dollars) for kind, dollars in row.items()})


def bill(usage: Usage, price: Price | None) -> str:
    """Say in a few words what was used: "1,240 tokens · $0.0011"."""
    tokens = usage.input_tokens + usage.output_tokens
    counted = f"{tokens:,} token{'' if tokens == 1 else 's'}"
    if price is None:
        return counted
    dollars = price.dollars(usage)
    shown = f"{dollars:.2f}" if dollars >= _CENT else f"{dollars:.4f}"
    return f"{counted} · ${shown}"
