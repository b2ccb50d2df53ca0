from __future__ import annotations

import pytest
from starlette.testclient import TestClient

PAGES = ["/", "/events", "/events/1", "/events/3", "/events/4", "/events/5", "/events/6", "/events/7", "/documents", "/documents/1", "/documents/1?version=1",
 "/documents/3", "/documents/1/diff", "/documents/2/diff", "/measures", "/measures/m1", "/sources", "/deliveries", "/healthz", "/metrics", "/feeds/events.atom", "/measures.csv", "/measures/m1.csv", "/versions/1/raw", "/captures/2/raw"]

@pytest.mark.parametrize("path", PAGES)
def test_served(web: TestClient, path: str) -> None:
    answer = web.get(path)
    assert answer.status_code == 200
