"""Strategies by name and by path."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import lstm_signal as ls
from lstm_signal.loading import load_strategy, strategies_folder

ONE = """
from lstm_signal import ForecastStrategy


class Mine(ForecastStrategy):
    def signal(self):
        return 1.0
"""
TWO = (
    ONE
    + """

class Yours(ForecastStrategy):
    def signal(self):
        return -1.0
"""
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return an empty working directory; strategy modules loaded by the test are forgotten after it."""
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("lstm_signal_strategy_"):
            del sys.modules[name]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def loaded_modules() -> set[str]:
    return {name for name in sys.modules if name.startswith("lstm_signal_strategy_")}


@pytest.mark.parametrize(("name", "title"), [("long_flat", "LongFlat"), ("long_short", "LongShort"),
                                             ("buy_and_hold", "BuyAndHold")])  # fmt: skip
def test_a_bare_name_is_a_shipped_strategy(folder, name, title):
    cls = load_strategy(name)
    assert cls.__name__ == title
    assert issubclass(cls, ls.ForecastStrategy)
    assert Path(sys.modules[cls.__module__].__file__) == strategies_folder() / f"{name}.py"


def test_every_shipped_file_is_loaded_by_its_name(folder):
    names = [file.stem for file in strategies_folder().glob("*.py")]
    assert len(names) >= 3
    assert {load_strategy(name).__name__ for name in names} == {
        "".join(word.capitalize() for word in name.split("_")) for name in names
    }


def test_in_a_clone_the_shipped_strategies_are_the_clones_own():
    assert strategies_folder() == Path(ls.__file__).parents[1] / "strategies"


def test_a_bare_name_is_never_a_file_of_the_working_directory(folder):
    write(folder / "long_flat.py", "raise RuntimeError('this is another long_flat')")
    assert load_strategy("long_flat").__name__ == "LongFlat"


@pytest.mark.parametrize("spec", ["mine.py", "mine.py:Mine", "dir/mine.py", "dir/mine.py:Mine", "./mine.py",
                                  "some.where/my strategies/mine.py:Mine"])  # fmt: skip
def test_a_path_is_relative_to_the_working_directory(folder, spec):
    write(folder / spec.partition(":")[0], ONE)
    assert load_strategy(spec).__name__ == "Mine"


@pytest.mark.parametrize("suffix", ["", ":Mine"])
def test_a_path_may_be_absolute(folder, suffix, monkeypatch):
    path = write(folder / "mine.py", ONE)
    monkeypatch.chdir("/")
    assert load_strategy(f"{path}{suffix}").__name__ == "Mine"


def test_a_class_is_chosen_by_name_where_a_file_has_two(folder):
    write(folder / "two.py", TWO)
    assert load_strategy("two.py:Mine").__name__ == "Mine"
    assert load_strategy("two.py:Yours").__name__ == "Yours"


def test_two_strategies_without_a_name_are_listed(folder):
    write(folder / "two.py", TWO)
    with pytest.raises(ls.InputError, match=r"defines 2 ForecastStrategies \(Mine, Yours\).*two\.py:Class"):
        load_strategy("two.py")


def test_a_file_without_a_strategy_is_refused(folder):
    write(folder / "none.py", "from lstm_signal import ForecastStrategy\n\n\nclass Other:\n    pass\n")
    with pytest.raises(ls.InputError, match=r"defines 0 ForecastStrategies \(none\)"):
        load_strategy("none.py")


def test_no_such_file_names_the_working_directory(folder):
    with pytest.raises(ls.InputError, match=r"no such strategy file: gone\.py") as refused:
        load_strategy("gone.py:Mine")
    assert str(folder) in str(refused.value)


def test_no_such_class_lists_what_is_defined(folder):
    write(folder / "two.py", TWO)
    with pytest.raises(ls.InputError, match=r'Did you mean "Yours"\? Known: Mine, Yours\.'):
        load_strategy("two.py:Your")


@pytest.mark.parametrize("wanted", ["Other", "ForecastStrategy"])
def test_only_strategies_of_the_file_can_be_named(folder, wanted):
    write(folder / "mine.py", ONE + "\n\nclass Other:\n    pass\n")
    with pytest.raises(ls.InputError, match=r"Known: Mine\."):
        load_strategy(f"mine.py:{wanted}")


def test_no_such_name_gets_a_hint_and_the_list(folder):
    with pytest.raises(ls.InputError, match=r'Did you mean "long_flat"\?') as refused:
        load_strategy("long_flt")
    for name in ("buy_and_hold", "long_flat", "long_short"):
        assert name in str(refused.value)


@pytest.mark.parametrize("spec", ["", "mine.py:", "mine.py:Mine:More", "mine.py:Mine.inner", "Mine", "dir/mine"])
def test_other_forms_are_no_strategy(folder, spec):
    write(folder / "mine.py", ONE)
    with pytest.raises(ls.InputError):
        load_strategy(spec)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("class Broken(:", "SyntaxError"),
        ("import no_such_module_anywhere", "ModuleNotFoundError.*no_such_module_anywhere"),
        ("from .sibling import Mine", "ImportError"),
    ],
)
def test_a_file_that_fails_when_loaded_says_how(folder, text, told):
    write(folder / "mine.py", text)
    before = loaded_modules()
    with pytest.raises(ls.InputError, match=f"mine.py fails when loaded: {told}") as refused:
        load_strategy("mine.py")
    assert isinstance(refused.value.__cause__, Exception)
    assert loaded_modules() == before


