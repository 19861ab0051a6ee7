"""What the offline model may put out."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Say:
    """Text to say; `phase` is the wire's word: a commentary is said on the way.

    `sources` are the addresses that the text is based on.
    """

    text: str
    phase: Literal["commentary", "final_answer"] | None = "final_answer"
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A function to be called; `arguments` is the JSON as the model writes it."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """A refusal, which the wire keeps apart from text."""

    text: str


Output = Say | Call | Refuse
