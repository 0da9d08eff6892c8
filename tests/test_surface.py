"""The public names are those promised, imports go one way, and importing is light."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import lstm_signal as ls

PACKAGE = Path(ls.__file__).parent
PROMISED = {
    "Comparison", "Costs", "FetchError", "FitError", "FitWarning", "FittedForecaster", "ForecastStrategy", "Forecaster",
    "Forecasts", "InputError", "LADDER", "LookAheadError", "PortfolioStrategy", "PriceWarning", "Run", "WalkForward",
    "backtest", "compare", "doubts", "feature", "forecast", "load_forecaster", "load_prices", "load_strategy",
    "read_comparison", "read_forecasts", "read_prices", "sample_prices", "total_return",
}  # fmt: skip
# Each may import from those before it alone.
FLOW = [
    "errors", "files", "units", "terms", "measures", "figures", "plots", "tables",
    "bars", "checks", "prices", "sessions", "yahoo",
    "vintages", "updating", "history", "windows", "cells", "networks", "training", "linear",
    "recipe", "fits", "streaming", "saving", "forecaster", "intervals", "forecasts", "schedule",
    "store", "pool", "tasks", "walk", "baselines",
    "bt.indicators", "bt.feed", "bt.live", "bt.broker", "bt.book", "bt.strategy", "bt.portfolio",
    "bt.analyzers", "bt.observers", "bt.sizers",
    "bootstrap", "evidence", "estimates", "skill", "results",
    "loading", "costs", "runs", "money", "ledger", "verdict", "report", "comparison", "comparing",
    "road", "cli", "options", "commands", "housekeeping",
]  # fmt: skip
FREE = {
    "errors": set(),
    "terms": set(),
    "figures": set(),
    "plots": set(),
    "files": {"errors"},
    "units": set(),
    "measures": {"units"},
    "tables": {"units"},
}
TORCH, BACKTRADER = (
    {"networks", "training"},
    {name for name in FLOW if name.startswith("bt.")} | {"runs"},
)


def modules() -> dict[str, Path]:
    files = [file for file in PACKAGE.rglob("*.py") if "strategies" not in file.parts]
    named = {".".join(file.relative_to(PACKAGE).with_suffix("").parts): file for file in files}
    return {name: file for name, file in named.items() if not name.endswith(("__init__", "__main__"))}


def imports(file: Path) -> set[str]:
    """All that a module imports, at its top or inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


def test_the_public_names_are_those_promised() -> None:
    assert set(ls.__all__) == PROMISED == set(ls._HOME)
    for name in ls.__all__:
        assert getattr(ls, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = ls.nope


def test_every_module_stands_in_the_flow() -> None:
    assert set(FLOW) == set(modules())


@pytest.mark.parametrize("name", FLOW)
def test_imports_go_one_way(name: str) -> None:
    taken = imports(modules()[name])
    own = {module for module in FLOW for item in taken if item == f"lstm_signal.{module}"}
    allowed = FREE.get(name, set(FLOW[: FLOW.index(name)]))
    assert own <= allowed
    tops = {item.split(".")[0] for item in taken}
    assert "torch" not in tops or name in TORCH
    assert "backtrader" not in tops or name in BACKTRADER


def test_importing_the_package_is_light() -> None:
    heavy = "{'torch', 'pandas', 'numpy', 'backtrader'} & set(sys.modules)"
    for statement in ("import lstm_signal", "import lstm_signal.cli"):
        subprocess.run([sys.executable, "-c", f"import sys; {statement}; sys.exit(len({heavy}))"], check=True)


def test_backtesting_loads_no_torch() -> None:
    code = "import lstm_signal as ls, sys; ls.backtest, ls.compare, ls.forecast; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_functions_are_short_and_modules_too() -> None:
    for name, file in modules().items():
        text = file.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 350, name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                start = node.body[1].lineno if ast.get_docstring(node) and len(node.body) > 1 else node.lineno
                assert node.end_lineno - start < 45, f"{name}.{node.name}"


def test_every_public_class_and_function_is_reachable_from_its_home() -> None:
    for name, home in ls._HOME.items():
        assert getattr(importlib.import_module(f"lstm_signal.{home}"), name) is getattr(ls, name)
