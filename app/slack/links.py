"""Which addresses in a model's text may be live, and what the others become."""

import re
from dataclasses import dataclass

_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.\-]+)(?::\d{1,5})?"
    r"(?P<rest>[/?#][^\s<>`|\\\"]*)?",
    re.IGNORECASE,
)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_PLAIN_HOST = re.compile(r"(?!xn--)[A-Za-z0-9\-]+(?:\.(?!xn--)[A-Za-z0-9\-]+)+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?=\\?:)")
_UP_TO_SPACE = re.compile(r"\S*")
# A run stops where Markdown ends it, or where a sentence in Chinese or Japanese does.
_RUN = re.compile(r"(?:(?!\]\()[^\s<`|\u3000-\u303f\uff00-\uffef])*")
_TRAILING = "|.,;:!?'\"*_~)]}>\u00bb\u201d\u2019\u2026"
_HOST_ENDS = frozenset("/?#:\\")
# Slack links a bare name when it ends like one of these; other ends are file names.
_COMMON_ENDS = frozenset(
    re.findall(
        r"\w+",
        "ai app au biz br ca cc ch click cloud club cn co com de dev edu es eu fr gov "
        "in info io it jp link live me mov net nl no online org page pl ru se shop "
        "site tech top tv uk us xyz zip",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPolicy:
    """What may be a live link in one turn.

    `trusted` are addresses that stood verbatim in the turn's trusted input;
    `read_untrusted` says that the turn has read what outsiders can write.
    """

    trusted: frozenset[str] = frozenset()
    allowed_hosts: frozenset[str] = frozenset()
    read_untrusted: bool = True

    def allows(self, address: str) -> bool:
        """Whether a link to `address` may be live under any label."""
        match = _ADDRESS.fullmatch(address)
        if match is None:
            return False
        return address in self.trusted or match["host"].lower() in self.allowed_hosts

    def allows_bare(self, address: str) -> bool:
        """Whether `address` may be live where the reader sees all of it."""
        if self.allows(address):
            return True
        match = _ADDRESS.fullmatch(address)
        if self.read_untrusted or match is None or match["scheme"] != "https":
            return False
        rest = match["rest"] or ""
        return (
            _PLAIN_HOST.fullmatch(match["host"].lower()) is not None
            and ":" not in address.removeprefix("https:")
            and not set("?#%@&;") & set(rest)
            and rest.isascii()
        )


@dataclass(frozen=True, slots=True)
class Address:
    """Something in a text that Slack may turn into a link; `end` is an offset."""

    text: str
    end: int
    stands_alone: bool


def address_at(text: str, start: int) -> Address:
    """The address that begins at `start`, without the punctuation that follows it.

    It stands alone when nothing is glued to it that Slack might take as its part.
    """
    run = _run_at(text, start)
    core = _without_trailing(run)
    whole = _UP_TO_SPACE.match(text, start)
    glued = (whole[0] if whole else "")[len(core) :]
    return Address(core, start + len(core), not glued.strip(_TRAILING))


def scheme_start(text: str, start: int, end: int) -> int:
    """Where the scheme begins in `text[start:end]`, which ends in `://`."""
    match = _SCHEME.search(text, start, end)
    return start if match is None else match.start()


def is_host(text: str, start: int, name: str) -> bool:
    """Whether Slack may link the dotted `name` at `start`, which has no scheme."""
    labels = name.replace("\\", "").split(".")
    last = labels[-1]
    if labels[0].lower() == "www":
        return True
    if len(last) < 2 or not (last.isalpha() or last.lower().startswith("xn--")):  # noqa: PLR2004 - no top-level name is shorter
        return False
    if text[start + len(name) : start + len(name) + 1] in _HOST_ENDS:
        return True
    if start and text[start - 1] in "/@":
        return False
    return last.lower() in _COMMON_ENDS and (last.islower() or last.isupper())


def links_in(text: str) -> frozenset[str]:
    """All addresses that stand in `text`, as they are written."""
    found = set()
    position = 0
    while match := _WEB.search(text, position):
        address = _without_trailing(_run_at(text, match.start()))
        found.add(address)
        position = max(match.end(), match.start() + len(address))
    return frozenset(found)


def _run_at(text: str, start: int) -> str:
    match = _RUN.match(text, start)
    return match[0] if match else ""


def _without_trailing(run: str) -> str:
    while run and run[-1] in _TRAILING:
        if run[-1] == ")" and run.count("(") >= run.count(")"):
            break
        run = run[:-1]
    return run