def test_a_file_that_failed_can_be_mended(folder):
    write(folder / "mine.py", "1 / 0")
    with pytest.raises(ls.InputError):
        load_strategy("mine.py")
    write(folder / "mine.py", ONE)
    assert load_strategy("mine.py").__name__ == "Mine"


def test_imported_strategies_do_not_count(folder, monkeypatch):
    write(folder / "lib" / "my_base_strategies.py", TWO)
    monkeypatch.syspath_prepend(folder / "lib")
    write(
        folder / "mine.py",
        "from my_base_strategies import Mine, Yours\n\n\nclass Own(Mine):\n    pass\n",
    )
    try:
        assert load_strategy("mine.py").__name__ == "Own"
        with pytest.raises(ls.InputError, match=r"Known: Own\."):
            load_strategy("mine.py:Yours")
    finally:
        del sys.modules["my_base_strategies"]


def test_an_unchanged_file_gives_the_same_class(folder):
    write(folder / "mine.py", ONE)
    assert load_strategy("mine.py") is load_strategy(f"{folder}/mine.py:Mine")


def test_an_edited_file_is_loaded_again(folder):
    write(folder / "mine.py", ONE)
    first = load_strategy("mine.py")
    write(folder / "mine.py", ONE.replace("1.0", "0.5"))
    second = load_strategy("mine.py")
    assert second is not first
    assert (first.signal(None), second.signal(None)) == (1.0, 0.5)


def test_two_files_of_one_name_are_kept_apart(folder):
    write(folder / "a" / "mine.py", ONE)
    write(folder / "b" / "mine.py", ONE)
    first, second = load_strategy("a/mine.py"), load_strategy("b/mine.py")
    assert first is not second
    assert Path(sys.modules[second.__module__].__file__) == folder / "b" / "mine.py"


def test_a_loaded_module_can_be_found_by_its_name(folder):
    write(folder / "mine.py", ONE)
    cls = load_strategy("mine.py")
    assert sys.modules[cls.__module__].Mine is cls


def test_a_file_may_hold_a_dataclass_beside_its_strategy(folder):
    # dataclasses look their module up in sys.modules while the file is still being loaded.
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    write(folder / "mine.py", f"{text}{ONE}\n\n@dataclass\nclass Limits:\n    most: float = 1.0\n")
    assert load_strategy("mine.py").__name__ == "Mine"


# Other processes

OPTIMISED = """
import multiprocessing
import sys

import backtrader as bt
import lstm_signal as ls

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    cerebro = bt.Cerebro(stdstats=False, maxcpus=int(sys.argv[2]))
    prices = ls.sample_prices().iloc[:200]
    cerebro.adddata(ls.bt.ForecastData(dataname=prices, forecasts="f.csv"))
    cerebro.addanalyzer(bt.analyzers.Returns)
    cerebro.addanalyzer(ls.bt.ForecastAccuracy, _name="accuracy", forecasts="f.csv")
    cerebro.optstrategy(ls.load_strategy("mine.py"), forecasts="f.csv", threshold=[0.1, 0.5, 1.0])
    for run, in cerebro.run():
        accuracy = run.analyzers.accuracy.get_analysis()["rmse"]["value"]
        print(run.p.threshold, run.analyzers.returns.get_analysis()["rtot"], accuracy)
"""


def test_optstrategy_takes_a_class_loaded_by_path_to_spawned_processes(folder):
    prices = ls.sample_prices().iloc[:200]
    frame = prices[["close"]].pct_change().fillna(0.0).set_axis(["forecast"], axis=1)
    ls.Forecasts.from_frame(frame, name="yesterday").save("f.csv")
    (folder / "mine.py").write_text((strategies_folder() / "long_flat.py").read_text())
    (folder / "run.py").write_text(OPTIMISED)
    told = [
        subprocess.run([sys.executable, "run.py", *how], capture_output=True, text=True, check=True).stdout
        for how in (("spawn", "2"), ("fork", "1"))
    ]
    assert told[0] == told[1]
    assert len(set(told[0].splitlines())) == 3


def test_a_class_loaded_by_path_is_pickled_by_its_path(folder):
    (folder / "one.py").write_text(ONE)
    mine = load_strategy("one.py")
    text = pickle.dumps((mine, mine))
    assert pickle.loads(text) == (mine, mine)
    del sys.modules[mine.__module__]
    again = pickle.loads(text)[0]
    assert again is not mine
    assert again.__name__ == "Mine"
    assert pickle.loads(pickle.dumps(ls.ForecastStrategy)) is ls.ForecastStrategy
    (folder / "one.py").write_text(ONE + "\n# changed\n")
    for _ in ("changed", "gone"):
        with pytest.raises(ls.InputError, match=r"one\.py was changed or moved while it was at work"):
            pickle.loads(text)
        (folder / "one.py").unlink(missing_ok=True)
