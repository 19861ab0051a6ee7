"""One answer as the model writes it, and as people in Slack see it grow."""

from dataclasses import dataclass, field
from string import ascii_lowercase

# OpenAI: about four characters of English for each token.
TOKEN = 4
LONGEST = 800
DIRECT = "D"

_ROUNDING = 1e-6
_SENTENCE, _PARAGRAPH = 12, 60


def _token(number: int) -> str:
    letters = [ascii_lowercase[number // each % 26] for each in (676, 26, 1)]
    if number % _PARAGRAPH == _PARAGRAPH - 1:
        return f"{letters[2]}.\n\n"
    if number % _SENTENCE == _SENTENCE - 1:
        return f"{letters[1]}{letters[2]}. "
    return "".join(letters) + " "


# Every answer is the beginning of this one: prose, in which no word comes twice.
TEXT = "".join(_token(number) for number in range(LONGEST))


def tokens_in(shown: str) -> int:
    """How many tokens of the answer `shown` holds; AssertionError for other text."""
    if not TEXT.startswith(shown):
        raise AssertionError(f"this was never written: {shown[-40:]!r}")
    return -(-len(shown) // TOKEN)


@dataclass(slots=True, kw_only=True, eq=False)
class Stream:
    """An answer of so many tokens, `rate` each second from the moment it has `begun`.

    `seen` holds how many tokens are in view since when. It `is_lost` when whoever sends
    it has given up.
    """

    number: int
    channel: str
    tokens: int
    rate: float
    begun: float
    seen: list[tuple[float, int]] = field(default_factory=list)
    is_lost: bool = False

    @property
    def is_direct(self) -> bool:
        """Whether it is for one person alone, by Slack's word for such channels."""
        return self.channel.startswith(DIRECT)

    @property
    def ends(self) -> float:
        """When the last token comes."""
        return self.comes(self.tokens)

    def comes(self, count: int) -> float:
        """When the first `count` tokens are there."""
        return self.begun + (count - 1) / self.rate

    def written(self, now: float) -> int:
        """How many tokens are there."""
        if now < self.begun - _ROUNDING:
            return 0
        return min(self.tokens, int((now - self.begun) * self.rate + _ROUNDING) + 1)

    def show(self, tokens: int, now: float) -> None:
        """From now on people see the first `tokens`."""
        if tokens != self.in_view:
            self.seen.append((now, tokens))

    @property
    def in_view(self) -> int:
        """How many tokens people see."""
        return self.seen[-1][1] if self.seen else 0

    @property
    def is_whole(self) -> bool:
        """Whether people see all of it."""
        return self.in_view == self.tokens
