"""Fits found by their content: what was trained once is not trained again, and nothing else is taken for it."""

import dataclasses
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open

import lstm_signal as ls
from lstm_signal import fits, pool, tasks
from lstm_signal.store import Store
from tests.conftest import SHORT, TINY


@pytest.fixture
def trained(monkeypatch):
    """Return the list of fits that are trained from now on: (first test bar, member)."""
    found = []
    fit = fits.TrainingRows.fit

    def watched(rows, recipe, seed, member):
        found.append((str(pd.Timestamp(rows.stamp).date()), member))
        return fit(rows, recipe, seed, member)

    monkeypatch.setattr(fits.TrainingRows, "fit", watched)
    return found


@pytest.fixture(scope="session")
def whole(prices) -> pd.DataFrame:
    """What the walk says without a store."""
    return both(ls.forecast(prices, TINY, SHORT, n_jobs=1))


def both(forecasts: ls.Forecasts) -> pd.DataFrame:
    return forecasts.frame.join(forecasts.members)


def walk(prices: pd.DataFrame, store: Path, recipe: ls.Forecaster = TINY, **options: object) -> pd.DataFrame:
    return both(ls.forecast(prices, recipe, SHORT, n_jobs=1, store=store, **options))


def files(store: Path) -> list[Path]:
    return sorted(path for path in store.rglob("*") if path.is_file())


def test_the_same_walk_again_trains_nothing_and_says_the_same_bits(prices, whole, tmp_path, trained):
    first = walk(prices, tmp_path / "deep" / "fits")
    assert len(trained) == 12
    again = walk(prices, tmp_path / "deep" / "fits")
    assert len(trained) == 12
    for walked in (first, again):
        pd.testing.assert_frame_equal(walked, whole, check_exact=True)


def test_one_process_or_two_and_with_a_store_or_without(prices, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "COLD", 0.0)
    monkeypatch.setattr(pool, "WARM", 0.0)
    for store in (None, tmp_path, tmp_path):
        walked = ls.forecast(prices, TINY, SHORT, n_jobs=2, store=store)
        pd.testing.assert_frame_equal(both(walked), whole, check_exact=True)
    assert pool._warm == 2
    assert len(files(tmp_path)) == 12
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)  # the warm processes stay where they were started
    walked = ls.forecast(prices, TINY, SHORT, n_jobs=2, store="fits")
    pd.testing.assert_frame_equal(both(walked), whole, check_exact=True)
    assert len(files(elsewhere / "fits")) == 12


def test_every_sort_of_recipe_comes_back_from_the_store(prices, tmp_path, trained):
    @ls.feature(lookback=2)
    def mine(bars: pd.DataFrame) -> float:
        return float(bars["high"].max() / bars["low"].min())

    recipes = [
        TINY.replace(cell="linear"),
        TINY.replace(features=("return", mine)),
        TINY.replace(without=("output", "input", "memory", "squash")),
        TINY.replace(readout="state", state="carried"),
        TINY.replace(patience=1, layers=2),
    ]
    for recipe in recipes:
        first = walk(prices, tmp_path, recipe)
        count = len(trained)
        pd.testing.assert_frame_equal(walk(prices, tmp_path, recipe), first, check_exact=True)
        assert len(trained) == count


def test_a_history_that_goes_on_trains_its_new_folds_alone(prices, tmp_path, trained):
    old = walk(prices.iloc[:160], tmp_path)  # the last of 4 folds holds 15 of 25 bars
    trained.clear()
    new = walk(prices, tmp_path)
    assert [member for _, member in trained] == [0, 1] * 2
    assert {stamp for stamp, _ in trained} == {str(new.index[100].date()), str(new.index[125].date())}
    said = ["forecast", "spread", "0", "1", "fit", "strength"]
    pd.testing.assert_frame_equal(new.loc[old.index, said], old[said], check_exact=True)


def test_an_earlier_start_by_whole_folds_trains_the_earlier_folds_alone(prices, tmp_path, trained):
    late = walk(prices.iloc[50:], tmp_path)
    trained.clear()
    early = walk(prices, tmp_path)
    assert len(trained) == 2 * 2
    assert max(stamp for stamp, _ in trained) < str(late.index[0].date())
    pd.testing.assert_series_equal(early.loc[late.index, "forecast"], late["forecast"], check_exact=True)
    trained.clear()
    walk(prices.iloc[1:], tmp_path)  # by one bar: the folds' edges move
    assert len(trained) == 12


