"""Colours, spacing and the style sheet, dark and light. Neutral greys around the images, one accent."""

from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from rsviewer.data.resources import resource_path

UNIT = 4
"""Every distance is a multiple of this, in logical pixels."""


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of the program. Greys carry no tint, so that they do not colour the eye."""

    name: str
    canvas: QColor
    pane: QColor
    head: QColor
    panel: QColor
    field: QColor
    line: QColor
    text: QColor
    dim: QColor
    accent: QColor
    on_accent: QColor
    good: QColor
    drop: QColor
    warn: QColor
    hatch_a: QColor
    hatch_b: QColor
    cross: QColor


DARK = Theme(
    "dark",
    canvas=QColor(24, 24, 24),
    pane=QColor(32, 32, 32),
    head=QColor(43, 43, 43),
    panel=QColor(37, 37, 37),
    field=QColor(28, 28, 28),
    line=QColor(62, 62, 62),
    text=QColor(228, 228, 228),
    dim=QColor(163, 163, 163),
    accent=QColor(79, 163, 255),
    on_accent=QColor(10, 20, 32),
    good=QColor(102, 201, 120),
    drop=QColor(255, 118, 108),
    warn=QColor(240, 184, 78),
    hatch_a=QColor(52, 52, 52),
    hatch_b=QColor(82, 82, 82),
    cross=QColor(255, 255, 255),
)
LIGHT = Theme(
    "light",
    canvas=QColor(214, 214, 214),
    pane=QColor(228, 228, 228),
    head=QColor(240, 240, 240),
    panel=QColor(243, 243, 243),
    field=QColor(255, 255, 255),
    line=QColor(196, 196, 196),
    text=QColor(26, 26, 26),
    dim=QColor(92, 92, 92),
    accent=QColor(0, 98, 196),
    on_accent=QColor(255, 255, 255),
    good=QColor(22, 122, 48),
    drop=QColor(196, 36, 28),
    warn=QColor(148, 96, 0),
    hatch_a=QColor(222, 222, 222),
    hatch_b=QColor(182, 182, 182),
    cross=QColor(255, 255, 255),
)


def theme_named(name: str) -> Theme:
    """The theme called "dark", "light" or "system", which asks the desktop and takes dark where it does not say."""
    if name == "system":
        hints = QGuiApplication.styleHints()
        return LIGHT if hints.colorScheme() is Qt.ColorScheme.Light else DARK
    return LIGHT if name == "light" else DARK


def apply(theme: Theme, app: QApplication) -> None:
    """Dresses the whole program."""
    app.setStyle("Fusion")
    app.setPalette(_palette(theme))
    app.setStyleSheet(_sheet(theme))


def mono(size: int = 0) -> QFont:
    """The system's font with figures of equal width, for numbers that change under the eye."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    if size:
        font.setPixelSize(size)
    return font


def _palette(theme: Theme) -> QPalette:
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: theme.panel,
        QPalette.ColorRole.WindowText: theme.text,
        QPalette.ColorRole.Base: theme.field,
        QPalette.ColorRole.AlternateBase: theme.panel,
        QPalette.ColorRole.Text: theme.text,
        QPalette.ColorRole.PlaceholderText: theme.dim,
        QPalette.ColorRole.Button: theme.head,
        QPalette.ColorRole.ButtonText: theme.text,
        QPalette.ColorRole.ToolTipBase: theme.head,
        QPalette.ColorRole.ToolTipText: theme.text,
        QPalette.ColorRole.Highlight: theme.accent,
        QPalette.ColorRole.HighlightedText: theme.on_accent,
        QPalette.ColorRole.Link: theme.accent,
    }
    for role, color in roles.items():
        palette.setColor(role, color)
    disabled = QPalette.ColorGroup.Disabled
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        palette.setColor(disabled, role, QColor(theme.dim.red(), theme.dim.green(), theme.dim.blue(), 130))
    return palette


