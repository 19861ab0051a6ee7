"""Which blocks Slack takes: fields, lengths and counts, as it checks them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.sandbox.records import Json

BLOCKS_PER_MESSAGE = 50
BLOCKS_PER_VIEW = 100
# Slack: the markdown blocks of one message together; one alone is checked as well.
MARKDOWN_LENGTH = 12_000
# Slack: undocumented, measured at 13,297 with markdown only and 13,172 with a divider
# more (bolt-js issue 2509), hence a total and a price per further block.
ALL_BLOCKS_LENGTH = 13_200
_PRICE_OF_A_BLOCK = 125

_ID_LENGTH = 255
_FIELDS = 10
_TABLE_ROWS, _TABLE_CELLS = 100, 20
_FENCE = re.compile(
    r"^ {0,3}(```|~~~).*?(?:^ {0,3}\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
_TABLE_RULE = re.compile(
    r"^ *\|? *:?-+:? *(?:\| *:?-+:? *)+\|? *$|^ *\| *:?-+:? *\| *$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a block may hold: its own fields and how many elements."""

    fields: frozenset[str]
    needs: tuple[str, ...] = ()
    elements: int | None = None
    element_types: frozenset[str] = frozenset()
    only_in_views: bool = False


def _shape(
    fields: str,
    needs: str = "",
    elements: int | None = None,
    kinds: str = "",
    *,
    only_in_views: bool = False,
) -> _Shape:
    return _Shape(
        frozenset(fields.split()),
        tuple(needs.split()),
        elements,
        frozenset(kinds.split()),
        only_in_views,
    )


_INTERACTIVE = (
    "button checkboxes datepicker datetimepicker timepicker overflow radio_buttons "
    "static_select external_select users_select conversations_select channels_select "
    "multi_static_select multi_external_select multi_users_select "
    "multi_conversations_select multi_channels_select workflow_button"
)
_SHAPES: Mapping[str, _Shape] = {
    "actions": _shape("elements", "elements", 25, _INTERACTIVE),
    "alert": _shape("text level", "text", only_in_views=True),
    "card": _shape("title subtitle body actions icon hero_image subtext slack_icon"),
    "carousel": _shape("elements", "elements", 10, "card"),
    "container": _shape(
        "title subtitle child_blocks elements width is_collapsible icon"
    ),
    "context": _shape("elements", "elements", 10, "mrkdwn plain_text image"),
    "context_actions": _shape(
        "elements", "elements", 5, "feedback_buttons icon_button"
    ),
    "data_table": _shape(
        "rows columns caption page_size row_header_column_index", "rows"
    ),
    "data_visualization": _shape("title chart", "chart"),
    "divider": _shape(""),
    "file": _shape("external_id source", "external_id source"),
    "header": _shape("text level", "text"),
    "image": _shape("alt_text image_url slack_file title", "alt_text"),
    "input": _shape(
        "label element optional dispatch_action hint",
        "label element",
        only_in_views=True,
    ),
    "markdown": _shape("text", "text"),
    "plan": _shape("title tasks plan_id", "title"),
    "rich_text": _shape("elements", "elements"),
    "section": _shape("text fields accessory expand"),
    "table": _shape("rows column_settings", "rows"),
    "task_card": _shape("task_id title status details output sources", "task_id title"),
    "video": _shape(
        "alt_text title thumbnail_url video_url author_name description "
        "provider_icon_url provider_name title_url",
        "alt_text title thumbnail_url video_url",
    ),
}


def faults(blocks: object, *, where: str, in_view: bool = False) -> list[str]:
    """Return what is wrong with a list of blocks, each with its JSON pointer."""
    if not isinstance(blocks, list):
        return [f"must be an array [json-pointer:{where}]"]
    most = BLOCKS_PER_VIEW if in_view else BLOCKS_PER_MESSAGE
    if len(blocks) > most:
        return [f"no more than {most} items allowed [json-pointer:{where}]"]
    found = []
    for index, block in enumerate(blocks):
        found += _block_faults(block, f"{where}/{index}", in_view=in_view)
    if not found:
        found += _repeated(
            [block.get("block_id") for block in blocks], "block_id", where
        )
    return found


def length(blocks: list[Json]) -> int:
    """Return what the blocks of a message count against `ALL_BLOCKS_LENGTH`."""
    text = sum(len(piece) for block in blocks for piece in _strings(block))
    return text + _PRICE_OF_A_BLOCK * max(0, len(blocks) - 1)


def markdown_length(blocks: list[Json]) -> int:
    """Return how much Markdown the blocks hold together."""
    return sum(len(text) for text in _markdown(blocks))


def tables(blocks: list[Json]) -> int:
    """Return how many tables the blocks show; Slack shows one per message."""
    own = sum(block.get("type") in ("table", "data_table") for block in blocks)
    return own + sum(
        len(_TABLE_RULE.findall(_FENCE.sub("", text))) for text in _markdown(blocks)
    )


def _markdown(blocks: list[Json]) -> Iterator[str]:
    for block in blocks:
        if block.get("type") == "markdown":
            yield str(block.get("text", ""))


def _strings(part: object, key: str = "text") -> Iterator[str]:
    match part:
        case str() if key in ("text", "title", "alt_text", "details", "output"):
            yield part
        case dict():
            for name, value in part.items():
                yield from _strings(value, name)
        case list():
            for value in part:
                yield from _strings(value, key)


