"""Tool tips whose words come from strangers: cards of models, names of tiles, values of classes."""

from html import escape

from PySide6.QtGui import Qt


def plain_tip(text: str) -> str:
    """The text for a tool tip that shows it letter by letter.

    Qt takes a text that looks like HTML for HTML: it would hide and paint things, and read the files that it names.
    """
    if not Qt.mightBeRichText(text):
        return text
    return f'<p style="white-space: pre-wrap">{escape(text)}</p>'
