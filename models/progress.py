"""How far the opening of a model has come: told by whoever loads it, read by whoever waits, stopped by whoever may."""

from __future__ import annotations


class Cancelled(Exception):
    """Nobody wants this model any more."""


class Progress:
    """Told how far it is, and ready to say that it need not go on. This one listens to nobody and goes on."""

    def check(self) -> None:
        """Go on.

        Raises:
            Cancelled: nobody wants the model any more.
        """

    def enter(self, state: str) -> None:
        """A part of the work begins: `checking`, `downloading` or `loading`."""

    def reach(self, done: int, total: int) -> None:
        """So many bytes of the download are here."""