def _block_faults(block: object, at: str, *, in_view: bool) -> list[str]:
    if not isinstance(block, dict):
        return [f"must be an object [json-pointer:{at}]"]
    shape = _SHAPES.get(str(block.get("type")))
    if shape is None or (shape.only_in_views and not in_view):
        return [f"unsupported type: {block.get('type')} [json-pointer:{at}/type]"]
    known = shape.fields | {"type", "block_id"}
    found = [
        f"invalid additional property: {name} [json-pointer:{at}]"
        for name in block
        if name not in known
    ]
    found += [
        f"missing required field: {name} [json-pointer:{at}]"
        for name in shape.needs
        if block.get(name) is None
    ]
    found += _id_faults(block, "block_id", at)
    return found or _content_faults(block, shape, at)


def _content_faults(block: Json, shape: _Shape, at: str) -> list[str]:
    found = []
    if shape.elements is not None:
        found += _elements_faults(block["elements"], shape, f"{at}/elements")
    match block["type"]:
        case "section":
            found += _section_faults(block, at)
        case "header":
            found += _text_faults(block["text"], f"{at}/text", 150, plain=True)
        case "markdown":
            found += _string_faults(block["text"], f"{at}/text", MARKDOWN_LENGTH)
        case "image":
            found += _image_faults(block, at)
        case "input":
            found += _text_faults(block["label"], f"{at}/label", 2000, plain=True)
        case "table":
            found += _table_faults(block["rows"], f"{at}/rows")
    return found


def _section_faults(block: Json, at: str) -> list[str]:
    found = []
    if block.get("text") is None and not block.get("fields"):
        found.append(f"missing required field: text [json-pointer:{at}]")
    if block.get("text") is not None:
        found += _text_faults(block["text"], f"{at}/text", 3000)
    fields = block.get("fields") or []
    if len(fields) > _FIELDS:
        found.append(f"no more than {_FIELDS} items allowed [json-pointer:{at}/fields]")
    for index, field in enumerate(fields):
        found += _text_faults(field, f"{at}/fields/{index}", 2000)
    if block.get("accessory") is not None:
        found += _element_faults(block["accessory"], f"{at}/accessory")
    return found


def _image_faults(block: Json, at: str) -> list[str]:
    found = _string_faults(block["alt_text"], f"{at}/alt_text", 2000)
    if "slack_file" not in block:
        found += _string_faults(block.get("image_url"), f"{at}/image_url", 3000)
    return found


def _table_faults(rows: object, at: str) -> list[str]:
    if not isinstance(rows, list) or not 0 < len(rows) <= _TABLE_ROWS:
        return [f"must have 1 to {_TABLE_ROWS} items [json-pointer:{at}]"]
    if any(not isinstance(row, list) or len(row) > _TABLE_CELLS for row in rows):
        return [
            f"no more than {_TABLE_CELLS} items allowed in a row [json-pointer:{at}]"
        ]
    return []


def _elements_faults(elements: object, shape: _Shape, at: str) -> list[str]:
    most = shape.elements or 0
    if not isinstance(elements, list) or not 0 < len(elements) <= most:
        return [f"must have 1 to {most} items [json-pointer:{at}]"]
    found = []
    for index, element in enumerate(elements):
        kind = element.get("type") if isinstance(element, dict) else None
        if kind not in shape.element_types:
            found.append(f"unsupported type: {kind} [json-pointer:{at}/{index}/type]")
        elif kind in ("mrkdwn", "plain_text"):
            found += _text_faults(element, f"{at}/{index}", 3000)
        else:
            found += _element_faults(element, f"{at}/{index}")
    ids = [
        element.get("action_id") for element in elements if isinstance(element, dict)
    ]
    return found or _repeated(ids, "action_id", at)


def _element_faults(element: object, at: str) -> list[str]:
    if not isinstance(element, dict):
        return [f"must be an object [json-pointer:{at}]"]
    found = _id_faults(element, "action_id", at)
    if element.get("type") == "image":
        found += _image_faults({"alt_text": None, **element}, at)
    if element.get("type") == "button":
        found += _text_faults(element.get("text"), f"{at}/text", 75, plain=True)
        if element.get("value") is not None:
            found += _string_faults(element["value"], f"{at}/value", 2000)
        if element.get("url") is not None:
            found += _string_faults(element["url"], f"{at}/url", 3000)
        if element.get("style", "primary") not in ("primary", "danger"):
            found.append(f"must be primary or danger [json-pointer:{at}/style]")
    return found


def _text_faults(text: object, at: str, most: int, *, plain: bool = False) -> list[str]:
    if not isinstance(text, dict):
        return [f"must be an object [json-pointer:{at}]"]
    kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if text.get("type") not in kinds:
        return [f"must be one of {', '.join(kinds)} [json-pointer:{at}/type]"]
    extra = "emoji" if text["type"] == "plain_text" else "verbatim"
    found = [
        f"invalid additional property: {name} [json-pointer:{at}]"
        for name in text
        if name not in ("type", "text", extra)
    ]
    return found + _string_faults(text.get("text"), f"{at}/text", most)


def _string_faults(value: object, at: str, most: int) -> list[str]:
    if not isinstance(value, str):
        return [f"must be a string [json-pointer:{at}]"]
    if not value:
        return [f"must be more than 0 characters [json-pointer:{at}]"]
    if len(value) > most:
        return [f"must be less than {most + 1} characters [json-pointer:{at}]"]
    return []


def _id_faults(part: Json, name: str, at: str) -> list[str]:
    value = part.get(name)
    if value is None:
        return []
    return _string_faults(value, f"{at}/{name}", _ID_LENGTH)


def _repeated(ids: list[object], name: str, at: str) -> list[str]:
    given = [value for value in ids if value is not None]
    return [
        f'`{name}` "{value}" already exists [json-pointer:{at}]'
        for value in sorted({str(v) for v in given if given.count(v) > 1})
    ]
