"""Makes the modules of this folder importable by all tests (`from servers import Site`)."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logs_of_one_test_only() -> Iterator[None]:
    """A command that a test runs in this process sets up logs on that test's own standard error."""
    yield
    structlog.reset_defaults()