def test_more_members_train_the_new_ones_and_another_coverage_none(prices, tmp_path, trained):
    walk(prices, tmp_path)
    trained.clear()
    walk(prices, tmp_path, TINY.replace(members=3, coverage=0.5))
    assert [member for _, member in trained] == [2] * 6


CHANGES = {
    field.name: change
    for field, change in zip(
        dataclasses.fields(TINY),
        ["rnn", ("output",), True, 6, 2, ("return", "gap"), "close", 5, 2, 0.5, "state", "carried", 3, 8, 2e-3, 0.1,
         2, 0.3, "huber", 2.0, "orthogonal"],
        strict=False,
    )
}  # fmt: skip


@pytest.mark.parametrize(("field", "change"), CHANGES.items())
def test_an_edited_recipe_never_finds_the_old_fit(prices, field, change):
    base = TINY.replace(patience=1) if field == "validation" else TINY
    edited = base.replace(**{field: change})
    assert edited.describe()[field] != base.describe()[field]
    assert not keys(prices, base) & keys(prices, edited)


def keys(prices: pd.DataFrame, recipe: ls.Forecaster = TINY, seed: int = 7) -> set[str]:
    """Return the keys of the fits of a walk."""
    plan = ls.walk._plan(prices, recipe, SHORT, "lstm")
    return {task.key for task in ls.walk._tasks([plan], seed, None, "raise")}


def test_fields_are_all_told_apart_but_those_that_decide_no_weight():
    assert {field.name for field in dataclasses.fields(TINY)} - set(CHANGES) == {"members", "coverage"}


def test_another_seed_price_code_version_or_cpu_never_finds_the_old_fit(prices, monkeypatch):
    first = keys(prices)
    assert len(first) == 12
    assert first == keys(prices)
    assert not first & keys(prices, seed=8)
    changed = prices.copy()
    changed.iloc[60, :4] *= 1.0000001
    assert len(first & keys(changed)) == 3 * 2, "folds that begin after that bar are the same"
    settings = [
        ("os.environ", "ONEDNN_MAX_CPU_ISA", "SSE41"),
        (fits.importlib.metadata, "version", lambda name: f"0 of {name}"),
        (fits.np, "show_config", lambda mode: {"SIMD Extensions": {"found": ["X86_V4"]}}),
        (fits.Path, "read_bytes", lambda path: b"other code"),
    ]
    for place, name, value in settings:
        with monkeypatch.context() as patch:
            patch.setenv(name, value) if place == "os.environ" else patch.setattr(place, name, value)
            fits.made_by.cache_clear()
            assert not first & keys(prices), name
    fits.made_by.cache_clear()
    assert first == keys(prices)


def test_the_code_that_decides_a_fit_is_all_that_training_loads():
    """An edit of any module that a fit runs through must move the keys; what only describes or stores may change."""
    here = Path(ls.__file__).parent
    assert set(fits._CODE) <= {path.name for path in here.glob("*.py")}
    taken = {"fits.py"}
    while new := {f"{name}.py" for file in taken for name in imported(here / file)} - taken:
        taken |= new
    assert taken - set(fits._CODE) == {"errors.py", "bars.py"}  # messages; prices, whose returns the key holds


def imported(file: Path) -> set[str]:
    """Return the modules of ours that a file imports."""
    lines = [line.split() for line in file.read_text().splitlines()]
    found = {line[1].split(".")[1] for line in lines if line[:1] == ["from"] and line[1].startswith("lstm_signal.")}
    return found | {line[3] for line in lines if line[:3] == ["from", "lstm_signal", "import"]}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def other_fit(path: Path) -> None:
    path.write_bytes(next(other for other in path.parent.parent.glob("??/*") if other != path).read_bytes())


DAMAGES = [cut, flip, other_fit, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"\x80\x04N.")]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_fit_is_made_again_and_said(prices, whole, tmp_path, trained, damage):
    walk(prices, tmp_path)
    victim = files(tmp_path)[3]
    damage(victim)
    (entry,) = [entry for entry in Store(tmp_path).entries(verify=True) if entry.damage]
    assert entry.path == victim
    trained.clear()
    with pytest.warns(ls.FitWarning, match=f"a kept fit was damaged, and made again: {victim}"):
        again = walk(prices, tmp_path)
    assert len(trained) == 1
    pd.testing.assert_frame_equal(again, whole, check_exact=True)
    assert not any(entry.damage for entry in Store(tmp_path).entries(verify=True))


