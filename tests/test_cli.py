"""The command line: one clear line and exit status 2 for wrong input; the report, as promised, for right input."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
from click.testing import CliRunner

import lstm_signal as ls
from lstm_signal import cli, commands
from lstm_signal.recipe import Recipe
from lstm_signal.units import SECTIONS

PROGRAM = str(Path(sys.executable).with_name("lstm-signal"))
SCHEDULE = ["--train", "150", "--test", "60", "--window", "10"]
SMALL = [*SCHEDULE, "--hidden", "4", "--epochs", "1", "--members", "2", "--jobs", "1"]
MODELS = ["compare", "forecast", "backtest"]  # the verbs that walk a model
NEEDED = 10 + 150 + 60 + 2 * 2 - 1  # bars that SCHEDULE needs: window + train + test + 2 x lag - 1


def nasdaq() -> pd.DataFrame:
    return ls.sample_prices().iloc[:330]


@pytest.fixture(scope="module")
def bars(tmp_path_factory) -> str:
    """Return the path of a CSV file of 330 clean bars."""
    path = tmp_path_factory.mktemp("bars") / "nasdaq.csv"
    nasdaq().to_csv(path)
    return str(path)


@pytest.fixture(scope="module")
def sp500_bars(tmp_path_factory) -> str:
    """Return the path of 330 bars whose opens are copies of the previous close."""
    path = tmp_path_factory.mktemp("bars") / "sp500.csv"
    ls.sample_prices("sp500").iloc[:330].to_csv(path)
    return str(path)


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Path:
    """Return the working directory, an empty one."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def lstm_signal(command_line, empty):
    """Return a function that runs a command line in an empty folder: its status, standard output and error."""
    return command_line


def refused(answer: tuple[int, str, str], *told: str) -> None:
    """Exit status 2, nothing on stdout, one line on stderr that says all of `told`."""
    status, out, err = answer
    assert (status, out) == (2, ""), err
    assert err.count("\n") == 1, err
    assert err.startswith("lstm-signal: ")
    assert len(err) < 900
    for words in told:
        assert words in err


