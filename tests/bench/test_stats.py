import pytest

from bench.stats import Latency, median_of, percentile, ratio, throughput


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (1, 1), (50, 50), (99, 99), (100, 100)])
def test_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], percent) == expected


def test_percentile_of_few_values_is_one_of_them() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([3.0, 1.0, 2.0], 99) == 3.0


def test_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_latency_is_in_milliseconds() -> None:
    assert Latency.of([0.001, 0.002, 0.1]) == Latency(p50=2.0, p99=100.0, worst=100.0, samples=3)


def test_throughput_and_its_median_over_rounds() -> None:
    assert throughput(500, 2.0) == 250.0
    assert median_of([100.0, 90.0, 10.0]) == 90.0


def test_ratio_needs_a_baseline() -> None:
    assert ratio(3.0, 1.5) == 2.0
    assert ratio(3.0, None) is None
    assert ratio(3.0, 0.0) is None
