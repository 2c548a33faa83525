"""Draws texts: captions, tags, prompts. Letter by letter: what looks like HTML is not taken for it."""

import re
from collections import OrderedDict

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import (
    QAbstractTextDocumentLayout,
    QFont,
    QPainter,
    QPalette,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextOption,
)

from rsviewer.ui.theme import Theme

MARGIN = 12
LARGER = 2
"""Pixels that texts are larger than the words around them: they are there to be read."""
LINE_PERCENT = 125
BAR = 4
LONGEST = 20_000
NARROWEST = 150
"""Letters and pixels. Qt takes many seconds for a word of 60,000 letters in a line of three."""
KEPT = 16
"""Texts that are laid out already: those on the screen, and some more."""

_LABEL = re.compile(r"(?:\A|(?<=\n\n))[^\W\d][\w ]{0,40}:(?=\s)")
"""What a paragraph begins with where it says what it is: "title: ..."."""


class TextPainter:
    """Draws texts in one theme.

    Args:
        theme: colours.
        font: of the words around them.
    """

    def __init__(self, theme: Theme, font: QFont) -> None:
        self._theme = theme
        self._font = QFont(font)
        if font.pixelSize() > 0:
            self._font.setPixelSize(font.pixelSize() + LARGER)
        else:
            self._font.setPointSizeF(font.pointSizeF() * 1.15)
        self._laid_out: OrderedDict[tuple[str, int], QTextDocument] = OrderedDict()

    def draw(self, painter: QPainter, room: QRect, text: str, scrolled: int = 0) -> None:
        """Draws a text from `scrolled` pixels below its top, with a bar where there is more than the room holds."""
        document, inner = self._document(text, room), _inner(room)
        more = self.overflow(room, text)
        offset = min(max(scrolled, 0), more)
        painter.save()
        painter.setClipRect(room if not more else inner.adjusted(0, 0, MARGIN, 0))
        painter.translate(QPointF(inner.left(), inner.top() - offset))
        context = QAbstractTextDocumentLayout.PaintContext()
        context.palette.setColor(QPalette.ColorRole.Text, self._theme.text)
        context.clip = QRectF(0, offset, inner.width(), inner.height())
        document.documentLayout().draw(painter, context)
        painter.restore()
        if more:
            share = inner.height() / (inner.height() + more)
            length = max(3 * BAR, round(inner.height() * share))
            top = inner.top() + round((inner.height() - length) * offset / more)
            painter.fillRect(QRect(room.right() - BAR - 1, top, BAR, length), self._theme.dim)

    def overflow(self, room: QRect, text: str) -> int:
        """Pixels of a text that the room does not hold; 0 where it holds all."""
        return max(0, round(self._document(text, room).size().height()) - max(0, _inner(room).height()))

    def _document(self, text: str, room: QRect) -> QTextDocument:
        key = (text, max(NARROWEST, _inner(room).width()))
        document = self._laid_out.get(key)
        if document is None:
            document = self._laid_out[key] = self._made(*key)
        self._laid_out.move_to_end(key)
        while len(self._laid_out) > KEPT:
            self._laid_out.popitem(last=False)
        return document

    def _made(self, text: str, width: int) -> QTextDocument:
        if len(text) > LONGEST:
            text = f"{text[:LONGEST]}…\n\nand {len(text) - LONGEST:,} more letters"
        document = QTextDocument()
        document.setUndoRedoEnabled(False)
        document.setDocumentMargin(0)
        document.setDefaultFont(self._font)
        option = QTextOption(Qt.AlignmentFlag.AlignLeft)
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        document.setDefaultTextOption(option)
        cursor = QTextCursor(document)
        spaced = QTextBlockFormat()
        spaced.setLineHeight(LINE_PERCENT, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        cursor.setBlockFormat(spaced)
        plain, label = QTextCharFormat(), QTextCharFormat()
        label.setForeground(self._theme.dim)
        end = 0
        for match in _LABEL.finditer(text):
            cursor.insertText(text[end : match.start()], plain)
            cursor.insertText(match[0], label)
            end = match.end()
        cursor.insertText(text[end:], plain)
        document.setTextWidth(width)
        return document


def _inner(room: QRect) -> QRect:
    return room.adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
