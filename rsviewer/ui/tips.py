"""Tool tips whose words come from strangers: cards of models, names of tiles, values of classes."""

from collections.abc import Callable
from html import escape

from PySide6.QtCore import QEvent, QPoint
from PySide6.QtGui import QHelpEvent, Qt
from PySide6.QtWidgets import QToolTip, QWidget


def plain_tip(text: str) -> str:
    """The text for a tool tip that shows it letter by letter.

    Qt takes a text that looks like HTML for HTML: it would hide and paint things, and read the files that it names.
    """
    if not Qt.mightBeRichText(text):
        return text
    return f'<p style="white-space: pre-wrap">{escape(text)}</p>'


def shows_tip(widget: QWidget, event: QEvent, words_at: Callable[[QPoint], str]) -> bool:
    """Shows the tip for the place of the mouse, where that is what an event of a widget asks for; else returns False."""
    if event.type() is not QEvent.Type.ToolTip or not isinstance(event, QHelpEvent):
        return False
    QToolTip.showText(event.globalPos(), plain_tip(words_at(event.pos())), widget)
    return True
