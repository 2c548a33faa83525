"""The layers: which are shown and in which order, how the active one looks, and how often its values occur."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QBrush, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from rsviewer.core.combinations import Channel
from rsviewer.core.render import Range
from rsviewer.core.scene import Pane, PaneState
from rsviewer.core.style import RangeMode, Style
from rsviewer.core.tile import LayerContent, LayerId, LayerKind, LayerSpec, Raster
from rsviewer.data.resources import color_table, color_table_names
from rsviewer.ui.chart import Chart, counted
from rsviewer.ui.fields import FIELD_KEYS, Elided, Scrolled, beside, line_height, quiet, tool_button
from rsviewer.ui.glyphs import SIZE, kind_icon
from rsviewer.ui.panels.panel import Panel
from rsviewer.ui.panels.styling import ClassEditor, HeightEditor, ImageEditor, Styled, StyleEditor
from rsviewer.ui.theme import Theme
from rsviewer.ui.tips import plain_tip
from rsviewer.workspace.news import Changed
from rsviewer.workspace.workspace import Workspace

LAYERS_IN_SIGHT = 8
CHART_REST_MS = 150
"""While a key is held, nothing is counted; this long after the last step it is asked again whether it is held still."""


@dataclass(frozen=True, slots=True)
class Row:
    """One layer in the list."""

    spec: LayerSpec
    visible: bool
    absent: bool
    """True where the tile has no such layer."""


class LayerList(QListWidget):
    """Layers in the order of their panes. Drag to reorder.

    Signals:
        switched: a check box was clicked; carries the layer and whether it is on now.
        chosen: a layer was clicked.
        moved: the order was changed by dragging; ask `order`.
    """

    switched = Signal(str, bool)
    chosen = Signal(str)
    moved = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setIconSize(QSize(SIZE, SIZE))
        self.setUniformItemSizes(True)
        self._shown: tuple[tuple[Row, ...], LayerId | None, str] = ((), None, "")
        self.itemChanged.connect(self._item_changed)
        self.itemClicked.connect(lambda item: self.chosen.emit(_layer(item)))
        self.model().rowsMoved.connect(self._rows_moved)

    def show_rows(self, rows: tuple[Row, ...], active: LayerId | None, theme: Theme) -> None:
        """Shows the layers; the active one is selected."""
        if (rows, active, theme.name) == self._shown:
            return
        self._shown = (rows, active, theme.name)
        with quiet(self):
            if self.order() != [row.spec.id for row in rows]:
                self.clear()
                for row in rows:
                    item = QListWidgetItem(self)
                    item.setData(Qt.ItemDataRole.UserRole, str(row.spec.id))
                    item.setSizeHint(QSize(0, line_height(self)))
                    flags = Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsDragEnabled
                    item.setFlags((item.flags() | flags) & ~Qt.ItemFlag.ItemIsDropEnabled)
                self.setFixedHeight(line_height(self) * max(1, min(len(rows), LAYERS_IN_SIGHT)) + 2)
            for place, row in enumerate(rows):
                item = self.item(place)
                item.setText(row.spec.title)
                item.setIcon(kind_icon(row.spec.kind, theme))
                item.setCheckState(Qt.CheckState.Checked if row.visible else Qt.CheckState.Unchecked)
                item.setForeground(QBrush(theme.text if row.visible and not row.absent else theme.dim))
                item.setToolTip(plain_tip(_tip(row)))
            self.setCurrentRow(next((place for place, row in enumerate(rows) if row.spec.id == active), -1))
        self.viewport().update()

    def order(self) -> list[LayerId]:
        """The layers from top to bottom."""
        return [LayerId(_layer(self.item(row))) for row in range(self.count())]

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows choose a layer, Space switches it; letters are commands of the window."""
        if event.key() not in FIELD_KEYS:
            event.ignore()
            return
        before = self.currentItem()
        super().keyPressEvent(event)
        item = self.currentItem()
        if item is not None and item is not before:
            self.chosen.emit(_layer(item))

    def _item_changed(self, item: QListWidgetItem) -> None:
        self._shown = ((), None, "")  # the box shows what was clicked, which the workspace may refuse
        self.switched.emit(_layer(item), item.checkState() is Qt.CheckState.Checked)

    def _rows_moved(self) -> None:
        self._shown = ((), None, "")
        self.moved.emit()