def test_a_kept_fit_is_a_forecaster_of_one_member(prices, whole, tmp_path):
    walk(prices, tmp_path)
    for path in files(tmp_path):
        with safe_open(path, framework="numpy") as file:
            about = json.loads(file.metadata()["lstm_signal"])
        fitted = ls.load_forecaster(path)
        fold = whole[whole["data_through"] == fitted.data_through]
        said = fitted.predict(prices)[fold.index]
        assert (said.to_numpy() == fold[str(about["member"])].to_numpy()).all()


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_store_that_cannot_be_is_refused_before_anything_is_trained(prices, tmp_path, trained, place):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ls.InputError, match=r"no store of fits can be at .*file.*Name another folder"):
        walk(prices, tmp_path / place)
    assert not trained
    assert (tmp_path / "file").read_text() == "mine"


# Fits that become NaN


@pytest.fixture
def one_fails(monkeypatch, whole):
    """Let member 1 of fold 2 fail."""
    fit, stamp = fits.TrainingRows.fit, whole.index[50].value

    def failing(rows, recipe, seed, member):
        if (rows.stamp, member) == (stamp, 1):
            raise ls.FitError("training became NaN in epoch 2. Lower learning_rate (0.001).")
        return fit(rows, recipe, seed, member)

    monkeypatch.setattr(fits.TrainingRows, "fit", failing)


def test_a_fit_that_fails_ends_the_walk_and_the_fits_before_it_are_kept(prices, tmp_path, one_fails):
    with pytest.raises(ls.FitError, match=r"^lstm, fold 2 \(first test bar .*\), member 1: .*--on-error nan"):
        walk(prices, tmp_path)
    assert len(files(tmp_path)) == 5


def test_nan_in_place_of_a_failed_fold_is_asked_for_said_and_reported(prices, whole, tmp_path, one_fails):
    with pytest.warns(
        ls.FitWarning,
        match=r"1 of 12 fits failed, and left NaN: mine, fold 2 .*, member 1: training became NaN in epoch 2",
    ):
        walked = ls.forecast(prices, TINY, SHORT, n_jobs=1, store=tmp_path, on_error="nan", name="mine")
    failed = whole["fold"] == 2
    assert walked.frame["forecast"].isna().equals(failed)
    assert walked.members["1"].isna().equals(failed)
    assert (walked.members["0"] == whole["0"]).all()
    assert (walked.frame["forecast"] == whole["forecast"])[~failed].all()
    assert walked.frame["mean"].notna().all()
    assert len(files(tmp_path)) == 11
    (told,) = walked.about["failed"]
    assert (told["fold"], told["member"], told["bars"]) == (2, 1, 25)
    assert told["first_bar"] == whole.index[50].isoformat()
    with pytest.warns(UserWarning, match=r"mine has no forecast at 25 of \d+ bars"):
        comparison = ls.compare(prices, [walked])
    line = "mine: 1 fit(s) became NaN, so 25 bars of fold(s) 2 have no forecast; they count for no model's"
    assert line in str(comparison)
    assert "bars of fold(s) 2 have" in " ".join(comparison._repr_html_().split())
    comparison.save(tmp_path / "report")
    again = ls.read_comparison(tmp_path / "report")
    assert again.report["models"]["mine"]["failed"] == [told]
    assert line in str(again)
    assert line in str(ls.backtest(prices, walked))
    held = comparison.positions[comparison.positions["model"] == "mine"]["exposure"]
    assert np.isfinite(held).all()


def test_a_walk_whose_every_fit_fails_has_no_number_and_says_so(prices):
    wild = TINY.replace(learning_rate=1e30)
    with pytest.warns(
        ls.FitWarning, match="12 of 12 fits failed, and left NaN: lstm, fold 0 .*: training became NaN in epoch 1"
    ):
        walked = ls.forecast(prices, wild, SHORT, n_jobs=1, on_error="nan")
    assert walked.frame["forecast"].isna().all()
    with pytest.warns(UserWarning, match="no bar of the feed has a forecast of 'lstm', so nothing was traded"):
        comparison = ls.compare(prices, [walked])
    assert comparison.report["forecasts"]["lstm"]["rmse"]["reason"] == "it has no forecast"


