"""Makes the modules of this folder importable by all tests (`from servers import Site`)."""

import logging
import os
import signal
from collections.abc import Generator, Iterator
from typing import TypeVar

import pytest
import structlog

# A shell starts what it runs in the background deaf to Ctrl-C, and whatever that starts as well.
signal.signal(signal.SIGINT, signal.default_int_handler)


Report = TypeVar("Report", pytest.CollectReport, pytest.TestReport)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _required((yield))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _required((yield))


def _required(report: Report) -> Report:
    """Skipped for want of a library (browser, OCR, workers) is failed where all groups must run."""
    required = os.environ.get("PLEDGEWATCH_REQUIRE_ALL") == "1"
    if required and report.skipped and "could not import" in str(report.longrepr):
        report.outcome = "failed"
    return report


@pytest.fixture(autouse=True)
def _logs_of_one_test_only() -> Iterator[None]:
    """A command that a test runs in this process sets up logs on that test's own standard error."""
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    structlog.reset_defaults()
    for handler in set(root.handlers) - set(before):
        root.removeHandler(handler)  # its stream is closed: a later test's record would be told as a logging error
