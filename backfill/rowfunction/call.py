"""The user's function: loads it, calls it with rows, turns its values into texts and its exceptions into a sentence."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from backfill.rowfunction.protocol import LoadRequest, Unloadable

Function = Callable[[list[dict[str, Any]]], Any]
Texts = list[str | None]


class InvalidReturn(Exception):
    """What the function returned is not what a row function returns."""


def load(request: LoadRequest) -> Function:
    """Import the module, with the job file's directory first on the path, and return its function."""
    sys.path.insert(0, request.directory)
    try:
        module = importlib.import_module(request.module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{request.module}.".startswith(f"{error.name}."):
            raise Unloadable(f"module {request.module!r} cannot be imported: {describe_exception(error)}") from None
        where = f"in {request.directory}, the job file's directory, or among Python's own"
        raise Unloadable(f"there is no module {error.name!r} {where}") from None
    except BaseException as error:  # noqa: BLE001 - whatever a module does when it is imported, sys.exit() too
        raise Unloadable(f"module {request.module!r} cannot be imported: {describe_exception(error)}") from None
    name = request.attribute
    if not hasattr(module, name):
        known = [attribute for attribute, value in vars(module).items() if callable(value)]
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise Unloadable(f"module {request.module!r} has no function {name!r}{hint}", at_function=True)
    function = getattr(module, name)
    if not callable(function):
        raise Unloadable(f"{name!r} of module {request.module!r} is not a function: {function!r:.60}", at_function=True)
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise Unloadable(f"{name!r} is asynchronous or a generator; write a function that returns", at_function=True)
    return cast(Function, function)


def mapped(function: Function, request: LoadRequest, rows: list[tuple[Any, ...]]) -> list[Texts]:
    """Return a text for each output of each row; raises whatever the function raises, and InvalidReturn."""
    returned = function([dict(zip(request.inputs, row, strict=True)) for row in rows])
    if not isinstance(returned, list | tuple):
        raise InvalidReturn(f"returned {_kind(returned)}; it must return a list with one item for each row")
    if len(returned) != len(rows):
        raise InvalidReturn(f"returned {len(returned):,} items for {len(rows):,} rows")
    return [_texts(request, item) for item in returned]


def answer(function: Function, request: LoadRequest, rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    """Return the texts by output, or what failed, with the first row that fails by itself."""
    try:
        texts = mapped(function, request, rows)
    except BaseException as error:  # noqa: BLE001 - a function that calls sys.exit() has failed, too
        fault = describe_exception(error)
    else:
        return {"texts": [list(column) for column in zip(*texts, strict=True)]}
    for index, row in enumerate(rows if len(rows) > 1 else ()):
        try:
            mapped(function, request, [row])
        except BaseException as error:  # noqa: BLE001 - as above
            return {"fault": describe_exception(error), "row": index}
    return {"fault": fault, "row": 0 if len(rows) == 1 else None}


def describe_exception(error: BaseException) -> str:
    """Return what happened, and where in the user's own code."""
    if isinstance(error, InvalidReturn):
        return str(error)
    words = f"raised {type(error).__name__}" + (f": {error}" if str(error) else "")
    if isinstance(error, SyntaxError):
        return words  # it names its file and line itself
    ours = str(Path(__file__).parent.parent)
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith((ours, "<"))
    ]
    return f"{words} ({frames[-1].filename}:{frames[-1].lineno})" if frames else words


def _texts(request: LoadRequest, item: Any) -> Texts:
    names = [name for name, _ in request.outputs]
    if len(names) == 1:
        item = (item,)
    elif isinstance(item, Mapping):
        if item.keys() != set(names):
            raise InvalidReturn(
                f"returned an item with {', '.join(map(repr, item)) or 'no keys'}; its keys must be {names}"
            )
        item = [item[name] for name in names]
    if not isinstance(item, list | tuple) or len(item) != len(names):
        raise InvalidReturn(f"returned {_kind(item)} for a row; for {', '.join(names)} it must be a mapping or a tuple")
    return [_text(request, name, kind, value) for (name, kind), value in zip(request.outputs, item, strict=True)]


def _text(request: LoadRequest, name: str, kind: str, value: Any) -> str | None:
    try:
        return request.encode(value, kind)
    except Exception as error:  # noqa: BLE001 - a driver's, a codec's or JSON's
        raise InvalidReturn(
            f"returned {_kind(value)} for {name}, which is not a value of type {kind}: {error}"
        ) from None


def _kind(value: Any) -> str:
    return f"{value!r:.60} ({type(value).__name__})"
