"""The wheel, installed into an empty folder and used from another: the main job, and a strategy by its bare name."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import lstm_signal as ls

ROOT = Path(__file__).parent.parent
TINY = shlex.split("--train 60 --test 30 --window 5 --hidden 4 --epochs 1 --members 2 --jobs 1")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel was installed into."""
    built, target = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = built.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    return target


def run(site: Path, folder: Path, *command: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_imported_is_what_was_installed(site: Path, tmp_path: Path) -> None:
    where = "import lstm_signal as ls; print(ls.__file__, ls.load_strategy('long_short').__module__)"
    file, _ = run(site, tmp_path, "-c", where).split()
    assert Path(file) == site / "lstm_signal" / "__init__.py"
    folder = "from lstm_signal.loading import strategies_folder; print(strategies_folder())"
    assert Path(run(site, tmp_path, "-c", folder).strip()) == site / "lstm_signal" / "strategies"
    shipped = {file.name for file in (site / "lstm_signal" / "strategies").iterdir() if file.suffix == ".py"}
    assert shipped == {file.name for file in (ROOT / "strategies").glob("*.py")}


def test_the_main_job_and_a_strategy_by_its_bare_name(site: Path, tmp_path: Path, prices: pd.DataFrame) -> None:
    prices.to_csv(tmp_path / "bars.csv")
    arguments = ["-m", "lstm_signal", "compare", "--csv", "bars.csv", "--strategy", "long_short", *TINY]
    assert "Written to reports/bars/" in run(site, tmp_path, *arguments)
    report = json.loads((tmp_path / "reports" / "bars" / "report.json").read_text())
    assert report["strategy"]["name"] == "LongShort"
    assert ls.read_comparison(tmp_path / "reports" / "bars").report == report