class LayersPanel(Panel):
    """The list of layers, and for the active one its style and its histogram.

    Args:
        tables: name of a colour table -> (256, 3) red, green, blue.
        table_names: offered to choose from.

    Signals:
        done: the typing into a field has ended; the panes want the focus.
    """

    watches = Changed.TILE | Changed.VIEW | Changed.PICTURE | Changed.QUEUE
    done = Signal()

    def __init__(
        self,
        tables: Callable[[str], NDArray[np.uint8]] = color_table,
        table_names: Sequence[str] = color_table_names(),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.layers = LayerList()
        self.up = tool_button("▲", "Move the layer's pane forward")
        self.down = tool_button("▼", "Move the layer's pane back")
        self.title = Elided()
        self.title.setProperty("heading", True)
        self.reset = tool_button("Reset", "Shows the layer as if nobody had styled it")
        self.images = ImageEditor(self._set_style, tables, table_names)
        self.heights = HeightEditor(self._set_style, self._toggle_lock, tables, table_names)
        self.classes = ClassEditor(self._set_style, self._toggle_class, self._isolate_class)
        self.nothing = QLabel("Text has no style.")
        self.nothing.setProperty("dim", True)
        self.chart = Chart()
        self._editors: dict[LayerKind, StyleEditor] = {
            LayerKind.OPTICAL: self.images,
            LayerKind.SAR: self.images,
            LayerKind.HEIGHT: self.heights,
            LayerKind.QUANTITY: self.heights,
            LayerKind.LABELS: self.classes,
            LayerKind.MASK: self.classes,
            LayerKind.VECTOR: self.classes,
        }
        self._shown: Styled | None = None
        self._pane: Pane | None = None
        self._charted: tuple[LayerContent | None, tuple[int | Channel, ...], Range | None, str] = (None, (), None, "")
        self._count_later = QTimer(self, singleShot=True, interval=CHART_REST_MS)
        self._count_later.timeout.connect(self.show_state)
        self._build()

    def _build(self) -> None:
        scrolled = Scrolled()
        order = beside(self.title, self.up, self.down, self.reset)
        for part in (self.layers, order, self.images, self.heights, self.classes, self.nothing, self.chart):
            scrolled.column.addWidget(part)
        scrolled.column.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(scrolled)
        scrolled.setFocusProxy(self.layers)
        self.layers.chosen.connect(self._choose)
        self.layers.switched.connect(self._switch)
        self.layers.moved.connect(self._reorder)
        self.up.clicked.connect(lambda: self._move(-1))
        self.down.clicked.connect(lambda: self._move(1))
        self.reset.clicked.connect(self._reset)
        self.chart.ranged.connect(self._set_range)
        for editor in (self.images, self.heights, self.classes):
            editor.done.connect(self.done)

    def sizeHint(self) -> QSize:
        """The list and the most of an editor."""
        return QSize(300, 330)

    def workspace_changed(self) -> None:
        """Another dataset."""
        self._shown = None

    def show_state(self) -> None:
        """Shows layers, style and histogram, where they are not what is shown already."""
        workspace = self.workspace
        active = None if workspace is None else workspace.viewing.active
        self.layers.show_rows(_rows(workspace), None if active is None else active.id, self.theme)
        if workspace is None or active is None:
            self._show_nothing()
            return
        content = next((found for spec, found in workspace.contents() if spec.id == active.id), None)
        styled = self._styled(workspace, active, content)
        if styled != self._shown:
            self._shown = styled
            self._show_style(styled)
        self._show_chart(styled, content, hurried=workspace.hurried)

    def _styled(self, workspace: Workspace, spec: LayerSpec, content: LayerContent | None) -> Styled:
        row = workspace.scene().rows[workspace.row]
        pane = next((pane for pane in row if pane.layer == spec.id), None)
        if pane is not None and pane.state is PaneState.LOADING:
            # The same pixels in their former style say the truth until the new picture is there.
            before = self._pane
            same = before is not None and before.content is content and before.layer == spec.id
            pane = before if same and isinstance(content, Raster) else None
        self._pane = pane
        looks = workspace.looks
        return Styled(spec, looks.style(spec.id), pane, band_names(spec, content), looks.is_locked, self.theme)

    def _show_nothing(self) -> None:
        self._shown = None
        self.title.setText("")
        for part in (self.images, self.heights, self.classes, self.nothing, self.chart):
            part.hide()
        self._enable(on=False)

    def _enable(self, *, on: bool) -> None:
        for button in (self.up, self.down, self.reset):
            button.setEnabled(on)

    def _show_style(self, styled: Styled) -> None:
        spec = styled.spec
        self.title.setText(spec.title)
        self._enable(on=True)
        order = self.layers.order()
        self.up.setEnabled(bool(order) and order[0] != spec.id)
        self.down.setEnabled(bool(order) and order[-1] != spec.id)
        self.reset.setEnabled(
            self.workspace is not None and styled.style != self.workspace.looks.default_style(spec.id)
        )
        chosen = self._editors.get(spec.kind)
        if chosen is not None:
            chosen.show_styled(styled)
        for editor in (self.images, self.heights, self.classes):
            editor.setVisible(editor is chosen)
        self.nothing.setVisible(chosen is None)
        self.chart.setVisible(chosen is not None and chosen is not self.classes)

    def _show_chart(self, styled: Styled, content: LayerContent | None, *, hurried: bool) -> None:
        """Counts on the spot: it takes milliseconds, and so the counts are always those of the tile on the screen."""
        if self.chart.isHidden():
            return
        if not isinstance(content, Raster) or styled.pane is None:
            self._charted = (None, (), None, "")
            self.chart.clear("" if content is None else "no values", self.theme)
            return
        what = styled.bands if styled.combination is None else styled.combination.channels
        wanted = (content, what, styled.ends, self.theme.name)
        same = self._charted[0] is content and self._charted[1] == what
        if same and self._charted == wanted:
            return
        if not same and (hurried or not self.isVisible()):
            self._charted = (None, (), None, "")
            self.chart.clear("", self.theme)
            self._count_later.start()
            return
        shown = self.chart.histogram if same else None
        self._charted = wanted
        shown = counted(content, styled.bands, styled.combination) if shown is None else shown
        self.chart.show_histogram(shown, styled.ends, styled.unit, self.theme)

    # --- what the user asks for

    def _choose(self, layer: str) -> None:
        if self.workspace is not None:
            if layer in self.workspace.looks.hidden:
                self.workspace.looks.set_visible(LayerId(layer), visible=True)
            self.workspace.viewing.activate(LayerId(layer))

    def _switch(self, layer: str, on: bool) -> None:
        if self.workspace is not None:
            self.workspace.looks.set_visible(LayerId(layer), visible=on)
            self._show_again()

    def _reorder(self) -> None:
        if self.workspace is not None:
            self.workspace.looks.set_order(self.layers.order())

    def _move(self, step: int) -> None:
        if self.workspace is not None and self.workspace.viewing.active is not None:
            self.workspace.looks.move(self.workspace.viewing.active.id, step)
            self._show_again()

    def _reset(self) -> None:
        if self.workspace is not None and self.workspace.viewing.active is not None:
            self.workspace.looks.reset_style(self.workspace.viewing.active.id)
            self._show_again()

    def _set_style(self, style: Style) -> None:
        if self.workspace is not None and self.workspace.viewing.active is not None:
            self.workspace.looks.set_style(self.workspace.viewing.active.id, style)
            self._show_again()

    def _set_range(self, low: float, high: float) -> None:
        if self.workspace is not None and self.workspace.viewing.active is not None:
            style = self.workspace.looks.style(self.workspace.viewing.active.id)
            self._set_style(_fixed(style, low, high))

    def _toggle_lock(self) -> None:
        if self.workspace is not None:
            self.workspace.toggle_lock()
            self._show_again()

    def _toggle_class(self, value: int) -> None:
        if self.workspace is not None and self.workspace.viewing.active is not None:
            self.workspace.looks.toggle_class(self.workspace.viewing.active.id, value)

    def _isolate_class(self, value: int) -> None:
        if self.workspace is not None and self.workspace.viewing.active is not None:
            self.workspace.isolate_class(self.workspace.viewing.active.id, value)

    def _show_again(self) -> None:
        """The workspace may have refused: the fields show what is so, not what was clicked."""
        self._shown = None
        self.show_state()


def band_names(spec: LayerSpec, content: LayerContent | None) -> tuple[str, ...]:
    """A name for every band: the dataset's, the file's, or its number."""
    count = content.bands if isinstance(content, Raster) else len(spec.bands) or 1
    of_file = content.band_names if isinstance(content, Raster) else ()
    names = spec.bands if len(spec.bands) == count else of_file if len(of_file) == count else ()
    return tuple(f"{band + 1}  {names[band]}" if names and names[band] else f"band {band + 1}" for band in range(count))


def _rows(workspace: Workspace | None) -> tuple[Row, ...]:
    if workspace is None:
        return ()
    entry, hidden = workspace.entry, workspace.looks.hidden
    return tuple(
        Row(spec, spec.id not in hidden, entry is not None and not workspace.has_layer(entry, spec.id))
        for spec in workspace.looks.layers
    )


def _fixed(style: Style, low: float, high: float) -> Style:
    """The style over a range of so many digits as a person would type."""
    digits = max(0, 3 - math.floor(math.log10(high - low))) if high > low else 6
    return replace(style, range_mode=RangeMode.FIXED, low=round(low, digits), high=round(high, digits))


def _tip(row: Row) -> str:
    unit = f", {row.spec.unit}" if row.spec.unit else ""
    absent = "\nThis tile has no such layer." if row.absent else ""
    return f"{row.spec.title}\n{row.spec.kind}{unit}{absent}"


def _layer(item: QListWidgetItem) -> str:
    return str(item.data(Qt.ItemDataRole.UserRole))
