# SPDX-License-Identifier: Apache-2.0
"""A report stays small however much there is to say."""

from __future__ import annotations

from anon_ros.bags.verify_report import (
    MOST_DIFFERENCES,
    MOST_RESIDUALS,
    ReportBuilder,
    Residual,
    TopicVerdict,
)


def residual(number):
    score = (number * 7919 % 10007) / 10007
    return Residual('/c', number, 0, 'face', score, (0.0, 0.0, 1.0, 1.0), is_hidden=False)


def test_the_most_certain_residuals_are_kept():
    builder = ReportBuilder()
    everything = [residual(number) for number in range(5 * MOST_RESIDUALS)]
    for each in everything:
        builder.still_seen(each)
        assert len(builder.residuals) <= 2 * MOST_RESIDUALS
    report = builder.build()
    best = sorted((each.score for each in everything), reverse=True)[:MOST_RESIDUALS]
    assert [each.score for each in report.residuals] == best
    assert report.residual_count == len(everything)
    assert report.ok


def test_the_first_differences_are_kept_and_all_are_counted():
    builder = ReportBuilder()
    for number in range(MOST_DIFFERENCES + 1):
        builder.differ(str(number))
    report = builder.build()
    assert report.differences == tuple(str(number) for number in range(MOST_DIFFERENCES))
    assert report.difference_count == MOST_DIFFERENCES + 1
    assert not report.ok


def test_topics_are_summed():
    builder = ReportBuilder()
    builder.count('/b', 'changed')
    builder.count('/a', 'changed')
    builder.count('/a', 'masked')
    report = builder.build()
    assert list(report.topics) == ['/a', '/b']
    assert report.topics['/a'] == TopicVerdict(changed=1, masked=1)
    assert report.total == TopicVerdict(changed=2, masked=1)
