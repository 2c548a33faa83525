"""How the layers are looked at: which of them, in which order, in which style, with what over them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from rsviewer.core.combinations import Combination
from rsviewer.core.errors import SettingsError
from rsviewer.core.prediction import BOXES, HEIGHT, HEIGHT_ERROR, LABELS, LABELS_ERROR, QUANTITY, QUANTITY_ERROR
from rsviewer.core.render import Range
from rsviewer.core.style import RangeMode, Style, combination_of, default_style, with_combination
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec
from rsviewer.data.adapter import Dataset, TileEntry
from rsviewer.workspace.outcomes import Outcomes
from rsviewer.workspace.session import SessionKeeper

VECTOR = "features"
"""The overlay of vector labels: the first that a dataset with such a layer has."""

OVERLAID: Mapping[str, tuple[LayerKind | None, tuple[LayerId, ...], bool]] = {
    VECTOR: (LayerKind.VECTOR, (), False),
    "labels": (LayerKind.LABELS, (), False),
    "change": (LayerKind.MASK, (), False),
    "outline": (LayerKind.MASK, (), True),
    "prediction": (None, (LABELS, HEIGHT, QUANTITY, BOXES), False),
    "difference": (None, (LABELS_ERROR, HEIGHT_ERROR, QUANTITY_ERROR), False),
}
"""What M lays over the images -> the kind of the dataset's layer that it comes from, or the model's layers in its place (the
first that there is), and whether only edges are drawn."""


class Looks:
    """What the user chose for the layers, on every tile.

    Args:
        dataset: whose layers these are.
        outcomes: the layers that a model adds to them.
        keeper: holds the choices.
        learn: called with a layer that is to be shown over its range in the dataset.
        changed: called after every change.
        say: puts a sentence into the status bar.
    """

    def __init__(
        self,
        dataset: Dataset,
        outcomes: Outcomes,
        keeper: SessionKeeper,
        learn: Callable[[LayerSpec], None],
        changed: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self.optional = frozenset(spec.id for spec in dataset.layers if spec.optional)
        """Layers that a tile need not have."""
        self._dataset = dataset
        self._outcomes = outcomes
        self._keeper = keeper
        self._learn = learn
        self._changed = changed
        self._say = say

    # --- which layers, in which order

    @property
    def layers(self) -> tuple[LayerSpec, ...]:
        """All layers of the dataset and of the model, in the user's order."""
        order = {layer: place for place, layer in enumerate(self._keeper.now.order)}
        layers = self._outcomes.in_order(self._dataset.layers)
        return tuple(sorted(layers, key=lambda spec: order.get(spec.id, len(order))))

    def layer(self, layer: LayerId) -> LayerSpec:
        """The description of a layer of the dataset or of the model. Raises KeyError where there is none."""
        added = next((spec for spec in self._outcomes.added.layers if spec.id == layer), None)
        return added or self._dataset.layer(layer)

    def visible(self, entry: TileEntry) -> tuple[LayerSpec, ...]:
        """The layers that are shown of a tile: those it has or should have and those of the model, less those the user hid."""
        layers, hidden, is_added = self.layers, self._keeper.now.hidden, self._outcomes.is_added
        shown = (
            spec
            for spec in layers
            if spec.id not in hidden
            and (spec.id in entry.files or _is_wrongly_missing(spec, entry) or is_added(spec.id))
        )
        return tuple(shown) or layers[:1]

    def absent(self, entry: TileEntry) -> tuple[LayerSpec, ...]:
        """Layers that a tile may have and has not, and that the user wants to see: they get no pane, but a word."""
        hidden = self._keeper.now.hidden
        return tuple(
            spec for spec in self.layers if spec.optional and spec.id in entry.missing and spec.id not in hidden
        )

    @property
    def hidden(self) -> frozenset[LayerId]:
        """Layers that are switched off."""
        return frozenset(self._keeper.now.hidden) & {spec.id for spec in self.layers}

    def set_visible(self, layer: LayerId, *, visible: bool) -> None:
        """Switches a layer on or off; the last one stays."""
        hidden = set(self._keeper.now.hidden)
        (hidden.discard if visible else hidden.add)(layer)
        if any(spec.id not in hidden for spec in self.layers):
            self._keeper.change(hidden=tuple(sorted(hidden)))
            self._changed()

    def show_only(self, layers: Sequence[str]) -> None:
        """Shows these layers, in this order, and no others. Raises SettingsError for one that the dataset has not."""
        known = {spec.id: spec.id for spec in self.layers}
        unknown = [name for name in layers if name not in known]
        if unknown or not layers:
            raise SettingsError(f"There is no layer {', '.join(unknown)} here. This dataset has {', '.join(known)}.")
        shown = [known[LayerId(name)] for name in layers]
        self._keeper.change(hidden=tuple(sorted(set(known) - set(shown))), order=tuple(shown))
        self._changed()

    def move(self, layer: LayerId, step: int) -> None:
        """Moves a layer's pane forward or back in the order."""
        order = [spec.id for spec in self.layers]
        place = order.index(layer)
        target = min(max(place + step, 0), len(order) - 1)
        order.insert(target, order.pop(place))
        self.set_order(order)

    def set_order(self, order: Iterable[LayerId]) -> None:
        """Arranges the panes."""
        self._keeper.change(order=tuple(order))
        self._changed()

    # --- in which style

    def style(self, layer: LayerId) -> Style:
        """How a layer is shown."""
        own = self._keeper.now.styles.get(layer)
        return own if own is not None else self.default_style(layer)

    def default_style(self, layer: LayerId) -> Style:
        """How a layer is shown that nobody has styled: predicted numbers as their reference, over the same range."""
        reference = self._outcomes.added.references.get(layer) if layer in (HEIGHT, QUANTITY) else None
        if reference is not None:
            return replace(self.style(reference.id), range_mode=RangeMode.REFERENCE)
        return default_style(self.layer(layer))

    def reset_style(self, layer: LayerId) -> None:
        """Shows a layer as if nobody had styled it."""
        styles = {known: style for known, style in self._keeper.now.styles.items() if known != layer}
        self._keeper.change(styles=styles)
        self._changed()

    def set_style(self, layer: LayerId, style: Style) -> None:
        """Shows a layer differently."""
        if style == self.style(layer):
            return
        self._keeper.change(styles={**self._keeper.now.styles, layer: style})
        if style.range_mode is RangeMode.DATASET:
            self._learn(self.layer(layer))
        self._changed()

    def has_color_table(self, spec: LayerSpec) -> bool:
        """True where one number in every pixel is shown in colours: heights, and images as an index or a single band."""
        style = self.style(spec.id)
        shown = combination_of(spec, style)
        return spec.kind.is_scalar or len(style.bands) == 1 or (shown is not None and shown.is_scalar)

    def cycle_color_table(self, spec: LayerSpec, names: Sequence[str]) -> None:
        """Gives a layer the next colour table. An index has one of its own, which is one of them."""
        style, shown = self.style(spec.id), combination_of(spec, self.style(spec.id))
        if shown is not None and shown.color_table not in names:
            names = (shown.color_table, *names)
        name = names[(names.index(style.color_table) + 1) % len(names)] if style.color_table in names else names[0]
        invert = style.invert if shown is None else shown.invert and name == shown.color_table
        self.set_style(spec.id, replace(style, color_table=name, invert=invert))
        self._say(f"{spec.title}: {self.style(spec.id).color_table}")

    def combinations(self) -> Mapping[LayerId, Combination]:
        """The combination of bands that each layer is shown in, of the layers that have any."""
        shown = {spec.id: combination_of(spec, self.style(spec.id)) for spec in self.layers if spec.combinations}
        return {layer: combination for layer, combination in shown.items() if combination is not None}

    def cycle_combination(self, active: LayerSpec | None, entry: TileEntry | None) -> None:
        """Shows the active layer in its next combination of bands; or the first layer that has any, where it has none."""
        visible = () if entry is None else self.visible(entry)
        spec = next((spec for spec in (active, *visible) if spec is not None and spec.combinations), None)
        if spec is None:
            self._say("Band combinations are for images of many bands: this tile has none.")
            return
        names = [combination.name for combination in spec.combinations]
        shown = combination_of(spec, self.style(spec.id))
        name = names[0] if shown is None else names[(names.index(shown.name) + 1) % len(names)]
        self.set_style(spec.id, with_combination(spec, self.style(spec.id), name))
        self._say(f"{spec.title}: {name}")

    def toggle_class(self, layer: LayerId, value: int) -> None:
        """Hides a class of a label layer, or shows it again."""
        style = self.style(layer)
        self.set_style(layer, replace(style, hidden=style.hidden ^ {value}))

    def isolate_class(self, layer: LayerId, value: int, present: Iterable[int]) -> None:
        """Shows only one class; again shows all. `present` are the classes on the screen, some of them perhaps unknown."""
        spec, style = self.layer(layer), self.style(layer)
        others = frozenset({known.value for known in spec.classes} | set(present)) - {value}
        self.set_style(layer, replace(style, hidden=frozenset() if style.hidden == others else others))

    # --- the same heights in the same colours

    @property
    def is_locked(self) -> bool:
        """True where every tile's heights are shown over the same range."""
        return self._keeper.now.locked

    def lock(self, ranges: Mapping[LayerId, Range]) -> None:
        """Shows heights over these ranges, on every tile."""
        if not ranges:
            self._say("There is no height on the screen whose range could be locked.")
            return
        before = {layer: self.style(layer) for layer in ranges}
        fixed = {
            layer: replace(before[layer], range_mode=RangeMode.FIXED, low=range_.low, high=range_.high)
            for layer, range_ in ranges.items()
        }
        self._keeper.change(locked=True, styles={**self._keeper.now.styles, **fixed}, unlocked=before)
        self._say("Height range locked: a colour means the same height on every tile.")
        self._changed()

    def unlock(self) -> None:
        """Lets each tile have its own range, as before the lock."""
        session = self._keeper.now
        own = {
            layer: replace(self.style(layer), range_mode=style.range_mode, low=style.low, high=style.high)
            for layer, style in session.unlocked.items()
        }
        self._keeper.change(locked=False, styles={**session.styles, **own}, unlocked={})
        self._say("Height range unlocked: every tile has its own.")
        self._changed()

    # --- with what over them

    @property
    def overlay(self) -> str:
        """What lies over the images: "none" or a key of `OVERLAID`."""
        has_vector = any(spec.kind is LayerKind.VECTOR for spec in self._dataset.layers)
        finds_objects = any(spec.id == BOXES for spec in self._outcomes.added.layers)
        return self._keeper.now.overlay or ("prediction" if finds_objects else VECTOR if has_vector else "none")

    def cycle_overlay(self, entry: TileEntry | None) -> None:
        """None, features, labels, change, its outline, the model's prediction and its error: those that a tile has."""
        choices = ["none", *(name for name in OVERLAID if entry is not None and self.overlaid(name, entry) is not None)]
        place = choices.index(self.overlay) + 1 if self.overlay in choices else 0
        self._keeper.change(overlay=choices[place % len(choices)])
        one = "This tile has no features, labels or mask to lay over it."
        self._say(f"Overlay: {self.overlay}" if len(choices) > 1 else one)
        self._changed()

    def overlaid(self, overlay: str, entry: TileEntry) -> LayerSpec | None:
        """The layer of a tile that an overlay shows; None where it has none."""
        kind, added, _ = OVERLAID.get(overlay, (None, (), False))
        if kind is not None:
            return next((spec for spec in self.layers if spec.kind is kind and spec.id in entry.files), None)
        known = {spec.id: spec for spec in self._outcomes.added.layers}
        return next((known[layer] for layer in added if layer in known), None)

    def change_opacity(self, step: float) -> None:
        """Makes the overlay more or less opaque."""
        opacity = round(min(max(self._keeper.now.opacity + step, 0.0), 1.0), 2)
        self._keeper.change(opacity=opacity)
        self._say(f"Overlay opacity {opacity:.0%}")
        self._changed()


def _is_wrongly_missing(spec: LayerSpec, entry: TileEntry) -> bool:
    """True for a layer that the tile should have."""
    return spec.id in entry.missing and not spec.optional