def subprocess_of(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    done = subprocess.run([PROGRAM, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


# Wrong input: the bars


def at(row: int, column: str, value: str):
    """Return a change of one cell of a table of text; rows are counted from 1."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.iloc[row - 1, table.columns.get_loc(column)] = value
        return table

    return change


def swapped(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[[0, 1, 3, 2, *range(4, len(table))]]


def doubled(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[[0, 1, 2, 2, *range(3, len(table))]]


WRONG_BARS = {
    "no close": (lambda table: table.drop(columns="close"), ["no column 'close'", "open, high, low"]),
    "a name over two lines": (
        lambda table: table.drop(columns="close").rename(columns={"volume": "vol\nume"}),
        ["no column 'close'", "vol ume"],
    ),
    "no number": (at(7, "open", "n/a?"), ["row 7", "1999-01-12", "open", "'n/a?' is no number"]),
    "NaN": (at(7, "close", "NaN"), ["row 7", "1999-01-12", "close nan"]),
    "nothing": (at(7, "close", ""), ["row 7", "close nan"]),
    "zero": (at(8, "low", "0"), ["row 8", "low 0.0", "positive"]),
    "negative": (at(9, "high", "-3"), ["row 9", "high -3.0", "positive"]),
    "infinite": (at(10, "open", "inf"), ["row 10", "open inf", "positive"]),
    "high below low": (at(11, "high", "1"), ["row 11", "high 1.0 is below low"]),
    "no date": (at(12, "date", "soon"), ["row 12", "'soon'", "no date"]),
    "unsorted": (swapped, ["row 4", "1999-01-06", "comes after 1999-01-07", "Sort"]),
    "doubled": (doubled, ["row 4", "1999-01-06", "stands twice"]),
    "two closes": (lambda table: table.assign(Close="1"), ["more than one column named 'close'"]),
    "no bars": (lambda table: table.iloc[:0], ["no bars"]),
    "too few bars": (
        lambda table: table.iloc[: NEEDED - 1], [f"{NEEDED - 1} bars cannot hold one fold", f"needs {NEEDED}"],
    ),
    "adjusted close too": (
        lambda table: table.assign(**{"Adj Close": table["open"]}), ["ambiguous", "--close raw", "--close adjusted"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "told"), WRONG_BARS.values(), ids=WRONG_BARS.keys())
def test_wrong_bars_are_refused_in_one_line(lstm_signal, empty, tmp_path, change, told):
    table = nasdaq().reset_index().astype(str)
    path = tmp_path / "wrong.csv"
    change(table).to_csv(path, index=False)
    refused(lstm_signal("compare", "--csv", path, *SMALL), "wrong" if told[0][0].isalpha() else "bars", *told)
    refused(lstm_signal("forecast", "--csv", path, *SMALL), *told)
    refused(lstm_signal("backtest", "--csv", path, *SMALL), *told)
    assert list(empty.iterdir()) == []


def test_just_enough_bars_will_do(lstm_signal, tmp_path):
    path = tmp_path / "enough.csv"
    nasdaq().iloc[:NEEDED].to_csv(path)
    status, out, err = lstm_signal("backtest", "--cell", "linear", "--csv", path, *SCHEDULE, "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["model"] == "linear"


def test_the_defaults_need_1273_bars(lstm_signal, bars):
    refused(lstm_signal("compare", "--csv", bars), "330 bars cannot hold one fold", "needs 1273")


@pytest.mark.parametrize("content", [b"", b"\x00\x01\xff\xfe", b"date,open\n1,2,3,4\n5,6\n"])
def test_a_file_that_is_no_table_is_refused(lstm_signal, empty, tmp_path, content):
    for name in ("junk.csv", "junk.parquet"):
        (tmp_path / name).write_bytes(content)
        refused(lstm_signal("compare", "--csv", tmp_path / name), "junk")
    assert list(empty.iterdir()) == []


def test_no_such_file(lstm_signal, empty):
    for verb in ("compare", "forecast", "backtest"):
        refused(lstm_signal(verb, "--csv", "gone.csv"), "no such file: gone.csv")
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("verb", ["compare", "forecast", "backtest"])
def test_prices_come_from_one_place(lstm_signal, bars, empty, verb):
    refused(lstm_signal(verb), "--csv FILE", "--sample")
    one = "one of TICKER (Yahoo), --csv FILE and --sample"
    refused(lstm_signal(verb, "--sample", "--csv", bars), one)
    refused(lstm_signal(verb, "SPY", "--csv", bars), one)
    refused(lstm_signal(verb, "--csv", bars, "--offline"), "--offline", "give a TICKER")
    assert list(empty.iterdir()) == []


def test_opens_that_cannot_be_traded_at_name_the_years_and_the_way_out(lstm_signal, sp500_bars, empty):
    for prices in (["--csv", sp500_bars], ["--sample", "sp500"]):
        refused(lstm_signal("compare", *prices, *SMALL), "1999 (", "2000 (", "--fill next_close")
        refused(lstm_signal("backtest", *prices, *SMALL, "--fill", "next_open"), "1999 (", "--fill next_close")
    assert list(empty.iterdir()) == []


# Wrong input: names and numbers


WRONG_OPTIONS = [
    # the verb, its options beside the bars, and what is told
    ("forecast", ["--cell", "lstn"], ['Did you mean "lstm"?', "lstm, rnn, linear"]),
    ("forecast", ["--features", "return,rnge"], ['Did you mean "range"?']),
    ("forecast", ["--features", "return,return"], ["each once"]),
    ("compare", ["--trian", "200"], ["--trian", "--train"]),
    ("forecast", ["--cash", "5"], ["No such option", "--cash"]),
    ("compare", ["--fill", "nxt_open"], ["next_open"]),
    ("compare", ["--target", "opne"], ['Did you mean "open"?']),
    ("compare", ["--loss", "mae"], ["mse"]),
    ("compare", ["--window", "ten"], ["--window", "'ten'"]),
    ("compare", ["--window", "0"], ["window=0"]),
    ("compare", ["--train", "1"], ["train=1"]),
    ("compare", ["--dropout", "1"], ["dropout=1"]),
    ("compare", ["--learning-rate", "nan"], ["learning_rate=nan"]),
    ("compare", ["--coverage", "1.5"], ["coverage=1.5"]),
    ("compare", ["--jobs", "0"], ["n_jobs=0"]),
    ("compare", ["--patience", "0"], ["patience=0"]),
    ("compare", ["--patience", "1", "--validation", "0.999", "--train", "150"], ["leave none to train on"]),
    ("forecast", ["--store", "data", "--no-store"], ["give one of the two"]),
    ("backtest", ["--store", ""], ["--store is empty"]),
    ("backtest", ["--on-error", "skip"], ["'raise', 'nan'"]),
    ("compare", ["--strategy", "long_flt"], ['Did you mean "long_flat"?', "buy_and_hold"]),
    ("compare", ["--strategy", "gone.py"], ["no such strategy file: gone.py"]),
    ("compare", ["--strategy", "gone.py:Mine"], ["no such strategy file: gone.py"]),
    ("compare", ["--commission", "-0.1"], ["commission=-0.1"]),
    ("compare", ["--slippage", "5"], ["slippage=5"]),
    ("backtest", ["--cash", "0"], ["cash=0"]),
    ("backtest", ["--cash", "nan"], ["cash=nan"]),
    ("backtest", ["--param", "threshold"], ["--param threshold", "NAME=VALUE"]),
    ("backtest", ["--param", "tresh=0.3"], ["'tresh'", 'Did you mean "threshold"?']),
    ("backtest", ["--param", "threshold=high"], ["threshold", "high"]),
    ("backtest", ["--param", "exposure=[1]"], ["exposure"]),
    ("backtest", ["--param", "cash=1"], ["no parameter 'cash'"]),
    ("backtest", ["--param", "costs=1"], ["no parameter 'costs'"]),
    ("backtest", ["--param", "fill=close"], ["no parameter 'fill'"]),
    ("backtest", ["--param", "forecasts=f.csv"], ["no parameter 'forecasts'"]),
    ("backtest", ["--param", "strategy=long_short"], ["no parameter 'strategy'"]),
    ("backtest", ["--forecasts", "gone.parquet"], ["no such file: gone.parquet"]),
    ("backtest", ["--strategy", "top_k"], ["TopK trades many feeds", "a feed for each ticker"]),
    ("forecast", ["--out", "f.xlsx"], ["--out f.xlsx", ".parquet or .csv"]),
    ("forecast", ["--out", "no/such/f.csv"], ["does not exist"]),
    ("compare", ["more"], ["one of TICKER"]),
]


@pytest.mark.parametrize(("verb", "options", "told"), WRONG_OPTIONS,
                         ids=[" ".join([verb, *options]) for verb, options, _ in WRONG_OPTIONS])  # fmt: skip
def test_a_wrong_option_is_told_in_one_line_before_anything_is_trained(
    lstm_signal, bars, empty, monkeypatch, verb, options, told
):
    def train(*_, **__):
        raise AssertionError("a model was trained before the options were checked")

    monkeypatch.setattr("lstm_signal.fits.TrainingRows.fit", train)
    refused(lstm_signal(verb, "--csv", bars, *SMALL, *options), *told)
    assert list(empty.iterdir()) == []


def test_a_verb_or_a_sample_that_is_not_there_gets_a_hint(lstm_signal):
    refused(lstm_signal("compar"), 'Did you mean "compare"?')
    refused(lstm_signal("compare", "--sample", "nasdak"), 'Did you mean "nasdaq"?')


def test_a_class_that_the_file_has_not_is_told(lstm_signal, bars, empty, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from lstm_signal import ForecastStrategy\n\n\nclass Mine(ForecastStrategy):\n    pass\n")
    refused(lstm_signal("compare", "--csv", bars, *SMALL, "--strategy", f"{path}:Mien"), 'Did you mean "Mine"?')
    path.write_text("1 / 0\n")
    refused(lstm_signal("compare", "--csv", bars, *SMALL, "--strategy", path), "mine.py fails when loaded")
    assert list(empty.iterdir()) == []


def test_a_file_in_the_way_of_the_report_is_named(lstm_signal, bars, empty):
    (empty / "taken").write_text("mine")
    refused(lstm_signal("compare", "--csv", bars, *SMALL, "--out", "taken"), "cannot write to taken")
    refused(lstm_signal("compare", "--csv", bars, *SMALL, "--out", "taken/deeper"), "cannot write to taken/deeper")
    assert (empty / "taken").read_text() == "mine"


def test_saved_forecasts_of_other_prices_are_refused(lstm_signal, bars, empty, tmp_path):
    lstm_signal("forecast", "--cell", "linear", "--csv", bars, *SCHEDULE, "--out", tmp_path / "f.parquet")
    other = nasdaq()
    other.iloc[300, :4] *= 1.01
    other.to_csv(tmp_path / "other.csv")
    answer = lstm_signal("backtest", "--csv", tmp_path / "other.csv", "--forecasts", tmp_path / "f.parquet")
    refused(answer, "other prices", str(other.index[300]))
    refused(lstm_signal("backtest", "--csv", bars, "--forecasts", bars), "was not saved by lstm_signal")
    assert [path.name for path in empty.iterdir()] == ["data"]  # the fits of the walk


def test_ctrl_c_stops_with_one_line_and_writes_nothing(lstm_signal, bars, empty, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "walk", stop)
    status, out, err = lstm_signal("forecast", "--csv", bars, *SMALL)
    assert (status, out, err.strip()) == (
        130,
        "",
        "lstm-signal: stopped before it was done: what was not finished is not written. Run it again.",
    )
    assert list(empty.iterdir()) == []


def test_the_program_itself_stops_with_status_2(empty):
    refused(subprocess_of("compare", "--csv", "gone.csv", cwd=empty), "no such file")
    assert list(empty.iterdir()) == []


# Help and what is loaded


def test_help_lists_the_verbs_and_each_has_its_own():
    runner = CliRunner()
    shown = runner.invoke(cli.cli, ["--help"])
    assert shown.exit_code == 0
    for verb, told in cli.VERBS.items():
        assert verb in shown.output
        own = runner.invoke(cli.cli, [verb, "--help"])
        assert own.exit_code == 0
        assert told.split(".")[0].split(",")[0] in " ".join(own.output.split())
        flags = {"--json"} | (set() if verb in ("store", "report") else {"--csv", "--sample", "--start", "--offline"})
        walked = {"--seed", "--jobs", "--store", "--no-store", "--on-error"}
        assert flags | (walked if verb in MODELS else set()) <= set(own.output.replace(",", " ").split())


def test_without_arguments_the_help_is_readable(lstm_signal):
    _, out, err = lstm_signal()
    lines = [line.strip() for line in (out + err).splitlines()]
    for verb in cli.VERBS:
        assert any(line.startswith(verb) for line in lines)


def test_every_setting_has_its_flag_with_a_text():
    runner = CliRunner()
    for verb in MODELS:
        shown = runner.invoke(cli.cli, [verb, "--help"], terminal_width=200).output
        options = {line.split()[0]: line for line in shown.splitlines() if line.strip().startswith("--")}
        fields = [*dataclasses.fields(Recipe), *dataclasses.fields(ls.WalkForward)]
        fields += dataclasses.fields(ls.Costs) if verb != "forecast" else []
        for field in fields:
            flag = f"--{field.name.replace('_', '-')}"
            if flag == "--cell" and verb == "compare":
                assert flag not in options
            else:
                assert len(options[flag].split()) > 3, options[flag]


def test_the_version_is_the_packages():
    shown = CliRunner().invoke(cli.cli, ["--version"])
    assert shown.exit_code == 0
    assert "0.1.0" in shown.output


def loaded_after(code: str) -> set[str]:
    """Return the top-level modules that a fresh Python has loaded after running some code."""
    tell = "import sys; print('loaded:', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{tell}"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


HEAVY = {"torch", "pandas", "numpy", "scipy", "backtrader", "arch", "empyrical", "joblib"}


def test_importing_the_package_loads_nothing_heavy():
    loaded = loaded_after("import lstm_signal")
    assert "lstm_signal" in loaded
    assert loaded & HEAVY == set()


def test_help_loads_nothing_heavy():
    code = "import sys\nfrom lstm_signal.cli import main\nsys.argv = ['lstm-signal', '--help']\n"
    loaded = loaded_after(f"{code}try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code")
    assert "click" in loaded
    assert loaded & HEAVY == set()


# Flags become settings


@pytest.fixture
def asked(lstm_signal, bars, monkeypatch):
    """Return a function that gives what a command would walk, without walking it."""

    def call(verb: str, *options: str) -> dict:
        got: dict = {}

        def walk(prices, recipe, schedule, **given):
            got.update(recipe=recipe, schedule=schedule, **given)
            raise ls.InputError("that is enough")

        monkeypatch.setattr(commands, "walk", walk)
        refused(lstm_signal(verb, "--csv", bars, *options), "that is enough")
        return got

    return call


def test_without_flags_the_settings_are_the_librarys_defaults(asked):
    lstm = ls.Forecaster()
    got = asked("compare")
    assert got["recipe"] == [lstm, ls.Forecaster(cell="rnn"), lstm.matched("rnn")]
    assert (got["schedule"], got["seed"], got["n_jobs"]) == (ls.WalkForward(), 7, None)
    assert got["name"] == ["lstm", "rnn", "rnn_matched"]
    assert asked("forecast")["recipe"] == asked("backtest")["recipe"] == lstm


def test_every_flag_reaches_its_setting(asked):
    changed = {
        "window": 11, "horizon": 3, "target": "close", "hidden": 5, "layers": 2, "dropout": 0.25, "epochs": 2,
        "batch": 8, "learning_rate": 0.002, "weight_decay": 0.1, "loss": "huber", "forget_bias": 0.5,
        "recurrent_start": "orthogonal", "members": 3, "coverage": 0.8, "readout": "state", "state": "carried",
        "patience": 4, "validation": 0.3,
    }  # fmt: skip
    others = {"cell", "features", "without", "coupled"}
    assert set(changed) == {field.name for field in dataclasses.fields(Recipe)} - others
    flags = [text for name, value in changed.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    got = asked("forecast", *flags, "--cell", "rnn", "--features", "return, gap", "--train", "99", "--test", "9",
                "--anchored", "--seed", "3", "--jobs", "2")  # fmt: skip
    assert got["recipe"] == ls.Forecaster(cell="rnn", features=("return", "gap"), **changed)
    assert got["schedule"] == ls.WalkForward(train=99, test=9, anchored=True)
    assert (got["seed"], got["n_jobs"], got["store"], got["on_error"]) == (3, 2, "data/fits", "raise")
    got = asked("backtest", "--no-store", "--on-error", "nan")
    assert (got["store"], got["on_error"]) == (None, "nan")
    assert asked("compare", "--store", "else/where")["store"] == "else/where"
    assert asked("forecast", "--without", "output, input")["recipe"].without == ("output", "input")
    assert asked("compare", "--coupled")["recipe"][:2] == [ls.Forecaster(coupled=True), ls.Forecaster(cell="rnn")]


def test_progress_is_not_shown_beside_json(asked):
    for verb in MODELS:
        assert asked(verb, "--json")["progress"] is False
        assert asked(verb)["progress"] is True


@pytest.mark.parametrize(("fill", "target"), [("next_open", "open"), ("next_close", "next_close"), ("close", "close")])
def test_the_target_follows_the_fill(asked, fill, target):
    assert asked("compare", "--fill", fill)["recipe"][0].target == target
    assert asked("compare", "--fill", fill, "--target", "close")["recipe"][0].target == "close"


# Right input: compare


SCHEMA = json.loads(Path(ls.__file__).with_name("report.schema.json").read_text(encoding="utf-8"))
REPORT = jsonschema.Draft202012Validator(SCHEMA)
TRADING = jsonschema.Draft202012Validator({"$ref": "#/$defs/trading", "$defs": SCHEMA["$defs"]})
MODELS_COMPARED = ["lstm", "rnn", "rnn_matched", "linear"]


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def parse(text: str) -> dict:
    """Read exactly one JSON document; NaN and Infinity are no JSON."""
    return json.loads(text, parse_constant=no_constant)


@pytest.fixture(scope="module")
def compared(bars, tmp_path_factory):
    """Return the folder in which `compare --json` ran as a program, and (exit status, stdout, stderr)."""
    folder = tmp_path_factory.mktemp("compared")
    return folder, subprocess_of("compare", "--csv", bars, *SMALL, "--json", cwd=folder)


def test_compare_prints_one_json_document_equal_to_the_report(compared):
    folder, (status, out, err) = compared
    assert (status, err) == (0, "")
    assert parse(out) == parse((folder / "reports" / "nasdaq" / "report.json").read_text(encoding="utf-8"))


def test_the_report_keeps_its_contract(compared):
    report = parse(compared[1][1])
    REPORT.validate(report)
    assert list(report["forecasts"]) == [*MODELS_COMPARED, "mean", "naive"]
    assert list(report["trading"]) == [*MODELS_COMPARED, "buy_and_hold"]
    assert {"rmse", "mae", "r2", "hit_rate", "correlation"} <= set(report["forecasts"]["naive"])
    promised = "annual_return volatility sharpe max_drawdown exposure turnover trades costs"
    assert set(promised.split()) <= set(report["trading"]["buy_and_hold"])
    assert report["prices"]["bars"] == 330
    assert report["prices"]["name"] == "nasdaq"
    assert report["schedule"] == {"train": 150, "test": 60, "anchored": False}
    assert report["costs"] == {"commission": 0.0001, "slippage": 0.0004, "borrow": 0.005}
    assert {name: model["recipe"]["cell"] for name, model in report["models"].items()} == {
        "lstm": "lstm", "rnn": "rnn", "rnn_matched": "rnn", "linear": "linear",
    }  # fmt: skip
    small = ls.Forecaster(window=10, hidden=4, epochs=1, members=2)
    assert report["models"]["lstm"]["parameters"] == small.parameters
    assert report["models"]["rnn_matched"]["parameters"] == small.matched("rnn").parameters


def test_the_schema_says_what_the_tables_show():
    """Names, labels and units of the schema that people read are those of the tables."""
    REPORT.check_schema(SCHEMA)
    for section, rows in SECTIONS.items():
        if rows:
            told = SCHEMA["$defs"][section]["properties"]
            assert {key: (each["title"], each["properties"]["unit"]["const"]) for key, each in told.items()} == {
                key: (row.label, row.unit) for key, row in rows.items()
            }


WRONG_REPORTS = [
    (("forecasts", "lstm", "rmse"), 0.01),
    (("forecasts", "lstm", "rmse"), {"value": None, "unit": "log return"}),
    (("forecasts", "lstm", "rmse"), {"value": 0.01}),
    (("forecasts", "lstm", "rmse"), {"value": 0.01, "unit": "per cent"}),
    (("forecasts", "lstm", "rmse"), {"value": 0.01, "unit": "log return", "low": 0.0}),
    (("forecasts", "lstm", "rmse"), {"value": None, "unit": "log return", "reason": "so", "p": 0.1}),
    (("forecasts", "lstm", "invented"), {"value": 0.01, "unit": "log return"}),
    (("trading", "buy_and_hold"), {}),
    (("verdict",), []),
    (("trials", "here", "value"), -1),
    (("sensitivity",), {"schema": 1}),
    (("schema",), 2),
]


@pytest.mark.parametrize(("path", "wrong"), WRONG_REPORTS)
def test_the_schema_refuses_what_the_contract_does(compared, path, wrong):
    report = parse(compared[1][1])
    place = report
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = wrong
    assert not REPORT.is_valid(report)


def test_compare_again_by_another_schedule(lstm_signal, bars, empty):
    status, out, err = lstm_signal("compare", "--csv", bars, *SMALL, "--sensitivity", "--trials", "7", "--json")
    assert (status, err) == (0, "")
    report = parse(out)
    REPORT.validate(report)
    again = report["sensitivity"]
    assert (report["schedule"]["test"], again["schedule"]["test"], again["sensitivity"]) == (60, 63, None)
    assert again["forecasts"]["lstm"]["r2"] != report["forecasts"]["lstm"]["r2"]
    assert {name: count["value"] for name, count in report["trials"].items()} == {
        "here": 7, "lifetime": 7, "elsewhere": 7,
    }  # fmt: skip
    text = str(ls.read_comparison(empty / "reports" / "nasdaq"))
    assert text.count("Again with train=150, test=63, anchored=False: ") == 3
    assert "Tried on these bars: 7 here, 7 in all, and 7 elsewhere" in text
    refused(lstm_signal("compare", "--csv", bars, *SMALL, "--sensitivity", "--test", "63"), "--test 63", "drop one")
    assert lstm_signal("compare", "--csv", bars, *SMALL, "--trials", "-1")[0] == 2


def test_what_is_undefined_is_null_with_a_reason(compared):
    naive = parse(compared[1][1])["forecasts"]["naive"]
    for key in ("correlation", "hit_rate"):
        assert naive[key]["value"] is None
        assert naive[key]["reason"]
    assert naive["rmse"]["value"] > 0


def test_compare_writes_the_report_and_its_tables(compared):
    folder = compared[0] / "reports" / "nasdaq"
    written = sorted(str(path.relative_to(compared[0])) for path in compared[0].rglob("*") if path.is_file())
    fits = [path for path in written if path.startswith("data/fits/") and path.endswith(".safetensors")]
    assert len(fits) == 3 * 2 * 3  # models, members, folds
    ledger = [path for path in written if path.startswith("data/ledger/")]
    assert [Path(path).suffix for path in ledger] == [".jsonl", ".lock"]
    assert [path for path in written if path not in fits + ledger] == [
        f"reports/nasdaq/{name}"
        for name in (
            "days.parquet", "fills.parquet", "forecasts.parquet", "members.parquet", "positions.parquet",
            "rates.parquet", "report.html", "report.json", "returns.parquet",
        )
    ]  # fmt: skip
    report = parse((folder / "report.json").read_text(encoding="utf-8"))
    forecasts = pd.read_parquet(folder / "forecasts.parquet")
    assert set(forecasts["model"]) == set(report["forecasts"])
    known = forecasts[forecasts["model"] == "lstm"].dropna(subset="outcome")
    rmse = ((known["outcome"] - known["forecast"]) ** 2).mean() ** 0.5
    assert report["forecasts"]["lstm"]["rmse"]["value"] == pytest.approx(rmse)
    assert set(pd.read_parquet(folder / "returns.parquet").columns) == set(report["trading"])


def test_compare_tells_people_the_same_numbers_and_where_they_are(compared, lstm_signal, bars, empty):
    status, out, err = lstm_signal("compare", "--csv", bars, *SMALL, "--out", "my report")
    assert (status, err) == (0, "")
    assert out.rstrip().splitlines()[-1] == "Written to my report"
    report = parse((empty / "my report" / "report.json").read_text(encoding="utf-8"))
    commands = report.pop("command"), (expected := parse(compared[1][1])).pop("command")
    assert report == expected  # in another process, the same bits
    assert commands[1].startswith("lstm-signal compare --csv ")
    for shown in ("lstm", "rnn_matched", "buy & hold", "RMSE [%]", "Sharpe ratio (ann.)"):
        assert shown in out
    assert f"{100 * report['forecasts']['lstm']['rmse']['value']:.4f}" in out
    assert f"{report['trading']['lstm']['sharpe']['value']:.2f}" in out
    assert sorted(path.name for path in (empty / "my report").iterdir()) == [
        "days.parquet", "fills.parquet", "forecasts.parquet", "members.parquet", "positions.parquet", "rates.parquet",
        "report.html", "report.json", "returns.parquet",
    ]  # fmt: skip


# Right input: forecast and backtest


ALWAYS = """
from lstm_signal import ForecastStrategy


class Always(ForecastStrategy):
    def signal(self):
        return 1.0
"""


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_forecast_then_backtest_trades_as_a_backtest_that_walks_first(lstm_signal, bars, empty, suffix):
    status, out, err = lstm_signal("forecast", "--csv", bars, *SMALL, "--out", f"f{suffix}", "--json")
    assert (status, err) == (0, "")
    told = parse(out)
    saved = ls.read_forecasts(f"f{suffix}")
    assert (told["file"], told["forecasts"], told["name"]) == (f"f{suffix}", len(saved), "lstm")
    trade = ["--strategy", "long_short", "--param", "threshold=0.3", "--cash", "5000", "--commission", "0.001"]
    status, out, err = lstm_signal("backtest", "--csv", bars, "--forecasts", f"f{suffix}", *trade, "--json")
    assert (status, err) == (0, "")
    of_file = parse(out)
    status, out, err = lstm_signal("backtest", "--csv", bars, *SMALL, *trade, "--json")
    assert (status, err) == (0, "")
    assert parse(out) == of_file
    assert of_file["strategy"] == "LongShort"
    assert of_file["about"]["cash"] == 5000
    assert of_file["about"]["parameters"] == {"threshold": 0.3}
    assert of_file["about"]["costs"]["commission"] == 0.001
    TRADING.validate(of_file["trading"])
    assert of_file["trading"]["trades"]["value"] > 0
    assert {path.name for path in empty.iterdir()} == {f"f{suffix}", "data"}  # a backtest writes nothing but fits


def test_two_models_files_are_traded_while_they_agree(lstm_signal, bars, empty):
    for cell in ("linear", "rnn"):
        assert lstm_signal("forecast", "--cell", cell, "--csv", bars, *SMALL, "--out", f"{cell}.csv")[0] == 0
    both = ["--forecasts", "linear.csv", "--forecasts", "rnn.csv"]
    status, out, err = lstm_signal("backtest", "--csv", bars, *both, "--strategy", "agreement", "--json")
    assert (status, err) == (0, "")
    models = tuple(ls.read_forecasts(f"{cell}.csv") for cell in ("linear", "rnn"))
    expected = ls.backtest(ls.read_prices(bars), models, "agreement")
    assert parse(out)["model"] == expected.name == "linear & rnn"
    assert parse(out)["trading"]["trades"]["value"] == expected.describe()["trades"]["value"]


def test_forecast_has_a_place_of_its_own_and_says_it(lstm_signal, bars, empty):
    status, out, _ = lstm_signal("forecast", "--cell", "linear", "--csv", bars, *SCHEDULE)
    assert status == 0
    assert out.rstrip().splitlines()[-1] == "Written to reports/nasdaq/linear.parquet"
    saved = ls.read_forecasts(empty / "reports" / "nasdaq" / "linear.parquet")
    assert f"{len(saved)} forecasts of linear" in out


def test_a_backtest_is_shown_as_a_table(lstm_signal, bars):
    status, out, _ = lstm_signal("backtest", "--cell", "linear", "--csv", bars, *SCHEDULE)
    assert status == 0
    assert "linear by LongFlat" in out
    assert "Max. drawdown [%]" in out


def test_a_strategy_by_path_is_relative_to_the_working_directory(lstm_signal, bars, empty):
    (empty / "mine.py").write_text(ALWAYS)
    status, out, _ = lstm_signal(
        "backtest", "--cell", "linear", "--csv", bars, *SCHEDULE, "--strategy", "mine.py:Always", "--json"
    )
    assert status == 0
    assert parse(out)["strategy"] == "Always"
    assert parse(out)["trading"]["trades"]["value"] == 1


def test_fake_opens_can_be_traded_at_the_next_close(lstm_signal, sp500_bars):
    arguments = ["--cell", "linear", "--csv", sp500_bars, *SCHEDULE, "--fill", "next_close", "--json"]
    status, out, err = lstm_signal("backtest", *arguments)
    assert (status, err) == (0, "")
    assert parse(out)["about"]["fill"] == "next_close"
    assert parse(out)["trading"]["trades"]["value"] > 0


@pytest.mark.parametrize("close", ["raw", "adjusted"])
def test_an_adjusted_close_is_settled_by_a_flag(lstm_signal, tmp_path, close):
    table = nasdaq()
    table.assign(**{"Adj Close": table["close"] * 0.9}).to_csv(tmp_path / "both.csv")
    arguments = [
        "--csv",
        tmp_path / "both.csv",
        "--close",
        close,
        "--cell",
        "linear",
        *SCHEDULE,
        "--out",
        "f.csv",
        "--json",
    ]
    assert lstm_signal("forecast", *arguments)[0] == 0
    saved = ls.read_forecasts("f.csv")
    stamp = saved.frame.index[0]
    factor = 1.0 if close == "raw" else 0.9
    made_from = saved.frame["price"].iloc[0] / (1 + saved.frame["forecast"].iloc[0])
    assert made_from == pytest.approx(factor * table["close"][stamp], rel=1e-3)


def test_parquet_bars_are_read_too(lstm_signal, bars, tmp_path):
    nasdaq().to_parquet(tmp_path / "nasdaq.parquet")
    answers = [
        lstm_signal("backtest", "--cell", "linear", "--csv", path, *SCHEDULE, "--json")
        for path in (bars, tmp_path / "nasdaq.parquet")
    ]
    assert answers[0][0] == 0
    assert answers[0] == answers[1]


def test_a_warning_is_one_line_beside_the_json(lstm_signal, bars, empty):
    lstm_signal("forecast", "--cell", "linear", "--csv", bars, *SCHEDULE, "--out", "f.parquet")
    arguments = ["--csv", bars, "--forecasts", "f.parquet", "--fill", "next_close", "--json"]
    status, out, err = subprocess_of("backtest", *arguments, cwd=empty)
    assert status == 0
    assert parse(out)["about"]["fill"] == "next_close"
    assert err.startswith("lstm-signal: warning: ")
    assert err.count("\n") == 1
