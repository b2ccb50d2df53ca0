"""The web pages: what changed, the documents, the tracked measures, how the sources are doing."""

from pledgewatch.web.app import create_app
from pledgewatch.web.server import WebError, serve_alone, serving
from pledgewatch.web.site import StatusSource

__all__ = ["StatusSource", "WebError", "create_app", "serve_alone", "serving"]
