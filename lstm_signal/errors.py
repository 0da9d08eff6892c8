"""What goes wrong, said once: the thing, the value, the rule and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something given to the library that it refuses; the message ends in the way out."""


class LookAheadError(RuntimeError):
    """A forecast that has seen, or would be shown before, the bar it is about to trade."""


class FetchError(RuntimeError):
    """Prices that could not be fetched: the network or the server failed, not what was asked for."""


class PriceWarning(UserWarning):
    """A doubt about prices that are usable all the same; the message names the bars."""


class FitError(RuntimeError):
    """A network whose training failed: model, fold and member are named in the message."""


class FitWarning(UserWarning):
    """A walk that went on where a fit had failed, or was damaged on disk; the message says what was done."""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return a hint: the closest known name if there is one, and the list of all.

    Examples
    --------
    >>> did_you_mean("lstn", ["lstm", "rnn"])
    'Did you mean "lstm"? Known: lstm, rnn.'
    """
    names = list(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f'Did you mean "{close[0]}"? ' if close else ""
    return f"{hint}Known: {', '.join(names) or 'none'}."
