"""How OpenAI refuses: the shape of its errors, and the words for common ones."""

from collections.abc import Mapping, Sequence

_JSON_NAMES: Mapping[type, str] = {
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


class Refused(Exception):
    """An answer with an error status, in OpenAI's own shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",  # noqa: A002 - the wire's word
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.body = {
            "error": {"message": message, "type": type, "param": param, "code": code}
        }


def check_type(param: str, value: object, wanted: str, types: tuple[type, ...]) -> None:
    """Raise `Refused` if a value that was given has none of `types`."""
    is_bool = isinstance(value, bool) and bool not in types
    if value is not None and (is_bool or not isinstance(value, types)):
        raise wrong_type(param, wanted, value)


def unknown(param: str) -> Refused:
    """A field that the reference does not have."""
    message = f"Unknown parameter: '{param}'."
    return Refused(400, message, param=param, code="unknown_parameter")


def missing(param: str) -> Refused:
    """A field that has to be given."""
    message = f"Missing required parameter: '{param}'."
    return Refused(400, message, param=param, code="missing_required_parameter")


def wrong_type(param: str, wanted: str, value: object) -> Refused:
    """A value of another JSON type; `wanted` with its article."""
    message = (
        f"Invalid type for '{param}': expected {wanted}, but got {named(value)}"
        " instead."
    )
    return Refused(400, message, param=param, code="invalid_type")


def bad_value(param: str, value: object, supported: Sequence[str]) -> Refused:
    """A word that is none of the supported ones."""
    listed = ", ".join(f"'{word}'" for word in supported)
    message = f"Invalid value: {value!r}. Supported values are: {listed}."
    return Refused(400, message, param=param, code="invalid_value")


def named(value: object) -> str:
    """The name of a JSON type with its article."""
    return _JSON_NAMES[type(value)]
