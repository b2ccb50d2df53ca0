"""When the process looks for garbage in cycles: it loads a thousand modules, which live as long as it does."""

from __future__ import annotations

import atexit
import gc

_USUAL = gc.get_threshold()
_LOADING = (50_000, 20, 20)


def begin_loading() -> None:
    """A program begins. Loading makes hardly a cycle, and looking for them every 700 objects took a tenth of it.

    At its end there is no looking at all, which took a fifth of a short command: its memory goes back as a whole.
    """
    gc.set_threshold(*_LOADING)
    atexit.register(gc.freeze)


def end_loading() -> None:
    """The work begins: garbage is looked for as ever, but not in what was loaded. Nothing where loading never began."""
    if gc.get_threshold() == _LOADING:
        gc.set_threshold(*_USUAL)
        gc.freeze()
