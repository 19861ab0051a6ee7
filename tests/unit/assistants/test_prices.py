"""What tokens cost, and how that is told."""

from decimal import Decimal

import pytest

from app.assistants.prices import Price, bill, price_of
from app.domain import Usage

LUNA = Price(
    input=Decimal("0.10"),
    cached=Decimal("0.01"),
    output=Decimal("0.50"),
    doubles_above=272_000,
)


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("gpt-6-luna", LUNA),
        ("gpt-6-luna-2026-09-01", LUNA),
        (
            "gpt-6.1-terra",
            Price(
                input=Decimal(1),
                cached=Decimal("0.05"),
                output=Decimal(5),
                doubles_above=272_000,
            ),
        ),
        ("gpt-6-lunatic", None),
        ("llama4:70b", None),
        ("", None),
    ],
)
def test_a_price_is_known_by_the_models_name_whatever_its_date(
    model: str, price: Price | None
):
    assert price_of(model) == price


@pytest.mark.parametrize(
    ("usage", "price", "told"),
    [
        (Usage(input_tokens=1_000, output_tokens=240), LUNA, "1,240 tokens · $0.0002"),
        (
            Usage(input_tokens=1_000_000, cached_tokens=900_000),
            LUNA,
            "1,000,000 tokens · $0.02",
        ),
        (
            Usage(input_tokens=300_000, longest_input=272_000),
            LUNA,
            "300,000 tokens · $0.03",
        ),
        (
            Usage(input_tokens=300_000, longest_input=272_001),
            LUNA,
            "300,000 tokens · $0.06",
        ),
        (Usage(output_tokens=1_000_000), LUNA, "1,000,000 tokens · $0.50"),
        (Usage(output_tokens=1), None, "1 token"),
        # Some servers count what was cached beside the rest.
        (Usage(input_tokens=10, cached_tokens=20), LUNA, "10 tokens · $0.0000"),
    ],
)
def test_a_bill_says_tokens_and_where_it_is_known_dollars(
    usage: Usage, price: Price | None, told: str
):
    assert bill(usage, price) == told
