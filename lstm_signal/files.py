"""Files that are whole or not there."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lstm_signal.errors import InputError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces it if the block succeeds and vanishes if it fails."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder. Name a file in it.")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: the folder {path.parent} does not exist. Create it first.")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def safe_name(text: str) -> str:
    """Return `text` as the name of a file: letters, digits, dot, dash and underscore, never a path.

    Examples
    --------
    >>> safe_name("../^GSPC daily")
    'GSPC-daily'
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.")[:80] or "unnamed"
