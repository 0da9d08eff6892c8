"""Is the verdict calibrated? Walks over simulated series whose truth is known; prints the table kept in calibration.md.

On noise any sentence that finds something is wrong: at most one comparison in twenty may have one. Where there is
something to find, how often is it found? Simulated bars have one price each, so forecasts are of the close-to-close
return (target "close", lag 1) and orders are filled at the close (fill "close"). Networks have one member.

Goes on where it was stopped: each walk's row is kept in data/calibration. Two processes.

python -m benchmarks.calibration [--series 2000] [--networks 200] [--power 20]
"""

import argparse
import json
import math
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

import lstm_signal as ls
from benchmarks.walk import machine
from lstm_signal.evidence import clark_west
from lstm_signal.verdict import weigh

VERSION = 2  # of what a row means: rows of another are not used
NULL_BARS = {"linear": 1750, "networks": 2500}  # three and six years of forecasts: few are harder to weigh than many
BARS = 4000
DAILY, A_YEAR = 0.01, 252
LINEAR = ls.Forecaster(cell="linear", target="close", members=1)
LSTM = ls.Forecaster(target="close", members=1)
FOLDER = Path("data/calibration")

Noise = Callable[[np.random.Generator, int], np.ndarray]


def normal(random: np.random.Generator, bars: int) -> np.ndarray:
    return random.standard_normal(bars)


def fat_tails(random: np.random.Generator, bars: int) -> np.ndarray:
    return random.standard_t(4, bars) / math.sqrt(2)


def garch(random: np.random.Generator, bars: int) -> np.ndarray:
    """GARCH(1, 1) of unit variance, with the persistence of daily stock indices."""
    shocks, values, variance = random.standard_normal(bars), np.empty(bars), 1.0
    for t in range(bars):
        values[t] = math.sqrt(variance) * shocks[t]
        variance = 0.02 + 0.08 * values[t] ** 2 + 0.90 * variance
    return values


def ar1(coefficient: float) -> Noise:
    def values(random: np.random.Generator, bars: int) -> np.ndarray:
        noise, y = random.standard_normal(bars), np.zeros(bars)
        for t in range(1, bars):
            y[t] = coefficient * y[t - 1] + noise[t]
        return y

    return values


def switching(random: np.random.Generator, bars: int) -> np.ndarray:
    """The sign of the last large value decides whether values follow or oppose the one before."""
    noise, y, sign = random.standard_normal(bars), np.zeros(bars), 1.0
    for t in range(1, bars):
        sign = np.sign(y[t - 1]) if abs(y[t - 1]) > 1.5 else sign
        y[t] = 0.5 * sign * y[t - 1] + noise[t]
    return y


NULLS: dict[str, Noise] = {"random walk": normal, "fat tails": fat_tails, "GARCH": garch}
DRIFTS = {"": 0.0, " with drift": 0.5 / math.sqrt(A_YEAR)}
POWER: dict[str, Noise] = {f"AR(1) {share}": ar1(share) for share in (0.05, 0.1, 0.2, 0.3)} | {"switching": switching}


def bars_of(process: str, series: int, bars: int) -> pd.DataFrame:
    """Return one simulated series as bars of one price each."""
    name, drift = process.removesuffix(" with drift"), DRIFTS[" with drift" * process.endswith(" with drift")]
    values = (NULLS | POWER)[name](np.random.default_rng([series, sum(map(ord, process))]), bars) + drift
    close = 100 * np.exp(np.cumsum(DAILY * values))
    stamps = pd.bdate_range("2000-01-03", periods=bars, unit="ns", name="date")
    frame = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), close), index=stamps)
    return frame.assign(volume=0.0, dividend=0.0)


def is_null(process: str) -> bool:
    return process.removesuffix(" with drift") in NULLS


def length(kind: str, process: str) -> int:
    return NULL_BARS[kind] if is_null(process) else BARS