@pytest.mark.parametrize("rate", ["1e30", "0.001"])
def test_the_verbs_say_what_failed_and_go_on(rate, prices, tmp_path, monkeypatch, command_line, one_fails):
    monkeypatch.chdir(tmp_path)
    prices.to_csv("bars.csv")
    small = ["--csv", "bars.csv", "--window", "5", "--hidden", "4", "--epochs", "2", "--batch", "16", "--members", "2",
             "--train", "60", "--test", "25", "--jobs", "1", "--on-error", "nan", "--learning-rate", rate]  # fmt: skip
    for verb in ("forecast", "backtest", "compare", "ladder"):
        with warnings.catch_warnings():
            warnings.simplefilter("always")  # the command line prints them, one line each
            status, out, err = command_line(verb, *small)
        assert (status, "fits failed, and left NaN: " in err) == (0, True), err
        assert "fit(s) became NaN, so " in out
        assert "None" not in out


@pytest.mark.parametrize("store", ["", 3, True])
def test_what_is_no_folder_is_no_store(prices, store):
    with pytest.raises(ls.InputError, match=f"store={store!r} must be the path of a folder, or None"):
        walk(prices, store)


def test_a_home_folder_may_be_meant_by_a_tilde(prices, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    walk(prices, "~/fits")
    assert len(files(tmp_path / "fits")) == 12


def test_what_stands_in_a_fits_place_is_named_and_left(prices, tmp_path, command_line):
    walk(prices, tmp_path)
    place, foreign = files(tmp_path)[2], tmp_path / "zz" / files(tmp_path)[0].name
    place.unlink()
    place.mkdir()
    foreign.parent.mkdir()
    foreign.write_text("not where it belongs")
    with pytest.raises(OSError, match=f"{place} stands where a fit belongs, and is no file: remove it"):
        walk(prices, tmp_path)
    assert command_line("store", tmp_path, "--verify")[:1] == (0,)
    assert "Removed 0 files." in command_line("store", tmp_path, "--prune", "--unused", "9")[1]
    assert place.is_dir()
    assert foreign.is_file()


def test_a_fit_that_may_not_be_read_is_damaged_and_made_again(prices, whole, tmp_path, monkeypatch):
    walk(prices, tmp_path)
    victim, open_ = files(tmp_path)[4], Path.open

    def refused(path, *arguments, **options):
        if path == victim:
            raise PermissionError(13, "Permission denied", str(path))
        return open_(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refused)
        assert [entry.damage for entry in Store(tmp_path).entries() if entry.damage] == [
            f"{victim} may not be read: Permission denied."
        ]
        with pytest.warns(ls.FitWarning, match="made again: .* may not be read: Permission denied"):
            pd.testing.assert_frame_equal(walk(prices, tmp_path), whole, check_exact=True)


def test_a_store_that_may_only_be_read_serves_a_walk_that_trains_nothing(prices, whole, tmp_path, monkeypatch):
    walk(prices, tmp_path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    pd.testing.assert_frame_equal(walk(prices, tmp_path), whole, check_exact=True)
    with pytest.raises(ls.InputError, match=r"it may not be written to\. Name another folder .* or keep no fits"):
        walk(prices, tmp_path, TINY.replace(hidden=3))


def test_fields_that_decide_nothing_leave_the_fits_where_they_are(prices, tmp_path, trained):
    for base, change in (
        (TINY, {"validation": 0.3}),
        (TINY.replace(cell="linear"), {"epochs": 9, "hidden": 7, "patience": 2}),
    ):
        walk(prices, tmp_path, base)
        trained.clear()
        walk(prices, tmp_path, base.replace(**change))
        assert not trained


def test_what_on_error_may_be(prices):
    with pytest.raises(ls.InputError, match=r"on_error='skip' must be 'raise' .* or 'nan'"):
        ls.forecast(prices, TINY, SHORT, on_error="skip")


# The verb


@pytest.fixture
def kept(prices, tmp_path, monkeypatch):
    """A store in data/fits of the working directory, with fits of two recipes."""
    monkeypatch.chdir(tmp_path)
    for recipe in (TINY, TINY.replace(cell="rnn", hidden=3)):
        walk(prices, Path("data/fits"), recipe)
    return tmp_path / "data/fits"


def test_the_verb_lists_fits_by_recipe(kept, command_line):
    status, out, err = command_line("store")
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["24", "fits", "in", "data/fits"]
    (lstm,) = [line for line in lines if line[:1] == ["lstm"]]
    assert lstm[1:8] == ["window=5", "hidden=4", "epochs=2", "batch=16", "7", "12", "0.0"]
    (rnn,) = [line for line in lines if line[:1] == ["rnn"]]
    assert "hidden=3" in rnn
    told = json.loads(command_line("store", "--json")[1])
    assert [(group["recipe"]["cell"], group["fits"], group["outdated"]) for group in told["fits"]] == [
        ("lstm", 12, False),
        ("rnn", 12, False),
    ]
    assert sum(group["bytes"] for group in told["fits"]) == sum(path.stat().st_size for path in files(kept))


def test_the_verb_verifies_and_prunes_what_no_walk_can_use(kept, command_line, monkeypatch):
    (kept / "ab").mkdir(exist_ok=True)
    mine = [kept / "notes.txt", kept / "ab" / "mine.safetensors", kept / "ab" / ".mine.tmp"]
    for path in mine:
        path.write_text("not the store's")
    victim = next(path for path in files(kept) if path not in mine)
    flip(victim)
    leftover = victim.with_name(f".{victim.name}.0123abcd.tmp")
    leftover.write_bytes(b"half")
    os.utime(leftover, (time.time() - 90, time.time() - 90))
    young = victim.with_name(f".{victim.name}.4567abcd.tmp")
    young.write_bytes(b"another process is writing this now")
    status, out, _ = command_line("store")
    assert status == 0
    assert f"half-written: {leftover}" in out
    status, out, _ = command_line("store", "--verify")
    assert status == 1
    assert f"damaged: {victim} is damaged or was edited" in out
    before = set(files(kept))
    told = json.loads(command_line("store", "--prune", "--json")[1])
    assert set(told["removed"]) == {str(victim), str(leftover)}
    assert before - set(files(kept)) == {victim, leftover}
    assert command_line("store", "--verify")[0] == 0

    code = fits._CODE
    monkeypatch.setattr(fits, "_CODE", ("windows.py",))  # other code
    fits.made_by.cache_clear()
    assert "outdated" in command_line("store")[1]
    assert "Removed 23 files." in command_line("store", "--prune")[1]
    monkeypatch.setattr(fits, "_CODE", code)
    fits.made_by.cache_clear()
    assert set(files(kept)) == {*mine, young}


def test_the_verb_prunes_what_was_not_used_for_long(kept, prices, command_line):
    old = time.time() - 10 * 86_400
    for path in files(kept):
        os.utime(path, (old, old))
    walk(prices, kept)  # uses the twelve of one recipe
    assert "Removed 0 files." in command_line("store", "--prune", "--unused", "11")[1]
    assert "Removed 12 files." in command_line("store", "--prune", "--unused", "9")[1]
    assert [group["recipe"]["cell"] for group in json.loads(command_line("store", "--json")[1])["fits"]] == ["lstm"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["nowhere"], "no store of fits at nowhere"), (["--unused", "3"], "--prune removes: give both"), ([""], "empty")],
)
def test_the_verb_refuses_in_one_line(arguments, words, command_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = command_line("store", *arguments)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert words in err


# When processes are worth starting


@pytest.mark.parametrize(
    ("seconds", "count", "n_jobs", "warm", "processes"),
    [
        (100, 50, 4, 0, 4), (100, 3, 4, 0, 3), (100, 1, 4, 0, 1), (100, 50, 1, 0, 1),
        (5, 50, 2, 0, 1), (5, 50, 2, 2, 2), (5, 2, 8, 4, 4), (0.1, 50, 2, 2, 1), (5, 50, 2, 8, 2), (5, 1, 4, 4, 1),
    ],
)  # fmt: skip
def test_processes_start_where_that_saves_time(monkeypatch, seconds, count, n_jobs, warm, processes):
    monkeypatch.setattr(pool, "_warm", warm)
    assert pool.processes_for(seconds, count, n_jobs) == processes


def test_a_walk_that_is_done_sooner_starts_no_process(prices, monkeypatch):
    monkeypatch.setattr(pool, "_warm", 0)
    monkeypatch.setattr(tasks.pool, "_begin", None)
    import joblib

    monkeypatch.setattr(joblib, "Parallel", None)
    ls.forecast(prices, TINY, SHORT, n_jobs=2)
