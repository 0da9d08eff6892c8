"""`python -m lstm_signal`: the same as `lstm-signal`."""

from lstm_signal.cli import main

main()
