"""Bars drawn again: in blocks as long as the data ask for, the same ones for the same seed."""

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap
from scipy.signal import lfilter

from lstm_signal.bootstrap import block_length, drawn, interval

DATA = np.random.default_rng(2).normal(0, 1, (400, 2))


def mean(chunk: np.ndarray) -> np.ndarray:
    return chunk.mean(axis=1)


def test_an_interval_is_wider_for_fewer_rows_and_the_same_for_the_same():
    few, many = interval(DATA[:100], mean), interval(DATA, mean)
    assert (few[1] - few[0] > 1.5 * (many[1] - many[0])).all()
    assert (many[0] == interval(DATA, mean)[0]).all()
    assert many[1] - many[0] == pytest.approx([2 * 1.96 / 20] * 2, rel=0.25)


def test_draws_are_those_of_arch_however_many_at_once(monkeypatch):
    theirs = StationaryBootstrap(5, DATA, seed=np.random.default_rng(7))
    expected = [sample for (sample,), _ in theirs.bootstrap(20)]
    for at_once in (2_000_000, 3 * DATA.size, 1):
        monkeypatch.setattr("lstm_signal.bootstrap._AT_ONCE", at_once)
        ours = np.concatenate(list(drawn(DATA, 5, 20)), axis=-1)
        assert ours.shape == (2, 400, 20)
        assert (ours.transpose(2, 1, 0) == np.array(expected)).all()


def test_blocks_are_longer_where_there_is_memory():
    memory = lfilter([1], [1, -0.8], DATA[:, 0])
    assert block_length(DATA) < 5 < block_length(np.column_stack([DATA[:, 0], memory]))
    assert block_length(np.zeros((50, 1))) == 1
    low, high = interval(memory[:, None], mean)
    once = interval(memory[:, None], mean, block=1)
    assert high - low > 1.5 * (once[1] - once[0])