def _sheet(theme: Theme) -> str:
    line, dim, accent = theme.line.name(), theme.dim.name(), theme.accent.name()
    arrow = resource_path("arrow-down.svg").as_posix()
    check = resource_path(f"check-{theme.name}.svg").as_posix()
    return f"""
    QMainWindow::separator {{ background: {theme.canvas.name()}; width: 4px; height: 4px; }}
    QMainWindow::separator:hover {{ background: {accent}; }}
    QDockWidget {{ font-weight: 600; }}
    QDockWidget::title {{ padding: 6px 8px; background: {theme.head.name()}; }}
    QToolTip {{ color: {theme.text.name()}; background: {theme.head.name()}; border: 1px solid {line}; padding: 4px; }}
    QMenuBar {{ background: {theme.panel.name()}; }}
    QMenuBar::item:selected, QMenu::item:selected {{ background: {accent}; color: {theme.on_accent.name()}; }}
    QMenu {{ border: 1px solid {line}; padding: 4px 0; }}
    QMenu::item {{ padding: 4px 28px 4px 24px; }}
    QMenu::item:disabled {{ color: {dim}; }}
    QMenu::separator {{ height: 1px; background: {line}; margin: 4px 8px; }}
    QLineEdit, QPlainTextEdit, QTextEdit, QSpinBox, QDoubleSpinBox, QComboBox {{
        border: 1px solid {line}; border-radius: 4px; padding: 3px 6px; background: {theme.field.name()};
        selection-background-color: {accent}; selection-color: {theme.on_accent.name()}; }}
    QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus {{
        border-color: {accent}; }}
    QComboBox::drop-down {{ border: none; width: 20px; }}
    QComboBox::down-arrow {{ image: url("{arrow}"); width: 12px; height: 12px; }}
    QSpinBox::up-button, QSpinBox::down-button, QDoubleSpinBox::up-button, QDoubleSpinBox::down-button {{
        width: 0; border: none; }}
    QCheckBox::indicator, QAbstractItemView::indicator {{ width: 14px; height: 14px; border: 1px solid {dim};
        border-radius: 3px; background: {theme.field.name()}; }}
    QCheckBox::indicator:hover, QCheckBox:focus::indicator {{ border-color: {accent}; }}
    QCheckBox::indicator:checked, QAbstractItemView::indicator:checked {{ background: {accent}; border-color: {accent};
        image: url("{check}"); }}
    QCheckBox::indicator:disabled {{ background: {line}; border-color: {line}; }}
    QRadioButton::indicator {{ width: 14px; height: 14px; border: 1px solid {dim}; border-radius: 8px;
        background: {theme.field.name()}; }}
    QRadioButton::indicator:hover, QRadioButton:focus::indicator {{ border-color: {accent}; }}
    QRadioButton::indicator:checked {{ width: 6px; height: 6px; border: 5px solid {accent};
        background: {theme.on_accent.name()}; }}
    QRadioButton::indicator:disabled {{ border-color: {line}; }}
    QPushButton, QToolButton {{ border: 1px solid {line}; border-radius: 4px; padding: 4px 10px;
        background: {theme.head.name()}; }}
    QPushButton:hover, QToolButton:hover {{ border-color: {accent}; }}
    QPushButton:checked, QToolButton:checked {{ background: {accent}; color: {theme.on_accent.name()};
        border-color: {accent}; }}
    QPushButton:default {{ border-color: {accent}; }}
    QPushButton:disabled, QToolButton:disabled {{ color: {dim}; }}
    QListView, QTreeView, QTableView {{ border: none; outline: none; background: {theme.panel.name()}; }}
    QListWidget#choices::item {{ padding: 0 6px; border-radius: 4px; }}
    QListWidget#choices::item:selected {{ background: {accent}; color: {theme.on_accent.name()}; }}
    QTableView::item {{ padding: 0 5px; }}
    QHeaderView::section {{ background: {theme.head.name()}; border: none; padding: 4px 8px; }}
    QStatusBar {{ background: {theme.head.name()}; }}
    QStatusBar::item {{ border: none; }}
    QScrollBar:vertical {{ width: 12px; background: transparent; }}
    QScrollBar:horizontal {{ height: 12px; background: transparent; }}
    QScrollBar::handle {{ background: {line}; border-radius: 4px; min-height: 28px; min-width: 28px; margin: 2px; }}
    QScrollBar::handle:hover {{ background: {dim}; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
    QLabel[dim="true"] {{ color: {dim}; }}
    QLabel[heading="true"] {{ font-weight: 600; }}
    QLabel[tone="good"] {{ color: {theme.good.name()}; }}
    QLabel[tone="warn"] {{ color: {theme.warn.name()}; }}
    QLabel[tone="bad"] {{ color: {theme.drop.name()}; }}
    QLabel[key="true"] {{ border: 1px solid {line}; border-radius: 4px; padding: 1px 6px; background: {theme.field.name()}; }}
    """


def rgb(color: QColor) -> tuple[int, int, int]:
    """Red, green and blue, for those who draw without Qt."""
    return color.red(), color.green(), color.blue()
