"""What was tried is counted once, whoever tried it, and nothing that was counted is lost."""

import datetime
import json
import math
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

import lstm_signal as ls
from lstm_signal.evidence import expected_best_sharpe
from lstm_signal.ledger import count
from tests.conftest import SHORT, TINY

SHA = "ab" * 32


def trial(number: int, sharpe: float = 0.1) -> list:
    return [({"number": number}, sharpe)]


def test_a_trial_is_counted_once(tmp_path):
    first = count(trial(1) + trial(2, 0.3), SHA, tmp_path / "new" / "ledger", 0)
    assert (first.here, first.lifetime, first.elsewhere) == (2, 2, 0)
    assert first.variance == pytest.approx(0.02)
    again = count(trial(2, 0.3) + trial(3, math.nan), SHA, tmp_path / "new" / "ledger", 5)
    assert (again.here, again.lifetime, again.elsewhere) == (2, 3, 5)
    assert again.variance == pytest.approx(0.02)  # a run that never traded has no Sharpe ratio
    assert again.best_by_luck == expected_best_sharpe(8, again.variance)
    other = count(trial(1), "cd" * 32, tmp_path / "new" / "ledger", 0)
    assert other.lifetime == 1  # of other bars


def test_without_a_folder_what_is_here_counts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert count(trial(1), SHA, None, 0).lifetime == 1
    assert count(trial(2), SHA, None, 0).lifetime == 1
    assert not list(tmp_path.iterdir())
    alone = count(trial(1), SHA, None, 0)
    assert math.isnan(alone.variance)
    assert alone.best_by_luck == 0.0  # the only thing tried was not chosen
    assert math.isnan(count(trial(1), SHA, None, 3).best_by_luck)


def test_a_line_that_was_cut_short_is_no_trial(tmp_path):
    count(trial(1), SHA, tmp_path, 0)
    path = tmp_path / f"{SHA}.jsonl"
    whole = path.read_text()
    path.write_text(whole + whole[:30])
    assert count(trial(2), SHA, tmp_path, 0).lifetime == 2
    path.write_text(path.read_text() + '"no trial"\n[]\n{"trial": 7}\n{"trial": 8, "sharpe": "x"}\n')
    path.write_bytes(path.read_bytes() + b"\xff\xfe\n")
    assert count(trial(1) + trial(2), SHA, tmp_path, 0).lifetime == 2
    lines = path.read_text(errors="replace").splitlines()
    assert [json.loads(line)["about"]["number"] for line in lines if line.endswith("}}")] == [1, 2]


def _many(folder: Path, first: int) -> None:
    for number in range(first, first + 20):
        count(trial(number), SHA, folder, 0)


def test_two_processes_lose_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_many, args=(tmp_path, first)) for first in (0, 10)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert count(trial(0), SHA, tmp_path, 0).lifetime == 30


@pytest.mark.parametrize("elsewhere", [-1, 1.5, True, "3", None])
def test_wrong_counts_are_refused(elsewhere):
    with pytest.raises(ls.InputError, match=r"trials=.*whole number"):
        count(trial(1), SHA, None, elsewhere)


def test_a_ledger_that_cannot_be_kept_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ls.InputError, match="cannot keep the ledger"):
        count(trial(1), SHA, tmp_path / "file", 0)
    with pytest.raises(ValueError, match="no fingerprint"):
        count(trial(1), "../elsewhere", tmp_path, 0)


# In a comparison


def test_each_threshold_seed_and_strategy_is_a_trial_and_deflates(prices, tmp_path):
    models = {seed: ls.forecast(prices, TINY, SHORT, seed=seed, n_jobs=1, progress=False) for seed in (7, 8)}

    def lifetime(seed: int = 7, **given) -> int:
        comparison = ls.compare(prices, [models[seed]], ledger=tmp_path, **given)
        told.append(comparison.report)
        return comparison.report["trials"]["lifetime"]["value"]

    told: list[dict] = []
    assert lifetime() == 2  # linear joined in
    assert lifetime(threshold=0.5) == 2  # its default
    assert lifetime(threshold=0.4) == 4
    assert lifetime(strategy="long_short") == 6
    assert lifetime(seed=8) == 8
    assert lifetime(costs=ls.Costs(commission=0.001), trials=1000) == 8  # what trading costs is no choice
    for report in told:
        measures = report["trading"]["lstm"]
        assert measures["deflated_sharpe"]["value"] < measures["probabilistic_sharpe"]["value"]
    first, again, *_, last = (report["trading"]["lstm"]["deflated_sharpe"]["value"] for report in told)
    assert last < first == again
    assert told[0]["trading"]["buy_and_hold"]["deflated_sharpe"]["reason"] == "nothing was chosen"


STRATEGY = """
import lstm_signal as ls

class Mine(ls.ForecastStrategy):
    params = (("since", None),)

    def signal(self):
        return {side} * (self.strength[0] > 0.1)
"""


def test_an_edited_strategy_is_another_trial_and_an_object_in_memory_is_not(prices, tmp_path):
    model = ls.forecast(prices, TINY.replace(cell="linear"), SHORT, progress=False)

    def lifetime(**given) -> int:
        report = ls.compare(prices, [model], strategy=f"{path}:Mine", ledger=tmp_path / "ledger", **given).report
        json.dumps(report, allow_nan=False)
        return report["trials"]["lifetime"]["value"]

    path = tmp_path / "mine.py"
    path.write_text(STRATEGY.format(side=0.9))
    assert [lifetime(), lifetime()] == [1, 1]
    path.write_text(STRATEGY.format(side=-0.9))
    assert lifetime() == 2
    assert lifetime(since=datetime.date(2018, 6, 1)) == 3
    assert [lifetime(since=object()), lifetime(since=object())] == [4, 4]


def test_a_strategy_may_not_take_compares_own_words(prices):
    class Greedy(ls.ForecastStrategy):
        params = (("trials", 3),)

        def signal(self):
            return 0.0

    model = ls.forecast(prices, TINY.replace(cell="linear"), SHORT, progress=False)
    with pytest.raises(ls.InputError, match="Greedy has a parameter 'trials'"):
        ls.compare(prices, [model], strategy=Greedy)


def test_forecasts_made_elsewhere_are_told_apart_by_what_they_say(prices, tmp_path):
    random = np.random.default_rng(2)
    for number in range(2):
        frame = prices[["close"]].iloc[60:180].assign(forecast=random.normal(0, 0.01, 120))[["forecast"]]
        mine = ls.Forecasts.from_frame(frame, name="mine")
        for _ in range(2):
            told = ls.compare(prices, [mine], ledger=tmp_path).report["trials"]
            assert told["lifetime"]["value"] == number + 1
