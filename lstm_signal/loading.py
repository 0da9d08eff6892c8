"""Strategies by name or path: files that are read, copied and changed, and that no import path knows."""

from __future__ import annotations

import copyreg
import hashlib
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from lstm_signal.bt.strategy import ForecastStrategy
from lstm_signal.errors import InputError, did_you_mean

_PACKAGE = Path(__file__).parent
_PREFIX = "lstm_signal_strategy_"


def strategies_folder() -> Path:
    """Return the folder of the shipped strategies: the clone's if the package lies in one, else the wheel's copy."""
    project = _PACKAGE.parent / "pyproject.toml"
    if project.is_file():
        with project.open("rb") as file:
            if tomllib.load(file).get("project", {}).get("name") == "lstm-signal":
                return _PACKAGE.parent / "strategies"
    return _PACKAGE / "strategies"


def load_strategy(spec: str) -> type[ForecastStrategy]:
    """Return a strategy class, by the name of a shipped one or by path.

    Parameters
    ----------
    spec : str
        ``"long_flat"`` is a shipped strategy; ``"dir/file.py"`` is the one ForecastStrategy that the file defines,
        ``"dir/file.py:Class"`` the one named, relative to the working directory.

    Raises
    ------
    InputError
        If there is no such file or class; what the file does define is listed.

    Examples
    --------
    >>> load_strategy("long_flat").__name__
    'LongFlat'
    """
    match = re.fullmatch(r"(.+\.py)(?::(\w+))?", spec)
    place, wanted = (match[1], match[2] or "") if match else (spec, "")
    if match:
        path = Path(place)
        if not path.is_file():
            raise InputError(f"no such strategy file: {place} (in {Path.cwd()}). Give its path, or a shipped name.")
    else:
        shipped = sorted(file.stem for file in strategies_folder().glob("*.py"))
        if place not in shipped:
            raise InputError(f"no strategy is called {place!r}. {did_you_mean(place, shipped)} A file needs its .py.")
        path = strategies_folder() / f"{place}.py"
    return _choose(_module(path.resolve()), wanted, place)


def _module(path: Path) -> ModuleType:
    """Load a file once for each of its contents; registered in sys.modules, as pickle and dataclasses need it."""
    source = path.read_bytes()
    name = f"{_PREFIX}{path.stem}_{hashlib.sha256(str(path).encode() + source).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__, module.__package__ = str(path), ""
    sys.modules[name] = module
    try:
        # Not through importlib: its cached bytecode is stale for an edit of the same size within a second.
        exec(compile(source, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InputError(f"strategy file {path.name} fails when loaded: {type(error).__name__}: {error}") from error
    return module


def _pickled(cls: type[ForecastStrategy]) -> str | tuple[Callable[..., type[ForecastStrategy]], tuple[str, ...]]:
    """Tell pickle how to find a class again: by path if it was loaded by path, in whatever process."""
    if not cls.__module__.startswith(_PREFIX):
        return str(cls.__qualname__)
    return _again, (str(sys.modules[cls.__module__].__file__), cls.__module__, cls.__qualname__)


def _again(path: str, module: str, name: str) -> type[ForecastStrategy]:
    if not Path(path).is_file() or _module(Path(path)).__name__ != module:
        raise InputError(f"strategy file {path} was changed or moved while it was at work: start again.")
    cls: type[ForecastStrategy] = getattr(sys.modules[module], name)
    return cls


# backtrader's optstrategy hands classes to processes, and where these are spawned no module was loaded before.
copyreg.pickle(type(ForecastStrategy), _pickled)


def _choose(module: ModuleType, wanted: str, place: str) -> type[ForecastStrategy]:
    own = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, ForecastStrategy) and value.__module__ == module.__name__
    }
    if wanted:
        if wanted not in own:
            raise InputError(f"{place} defines no ForecastStrategy {wanted!r}. {did_you_mean(wanted, own)}")
        return own[wanted]
    if len(own) != 1:
        listed = ", ".join(own) or "none"
        raise InputError(f"{place} defines {len(own)} ForecastStrategies ({listed}): name one, as in {place}:Class.")
    return next(iter(own.values()))
