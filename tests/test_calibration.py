"""The calibration's walks, ten short series: on noise the verdict is silent, and where there is skill it is found."""

import json

import numpy as np
import pytest

import lstm_signal as ls
from benchmarks import calibration
from tests.conftest import TINY

SHORT = ls.WalkForward(train=300, test=150)


def rows(process: str, bars: int = 900) -> list[dict]:
    return [calibration.walked("linear", process, series, bars, SHORT) for series in range(10)]


@pytest.mark.parametrize("null", ["fat tails", "GARCH with drift"])
def test_noise_says_nothing(null):
    assert sum(row["skill"] or row["money"] for row in rows(null)) <= 2


def test_skill_is_found_where_it_is():
    found = rows("AR(1) 0.3")
    assert sum(row["skill"] for row in found) >= 8
    for row in found:
        assert row["skills"]["truth"]["r2"] > 0.02
    lines = calibration.table([{**row, "kind": "networks"} for row in found])
    assert any(line.startswith("| AR(1) 0.3 | ar1 | 10 |") for line in lines)
    assert json.loads(json.dumps(found)) == found


def test_a_series_is_the_same_again_and_drift_is_half_a_deviation_a_year():
    one, other = (calibration.bars_of(process, 0, 50_000) for process in ("random walk", "random walk with drift"))
    assert one.equals(calibration.bars_of("random walk", 0, 50_000))
    changes = [np.log(bars["close"]).diff().dropna() for bars in (one, other)]
    sharpes = [each.mean() / each.std() * np.sqrt(252) for each in changes]
    assert sharpes == pytest.approx([0.0, 0.5], abs=0.15)


def test_rows_cut_short_are_walked_again(tmp_path, monkeypatch):
    monkeypatch.setitem(calibration.NULL_BARS, "linear", 900)
    row = calibration.walked("linear", "random walk", 0, 900, SHORT)
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps(row | {"series": 1})[:40])
    assert list(calibration.rows_of(path)) == [("linear", "random walk", 0)]


def test_networks_are_set_side_by_side(monkeypatch):
    monkeypatch.setattr(calibration, "LSTM", TINY.replace(target="close", members=1))
    row = calibration.walked("networks", "switching", 0, 500, SHORT)
    assert set(row["skills"]) == {"lstm", "rnn", "linear"}
    assert "On switching, the verdict says that the LSTM is better" in calibration.table([row])[-1]