def walked(kind: str, process: str, series: int, bars: int = 0, schedule: ls.WalkForward | None = None) -> dict:
    """Return a row: what the verdict says of one series."""
    bars = bars or length(kind, process)
    prices = bars_of(process, series, bars)
    recipes = [LINEAR] if kind == "linear" else [LSTM, LSTM.replace(cell="rnn")]
    schedule, names = schedule or ls.WalkForward(), [each.cell for each in recipes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a model that never trades
        models = ls.forecast(prices, recipes, schedule, name=names, n_jobs=1, progress=False)
        traded = prices[models[0].frame.index[0] :]  # backtrader need not walk the bars before the first forecast
        runs = {each.name: ls.backtest(traded, each, "long_flat", fill="close") for each in models}
    with patch("lstm_signal.estimates.INTERVAL_DRAWS", 2):  # of what is shown; it decides nothing, and takes long
        told = weigh(prices, models, runs)
    row = {"version": VERSION, "kind": kind, "process": process, "series": series, "bars": bars}
    row |= {each["question"]: each["evidence"] for each in told} | {"ahead": (told[1]["value"] or 0.0) > 0}
    return row | ({} if is_null(process) else {"skills": skills(prices, models, process)})


def skills(prices: pd.DataFrame, models: list[ls.Forecasts], process: str) -> dict[str, dict[str, float]]:
    """Return each model's R2 and p of skill, beside those of AR(1) and of the truth, on the same folds."""
    outcome, frame = models[0].outcomes(prices), models[0].frame
    known = outcome.notna().to_numpy()
    own = {model.name: model.frame["forecast"] for model in models}
    schedule = ls.WalkForward(**models[0].about["schedule"])
    if "linear" not in own:
        own["linear"] = ls.forecast(prices, LINEAR, schedule, progress=False).frame["forecast"]
    if process.startswith("AR(1)"):
        change = np.log(prices["close"]).diff()
        own["truth"] = float(process.split()[1]) * change
        own["ar1"] = ls.forecast(prices, LINEAR.replace(window=1), schedule, progress=False).frame["forecast"]
    mean, y = frame["mean"].to_numpy()[known], outcome.to_numpy()[known]
    told = {}
    for name, forecast in own.items():
        said = forecast.reindex(frame.index).to_numpy()[known]
        there = np.isfinite(said)
        r2 = 1 - np.sum((y - said)[there] ** 2) / np.sum((y - mean)[there] ** 2)
        told[name] = {"r2": float(r2), "p": clark_west(y[there], said[there], mean[there]).p}
    return told


def tasks(series: int, networks: int, power: int) -> Iterable[tuple[str, str, int]]:
    nulls = [null + drift for null in NULLS for drift in DRIFTS]
    for number in range(max(series, networks, power)):
        yield from (("linear", null, number) for null in nulls if number < series)
        yield from (("linear", process, number) for process in POWER if number < min(series, 10 * power))
        yield from (("networks", null, number) for place, null in enumerate(nulls)
                    if number < networks // 6 + (place < networks % 6))  # fmt: skip
        yield from (("networks", process, number) for process in POWER if number < power)


def rows_of(path: Path) -> dict[tuple[str, str, int], dict]:
    """Return the rows that are there; a line cut short by a crash is walked again."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if row["version"] == VERSION and row["bars"] == length(row["kind"], row["process"]):
            found[row["kind"], row["process"], row["series"]] = row
    return found


def table(rows: list[dict]) -> list[str]:
    """Return the tables as lines of Markdown."""
    lines = ["## On noise", "", "| process | models | series | any sentence | skill | difference | money |",
             "|---|---|" + "---:|" * 5]  # fmt: skip
    for kind in ("linear", "networks"):
        for null in [null + drift for null in NULLS for drift in DRIFTS]:
            own = [row for row in rows if (row["kind"], row["process"]) == (kind, null)]
            counts = [sum(row[name] for row in own) for name in ("skill", "difference", "money")]
            either = sum(row["skill"] or row["difference"] or row["money"] for row in own)
            if own:
                lines.append(f"| {null} | {kind} | {len(own)} | {either} ({either / len(own):.1%}) | "
                             + " | ".join(map(str, counts)) + " |")  # fmt: skip
    lines += ["", "## Where there is something to find", "",
              "Share of series in which skill alone is found at 5 %, and the mean R2 against the mean [%].", "",
              "| process | model | series | found | R2 | of the attainable |", "|---|---|" + "---:|" * 4]  # fmt: skip
    for process in POWER:
        own = [row for row in rows if row["process"] == process]
        for name in ("linear", "ar1", "lstm", "rnn", "truth"):
            lines += skill_line(process, name, [row for row in own if name in row["skills"]])
    return [*lines, "", *networks_lines(rows)]


def skill_line(process: str, name: str, rows: list[dict]) -> list[str]:
    """Return the line of one model, over the series that networks walked where they walked any."""
    rows = [row for row in rows if row["kind"] == "networks"] or rows
    if not rows:
        return []
    found = np.mean([row["skills"][name]["p"] <= 0.05 for row in rows])
    r2 = [row["skills"][name]["r2"] for row in rows]
    truth = [row["skills"].get("truth", {}).get("r2", math.nan) for row in rows]
    share = f"{np.mean(r2) / np.mean(truth):.0%}" if np.isfinite(truth).all() else "-"
    return [f"| {process} | {name} | {len(rows)} | {found:.0%} | {100 * np.mean(r2):.2f} | {share} |"]


def networks_lines(rows: list[dict]) -> list[str]:
    told = []
    for process in POWER:
        own = [row for row in rows if row["kind"] == "networks" and row["process"] == process]
        if own:
            counts = Counter((row["difference"], row["ahead"]) for row in own)
            told.append(
                f"On {process}, the verdict says that the LSTM is better than the RNN in {counts[True, True]} of "
                f"{len(own)} series, the RNN in {counts[True, False]}."
            )
    return told


def main(series: int, networks: int, power: int) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "rows.jsonl"
    there, wanted = rows_of(path), list(tasks(series, networks, power))
    missing = [task for task in wanted if task not in there]
    pool = Parallel(n_jobs=2, return_as="generator_unordered")
    with path.open("a", encoding="utf-8") as file:
        for row in tqdm(pool(delayed(walked)(*task) for task in missing), total=len(missing), file=sys.stderr):
            file.write(json.dumps(row) + "\n")
            file.flush()
    there = rows_of(path)
    rows = [there[task] for task in wanted]
    print(f"# Is the verdict calibrated?\n\n{machine()}. The text before the code in calibration.py says how.\n")
    print(
        f"Noise has {NULL_BARS['linear']:,} bars for the linear model and {NULL_BARS['networks']:,} for the networks, "
        f"of which the better model\nis asked, too; the rest has {BARS:,}. Accepted: a sentence in 6 % of 2,000 linear "
        "walks of a process, and in 8 % of the networks' 200.\n"
    )
    print("\n".join(table(rows)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=2000)
    parser.add_argument("--networks", type=int, default=200)
    parser.add_argument("--power", type=int, default=20)
    main(**vars(parser.parse_args()))
