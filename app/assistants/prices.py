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
    """US dollars for a million tokens of each kind.

    Twice that once a request has more than `doubles_above` input tokens.
    """

    input: Decimal
    cached: Decimal
    output: Decimal
    doubles_above: int | None = None

    def dollars(self, usage: Usage) -> Decimal:
        """Return what these tokens cost."""
        fresh = max(0, usage.input_tokens - usage.cached_tokens)
        paid = (
            fresh * self.input
            + usage.cached_tokens * self.cached
            + usage.output_tokens * self.output
        )
        # A turn's requests have about the same length: what holds of one, of all.
        limit = self.doubles_above
        is_double = limit is not None and usage.longest_input > limit
        return paid * (2 if is_double else 1) / _MILLION


def price_of(model: str) -> Price | None:
    """Return the price of `model`, also of a dated version of it, if it is known."""
    with _TABLE.open("rb") as file:
        table = tomllib.load(file)
    row = table.get(model) or table.get(_DATED.sub("", model))
    if row is None:
        return None
    return Price(
        input=Decimal(row["input"]),
        cached=Decimal(row["cached"]),
        output=Decimal(row["output"]),
        doubles_above=row.get("doubles_above"),
    )


def bill(usage: Usage, price: Price | None) -> str:
    """Say in a few words what was used: "1,240 tokens · $0.0011"."""
    tokens = usage.input_tokens + usage.output_tokens
    counted = f"{tokens:,} token{'' if tokens == 1 else 's'}"
    if price is None:
        return counted
    dollars = price.dollars(usage)
    shown = f"{dollars:.2f}" if dollars >= _CENT else f"{dollars:.4f}"
    return f"{counted} · ${shown}"
