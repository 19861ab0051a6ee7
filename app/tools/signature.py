"""What a function's signature says about its arguments: a model, a schema, faults."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError, SchemaError, to_jsonable_python

from app.tools.schema import plain_schema

# NaN and the infinities are no JSON, but they would be read.
_CONFIG = ConfigDict(
    extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=()
)
# What pydantic raises for an annotation that it has no schema for, by its source.
_UNFIT = (
    PydanticUserError,
    PydanticUndefinedAnnotation,
    SchemaError,
    TypeError,
    ValueError,
)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments of a tool; with `faults` they are as good as none."""

    model: type[BaseModel]
    parameters: Mapping[str, Any]
    faults: tuple[str, ...] = ()


def read_signature(name: str, body: Callable[..., Any], context: type) -> Signature:
    """Read the arguments of `body` after its first, which must be a `context`."""
    faults = list(_faults(body, context))
    if not faults:
        fields = _fields(body)
        try:
            model = create_model(name or "tool", __config__=_CONFIG, **fields)
            return Signature(model, plain_schema(model.model_json_schema()))
        except _UNFIT:
            faults = [
                f"the annotation of {each} has no JSON schema; use plain types"
                for each in _unfit(fields)
            ]
    empty = create_model("tool", __config__=_CONFIG)
    return Signature(empty, plain_schema(empty.model_json_schema()), tuple(faults))


def _faults(body: Callable[..., Any], context: type) -> Iterator[str]:
    if not inspect.iscoroutinefunction(body):
        yield "it is not async; begin it with `async def`"
    try:
        hints = get_type_hints(body, include_extras=True)
        first, *others = inspect.signature(body).parameters.values()
    except (NameError, TypeError, SyntaxError, AttributeError) as error:
        yield f"its annotations cannot be read ({type(error).__name__})"
        return
    except ValueError:
        yield _no_context(context)
        return
    if hints.get(first.name) is not context or first.kind not in _NAMED:
        yield _no_context(context)
    for each in others:
        yield from _argument_faults(each, hints.get(each.name))


def _no_context(context: type) -> str:
    return f"its first argument must be `context: {context.__name__}`"


def _argument_faults(argument: inspect.Parameter, hint: Any) -> Iterator[str]:  # noqa: ANN401 - any annotation
    name, default = argument.name, argument.default
    if argument.kind not in _NAMED:
        yield f"the argument {name} cannot be given by name; no *, ** or / here"
    elif name.startswith("_") or hasattr(BaseModel, name):
        yield f"the argument {name} has a name that pydantic keeps; rename it"
    elif hint is None:
        yield f"the argument {name} has no annotation; say of which type it is"
    elif default is not argument.empty and not isinstance(default, FieldInfo):
        try:
            TypeAdapter(hint).validate_python(default, strict=True)
            to_jsonable_python(default)
        except (ValidationError, PydanticSerializationError):
            yield f"the default of {name} does not fit its annotation"
        except _UNFIT:
            # Told with the annotation itself.
            return


def _fields(body: Callable[..., Any]) -> dict[str, Any]:
    hints = get_type_hints(body, include_extras=True)
    _, *arguments = inspect.signature(body).parameters.values()
    return {
        each.name: (
            hints[each.name],
            ... if each.default is each.empty else each.default,
        )
        for each in arguments
    }


def _unfit(fields: Mapping[str, Any]) -> Iterator[str]:
    for name, field in fields.items():
        try:
            alone: Any = {name: field}
            create_model("alone", __config__=_CONFIG, **alone).model_json_schema()
        except _UNFIT:
            yield name
