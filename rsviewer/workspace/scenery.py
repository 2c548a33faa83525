"""The scene: the pictures that are there, put together as the user looks at them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from rsviewer.core.review import Region
from rsviewer.core.scene import (
    Drawing,
    Exhibit,
    Frame,
    Pane,
    PaneState,
    Picture,
    Scene,
    compose,
    drawing_of,
    frame_of,
    frame_of_vector,
    placed,
)
from rsviewer.core.tile import LayerContent, LayerKind, LayerSpec, Raster, TileId
from rsviewer.core.vector import Vector
from rsviewer.data.adapter import TileEntry
from rsviewer.data.settings import Session
from rsviewer.workspace.looks import Looks
from rsviewer.workspace.pictures import Pictures, Wish
from rsviewer.workspace.wishes import Wishes


class Scenery:
    """Composes scenes.

    Args:
        pictures: what was read and painted.
        wishes: what is wanted of a tile.
        looks: which layers are looked at.
        awaited: what to say of a tile in the place of what the model has not made of it.
        told: what the model says of a layer of a tile, beside its title; empty where it says nothing.
    """

    def __init__(
        self,
        pictures: Pictures,
        wishes: Wishes,
        looks: Looks,
        awaited: Callable[[TileId], str] = lambda _: "",
        told: Callable[[TileId, LayerSpec], str] = lambda _, __: "",
    ) -> None:
        self._pictures = pictures
        self._wishes = wishes
        self._looks = looks
        self._awaited = awaited
        self._told = told
        self._held: dict[Wish, object] = {}
        self.tile_nbytes = 0
        """Bytes that a tile of the last scene takes in the cache; 0 before the first."""

    def frame(self, entry: TileEntry) -> Frame | None:
        """The pixel grid of a tile; None while nothing of it was read."""
        layers = self._wishes.frame_layers
        contents = ((spec, self._pictures.content(self._wishes.key(entry, spec.id))) for spec in layers)
        frame = frame_of([(spec, content) for spec, content in contents if content is not None])
        return frame or self._frame_without_image(entry)

    def _frame_without_image(self, entry: TileEntry) -> Frame | None:
        """The grid of a tile of which nothing has pixels; None while an image of it may still come."""
        wishes = [wish for wish in self._wishes.of(entry) if not wish.content.origin]
        contents = [self._pictures.content(wish.content) for wish in wishes]
        vectors = [content for content in contents if isinstance(content, Vector)]
        return frame_of_vector(vectors[0]) if vectors and None not in contents else None

    def contents(self, entry: TileEntry) -> list[tuple[LayerSpec, LayerContent | None]]:
        """What was read of every visible layer of a tile; None where it is still to come.

        What the model has not made is not in it: nobody knows whether it will come.
        """
        keys = [(spec, self._wishes.key(entry, spec.id)) for spec in self._looks.visible(entry)]
        found = [(spec, key, self._pictures.content(key)) for spec, key in keys]
        return [(spec, content) for spec, key, content in found if content is not None or not key.origin]

    def is_ready(self, entries: Sequence[TileEntry]) -> bool:
        """True where all that these tiles show of their files is there."""
        wishes = (wish for entry in entries for wish in self._wishes.of(entry) if not wish.content.origin)
        return all(self._pictures.has(wish) for wish in wishes)

    def scene(
        self,
        entries: Sequence[TileEntry],
        session: Session,
        *,
        cursor: tuple[int, int] | None,
        regions: tuple[Region, ...],
        current_row: int,
        blink: bool,
        exhibit: Exhibit | None = None,
    ) -> Scene:
        """Everything the panes show.

        Args:
            entries: the tiles, one row each.
            session: how they are looked at.
            cursor: (column, row) of the pixel under the cross.
            regions: of the tile in the current row.
            current_row: which of them is the current one.
            blink: the other date or the image in place of each layer.
            exhibit: what a check suspects on the tile in the current row.
        """
        held: dict[Wish, object] = {}
        nbytes = 0
        rows = []
        for row, entry in enumerate(entries):
            frame = self.frame(entry)
            panes: list[Pane] = []
            for wish in self._wishes.of(entry):
                if wish.is_overlay:
                    continue
                content, painted = self._pictures.content(wish.content), self._pictures.painted(wish)
                held[wish] = (content, painted)
                if wish.content.origin and content is None:
                    words = self._awaited(entry.id)
                    panes.append(Pane(row, entry.id, wish.spec, PaneState.AWAITED, words, frame=frame))
                    continue
                nbytes += sum(part.nbytes for part in (content, painted) if part is not None)
                pane = compose(
                    row,
                    entry.id,
                    wish.spec,
                    content,
                    painted,
                    frame=frame,
                    style=wish.look.style,
                    locked=session.locked,
                    remark="  ·  ".join(filter(None, (wish.remark, self._told(entry.id, wish.spec)))),
                )
                if wish.when:
                    pane = replace(pane, caption="  ·  ".join(filter(None, (wish.when, pane.caption))))
                panes.append(pane)
            rows.append(self._laid_over(panes, self._overlay(entry, frame, session.opacity), session, blink=blink))
        if rows:
            self.tile_nbytes = max(nbytes // len(rows), 1)
        self._held = held
        return Scene(
            rows=tuple(rows),
            view=session.view,
            cursor=cursor,
            active=session.active,
            maximised=session.maximised,
            regions=regions,
            linked=session.linked,
            swipe=session.swipe,
            current_row=current_row,
            exhibit=exhibit,
        )

    def forget(self) -> None:
        """Lets go of what the last scene showed."""
        self._held.clear()

    def _overlay(self, entry: TileEntry, frame: Frame | None, opacity: float) -> Picture | Drawing | None:
        wish = self._wishes.overlay(entry)
        content = None if wish is None else self._pictures.content(wish.content)
        painted = None if wish is None else self._pictures.painted(wish)
        if wish is not None and isinstance(content, Vector) and frame is not None:
            return drawing_of(content, wish.spec, frame, wish.look.style.hidden, opacity)
        if painted is None or frame is None or not isinstance(content, Raster):
            return None
        return Picture(painted, placed(content, frame)[0], smooth=False)

    def _laid_over(
        self, panes: list[Pane], over: Picture | Drawing | None, session: Session, *, blink: bool
    ) -> tuple[Pane, ...]:
        """Lays labels, changes or features over the images, puts the other date under, and swaps while B is held."""
        pre = next((pane for pane in panes if pane.spec.date == "pre"), None)
        image = next((pane for pane in panes if pane.spec.kind is LayerKind.OPTICAL and pane is not pre), pre)
        done = []
        for pane in panes:
            changed = pane
            if isinstance(over, Drawing):
                if pane.spec.kind in (LayerKind.OPTICAL, LayerKind.SAR) and pane.state is PaneState.SHOWN:
                    changed = replace(changed, drawing=over)
            elif over is not None and pane.spec.kind is LayerKind.OPTICAL:
                changed = replace(changed, overlay=over, overlay_opacity=session.opacity)
            if pane is image and pre is not None and pre is not pane and session.swipe is not None:
                changed = replace(changed, under=pre.picture)
            if blink:
                reference = next((known for known in panes if known.layer == self._wishes.reference(pane.layer)), None)
                other = reference or _blink_partner(pane, pre, image, panes)
                if other is not None and other.picture is not None:
                    caption = f"blink: {other.spec.title}"  # and no content: its values are not those in the picture
                    changed = replace(changed, picture=other.picture, content=None, caption=caption, under=None)
                    if pane.spec.kind is LayerKind.VECTOR:
                        changed = replace(changed, drawing=None, message="")
            done.append(changed)
        return tuple(done)


def _blink_partner(pane: Pane, pre: Pane | None, image: Pane | None, panes: list[Pane]) -> Pane | None:
    if pane is pre:
        return image
    if pane is image:
        return pre or next((other for other in panes if other is not pane and other.picture is not None), None)
    return image
