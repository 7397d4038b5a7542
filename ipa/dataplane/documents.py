"""JSON documents in and out: the home of orjson."""

from __future__ import annotations

from typing import Any

import orjson


def loads(body: bytes) -> Any:
    """The document in `body`. Raises ValueError; NaN, infinity and nesting beyond 1024 are not JSON here."""
    return orjson.loads(body)


def dumps(document: object) -> bytes:
    """The document as JSON; contiguous numpy arrays become lists, each number as short as its dtype allows."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
