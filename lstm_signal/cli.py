"""The command line's door: verbs, and one clear line when something is wrong. Verbs load when they are called."""

from __future__ import annotations

import importlib
import sys
import warnings

import click

VERBS = {
    "fetch": "Download prices from Yahoo and keep them; ask only for what is missing.",
    "compare": "Compare LSTM and RNN, as forecasts and as money, with their baselines.",
    "forecast": "Walk one model forward and write its forecasts to a file.",
    "backtest": "Trade one model's forecasts through backtrader.",
    "rates": "Draw what an LSTM does with each bar: how much it forgets, lets in and shows.",
    "ladder": "Walk the road from LSTM to RNN: eliminate the gates one by one.",
    "report": "Write the page of a saved comparison again.",
    "store": "List, verify and prune the fits that walks have kept.",
}
HOUSEKEEPING = ("fetch", "report", "store")


class _Verbs(click.Group):
    """A group whose verbs live in `commands` and `housekeeping`: `--help` need not load pandas."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            from lstm_signal.errors import did_you_mean

            raise click.UsageError(f"no command is called {cmd_name!r}. {did_you_mean(cmd_name, VERBS)}")
        home = "housekeeping" if cmd_name in HOUSEKEEPING else "commands"
        command: click.Command = getattr(importlib.import_module(f"lstm_signal.{home}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lstm-signal")
def cli() -> None:
    """Walk-forward LSTM and RNN forecasts for backtrader, with the evidence beside them.

    Prices come from a TICKER (Yahoo), --csv FILE or --sample [nasdaq|sp500]. Each command has its own --help.
    """


def main(*first: str) -> None:
    """Run the command line: exit status 2 and one line on standard error when something is wrong.

    Parameters
    ----------
    *first : str
        Arguments before those given on the command line; a strategy file runs itself by them.
    """
    from lstm_signal.errors import FetchError, FitError, InputError, LookAheadError

    warnings.showwarning = _one_line
    try:
        sys.exit(cli([*first, *sys.argv[1:]], standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        _stop(error.format_message(), 2)
    except (InputError, LookAheadError, FetchError, FitError, OSError) as error:
        _stop(str(error), 2)
    except (KeyboardInterrupt, click.Abort) as error:
        told = error if isinstance(error, KeyboardInterrupt) else error.__cause__  # click's Abort hides the other
        said = str(told or "")  # a walk says how to go on
        _stop(said or "stopped before it was done: what was not finished is not written. Run it again.", 130)


def _stop(message: str, status: int) -> None:
    click.echo(f"lstm-signal: {' '.join(message.split())}", err=True)
    sys.exit(status)


def _one_line(message: Warning | str, *_: object, **__: object) -> None:
    click.echo(f"lstm-signal: warning: {message}", err=True)
