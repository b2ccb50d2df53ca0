"""What storage says when it cannot: what happened, where, and what to do about it."""

from __future__ import annotations


class StorageError(Exception):
    """The database or the archive in it cannot be used as asked. The message is for an operator."""


class LostBodyError(StorageError):
    """Bytes that were kept once are missing, pruned or damaged."""
