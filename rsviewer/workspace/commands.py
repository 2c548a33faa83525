"""Every command once: menu, toolbar, shortcut, palette, cheat sheet and the README's key table all come from here."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from rsviewer.core.review import Verdict
from rsviewer.data.mounting import archives_of
from rsviewer.workspace.workspace import Workspace

COLOR_TABLE_CYCLE = ("cividis", "viridis", "inferno", "Spectral", "terrain", "turbo", "grey")


class Surface(Protocol):
    """What the window can be asked to do. The commands know no more of it."""

    def zoom(self, factor: float) -> None:
        """Zooms about the cursor, or about the middle."""

    def one_to_one(self) -> None:
        """One screen pixel per tile pixel."""

    def open_dataset(self) -> None:
        """Asks for a folder."""

    def unpack_archives(self) -> None:
        """Asks where the archives of the dataset are to be unpacked."""

    def describe_folders(self) -> None:
        """Asks what parallel folders hold that no format knows."""

    def export(self) -> None:
        """Shows the export dialog."""

    def show_keys(self) -> None:
        """Shows the cheat sheet."""

    def show_palette(self) -> None:
        """Shows the list of all commands."""

    def preferences_dialog(self) -> None:
        """Shows the preferences."""

    def about(self) -> None:
        """Shows version and licence."""

    def go_to(self) -> None:
        """Asks for a tile's name or number."""

    def edit_filter(self) -> None:
        """Puts the focus into the filter."""

    def edit_search(self) -> None:
        """Puts the focus into the search."""

    def edit_words(self) -> None:
        """Puts the focus into the line for words that tiles are like, of the model panel."""

    def edit_note(self) -> None:
        """Puts the focus into the note."""

    def leave_panes(self) -> None:
        """Moves the focus from the panes to the next part of the window."""

    def save_elsewhere(self) -> None:
        """Asks where to keep the decisions that could not be saved."""

    def set_marking(self, *, on: bool) -> None:
        """While on, dragging in a pane marks a region."""

    def toggle_full_screen(self) -> None:
        """Leaves only panes and status bar, or brings the rest back."""

    def toggle_magnifier(self) -> None:
        """Switches the lens at the cursor on or off."""

    def pin_magnifier(self) -> None:
        """Pins the lens: WASD then moves the cursor."""

    def reset_layout(self) -> None:
        """Puts all docks back."""

    def save_picture(self) -> None:
        """Asks for a file and saves the window as a picture."""

    def quit(self) -> None:
        """Closes the window."""

    def toggle_relief(self) -> None:
        """Shows the 3D view, or hides it."""

    def detach_relief(self) -> None:
        """Shows the 3D view in a window of its own, or puts it back."""

    def look_from(self, place: str) -> None:
        """Moves the camera of the 3D view: "top", "front", "side" or "reset"."""

    def toggle_flying(self) -> None:
        """Changes between turntable and fly camera."""

    def save_relief_picture(self) -> None:
        """Asks for a size and a file, and saves the 3D view as a picture."""

    def save_relief_animation(self) -> None:
        """Asks for a file, and saves a turn round the tile."""

    def save_cloud(self) -> None:
        """Asks for a file, and saves the heights as points or mesh."""

    def convert_tiles(self) -> None:
        """Asks what tiles are to be converted into, and where to."""

    def cut_rasters(self) -> None:
        """Asks for large rasters that are to be cut into tiles, and how."""

    def set_profiling(self, *, on: bool) -> None:
        """While on, dragging in a pane draws the line of the profile."""

    def toggle_profile(self) -> None:
        """Shows the plot of heights along a line, or hides it."""

    def toggle_statistics(self) -> None:
        """Shows the statistics, or hides them."""

    @property
    def has_statistics(self) -> bool:
        """Whether the statistics are open."""

    def toggle_places(self) -> None:
        """Shows the map, or hides it."""

    @property
    def has_places(self) -> bool:
        """Whether the map is open."""

    def show_model(self) -> None:
        """Shows the model panel."""

    def toggle_model(self) -> None:
        """Shows the model panel, or hides it."""

    def add_model(self) -> None:
        """Asks for a file of weights and its card, and puts them on the shelf."""

    def toggle_suspicions(self) -> None:
        """Shows the panel of the checks, or hides it."""

    @property
    def has_suspicions(self) -> bool:
        """Whether the panel of the checks is open."""

    def show_suspicions(self) -> None:
        """Shows the panel of the checks."""

    def toggle_gallery(self) -> None:
        """Shows the gallery in the place of the panes, or the panes again."""

    @property
    def has_gallery(self) -> bool:
        """Whether the gallery stands in the place of the panes."""

    @property
    def has_model(self) -> bool:
        """Whether the model panel is open."""

    @property
    def has_relief(self) -> bool:
        """Whether the 3D view is open."""

    @property
    def has_profile(self) -> bool:
        """Whether the plot of heights along a line is open."""

    @property
    def flying(self) -> bool:
        """Whether the 3D view has the fly camera."""

    @property
    def magnifier(self) -> bool:
        """Whether the lens is on."""

    @property
    def on_screen(self) -> bool:
        """Whether the current tile is what the panes show: nobody decides about a tile that was not seen."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a command acts on. Commands with `needs_dataset=False` must not touch the workspace."""

    workspace: Workspace
    surface: Surface


@dataclass(frozen=True, slots=True)
class Command:
    """One thing the user can do.

    Attributes:
        id: "tile.next". Stable: key bindings and tests name it.
        title: as in a menu.
        menu: the menu it stands in; empty keeps it out of the menus.
        keys: in Qt's portable notation; the first is shown.
        help: one sentence for the cheat sheet.
        run: does it.
        enabled: whether it can be done now.
        checked: whether it is on; None for commands that are not switches.
        repeats: True where holding the key repeats it; flags ignore auto-repeat.
        decides: True where it says something about the tile on screen.
        needs_dataset: False where it works without one.
        release: for commands that last as long as the key is held.
    """

    id: str
    title: str
    menu: str
    keys: tuple[str, ...]
    help: str
    run: Callable[[Context], object]
    enabled: Callable[[Context], bool] = lambda _: True
    checked: Callable[[Context], bool] | None = None
    repeats: bool = False
    decides: bool = False
    needs_dataset: bool = True
    release: Callable[[Context], object] | None = None


def _verdict_and_on(verdict: Verdict) -> Callable[[Context], object]:
    """On to the next tile, but where several were selected: what was done to them is to be seen."""

    def run(context: Context) -> None:
        if context.workspace.set_verdict(verdict) and not context.workspace.gallery.has_selection:
            context.workspace.go(1)

    return run


def _suspicious_first(context: Context) -> None:
    """Why the first tile is the first is to be seen, too."""
    context.workspace.checking.suspicious_first()
    if context.workspace.checking.is_first or not context.workspace.checking.has_results:
        context.surface.show_suspicions()


def _with_model(run: Callable[[Context], object]) -> Callable[[Context], object]:
    """Shows the model panel where no model was chosen yet: who presses I for the first time sees what answers."""

    def shown(context: Context) -> None:
        if context.workspace.predicting.state.model is None:
            context.surface.show_model()
        run(context)

    return shown


def _tag(number: int) -> Command:
    return Command(
        f"review.tag.{number}",
        f"Toggle tag {number}",
        "Review",
        (str(number),),
        f"Put the tag on key {number} on the tile, or take it away.",
        lambda context: context.workspace.toggle_tag(number),
        enabled=lambda context: number <= len(context.workspace.anomalies),
        checked=lambda context: (
            number <= len(context.workspace.anomalies)
            and context.workspace.anomalies[number - 1].tag in context.workspace.decision.tags
        ),
        decides=True,
    )


def _stack(count: int) -> Command:
    word = "one tile" if count == 1 else f"{count} consecutive tiles"
    return Command(
        f"view.stack.{count}",
        f"Show {word}",
        "View",
        (f"Alt+{count}",),
        f"Show {word}, one row each.",
        lambda context: context.workspace.set_stack(count),
        checked=lambda context: context.workspace.stack == count,
    )


def _in_gallery(name: str, columns: int, rows: int) -> tuple[Command, Command]:
    """In the gallery these take the keys that step through tiles and move the cursor, see `GALLERY_KEYS`."""

    def move(*, extend: bool) -> Callable[[Context], object]:
        def run(context: Context) -> None:
            gallery = context.workspace.gallery
            gallery.move(columns + rows * gallery.columns, extend=extend)

        return run

    return (
        Command(f"gallery.{name}", f"Gallery {name}", "", (), "Move in the gallery.", move(extend=False),
                enabled=_has_gallery, repeats=True),
        Command(f"gallery.select.{name}", f"Select {name}", "", (), "Move in the gallery and select on the way.",
                move(extend=True), enabled=_has_gallery, repeats=True),
    )  # fmt: skip


def _has_gallery(context: Context) -> bool:
    return context.surface.has_gallery


def _page(direction: int, *, extend: bool = False) -> Callable[[Context], object]:
    def run(context: Context) -> None:
        gallery = context.workspace.gallery
        gallery.move(direction * gallery.columns * gallery.rows, extend=extend)

    return run


def _cursor(name: str, columns: int, rows: int) -> tuple[Command, Command]:
    def move(factor: int) -> Callable[[Context], object]:
        return lambda context: context.workspace.viewing.move_cursor(factor * columns, factor * rows)

    key = name.capitalize()
    return (
        Command(f"cursor.{name}", f"Cursor {name}", "", (key,), "Move the cursor by one pixel.", move(1), repeats=True),
        Command(
            f"cursor.{name}.10",
            f"Cursor {name} by ten",
            "",
            (f"Shift+{key}",),
            "Move the cursor by ten pixels.",
            move(10),
            repeats=True,
        ),
    )


COMMANDS: tuple[Command, ...] = (
    Command("file.open", "Open dataset…", "File", ("Ctrl+O",), "Choose the folder of a dataset.",
            lambda context: context.surface.open_dataset(), needs_dataset=False),
    Command("file.describe", "Describe folders…", "File", (), "Say what parallel folders hold that no format knows.",
            lambda context: context.surface.describe_folders(), needs_dataset=False),
    Command("file.reload", "Read again", "File", ("F5",), "Read the names of all tiles and the files again.",
            lambda context: context.workspace.reload()),
    Command("file.unpack", "Unpack archives…", "File", (), "Write what the archives hold into a folder, and open that.",
            lambda context: context.surface.unpack_archives(),
            enabled=lambda context: bool(archives_of(context.workspace.dataset.tree))),
    Command("file.export", "Export cleaned lists…", "File", ("Ctrl+E",), "Write the split lists without the dropped tiles.",
            lambda context: context.surface.export()),
    Command("file.picture", "Save the window as a picture…", "File", ("Ctrl+Shift+S",), "Save what is on the screen as PNG.",
            lambda context: context.surface.save_picture(), needs_dataset=False),
    Command("file.retry", "Save decisions again", "File", (), "Try again to write decisions that could not be saved.",
            lambda context: context.workspace.retry_saving(), enabled=lambda context: context.workspace.review.pending > 0),
    Command("file.elsewhere", "Save decisions elsewhere…", "File", (), "Keep all decisions in another file.",
            lambda context: context.surface.save_elsewhere()),
    Command("file.preferences", "Preferences…", "File", ("Ctrl+,",), "Theme, keys, tags, reviewer, memory.",
            lambda context: context.surface.preferences_dialog(), needs_dataset=False),
    Command("file.quit", "Quit", "File", ("Ctrl+Q",), "Close the program; everything is saved already.",
            lambda context: context.surface.quit(), needs_dataset=False),
    Command("tile.next", "Next tile", "Go", ("D",), "In the filtered, sorted order of the queue.",
            lambda context: context.workspace.go(1), repeats=True),
    Command("tile.previous", "Previous tile", "Go", ("A",), "In the filtered, sorted order of the queue.",
            lambda context: context.workspace.go(-1), repeats=True),
    Command("group.next", "Next date or group", "Go", ("S",),
            "Of the tile's images where it has several over time, else of scenes or cities; 100 tiles where there are none.",
            lambda context: context.workspace.step_along(1), repeats=True),
    Command("group.previous", "Previous date or group", "Go", ("W",),
            "Of the tile's images where it has several over time, else of scenes or cities; 100 tiles where there are none.",
            lambda context: context.workspace.step_along(-1), repeats=True),
    Command("group.forward", "Next group", "Go", ("PgDown",), "Scene, city or area, past all dates of this tile.",
            lambda context: context.workspace.step_group(1), repeats=True),
    Command("group.back", "Previous group", "Go", ("PgUp",), "Scene, city or area, past all dates of this tile.",
            lambda context: context.workspace.step_group(-1), repeats=True),
    Command("date.best", "Best date", "Go", (".",), "Back to the image that the dataset calls best.",
            lambda context: context.workspace.show_date(None), enabled=lambda context: context.workspace.has_dates),
    Command("tile.forward10", "10 tiles forward", "Go", ("Shift+D",), "Ten tiles on.",
            lambda context: context.workspace.go(10), repeats=True),
    Command("tile.back10", "10 tiles back", "Go", ("Shift+A",), "Ten tiles back.",
            lambda context: context.workspace.go(-10), repeats=True),
    Command("tile.unreviewed", "Next unreviewed tile", "Go", ("N",), "The next tile without a verdict.",
            lambda context: context.workspace.next_unreviewed()),
    Command("tile.flagged", "Previous flagged tile", "Go", ("P",), "The previous tile that was dropped, tagged or marked.",
            lambda context: context.workspace.previous_flagged()),
    Command("tile.first", "First tile", "Go", ("Home",), "The first tile of the queue.",
            lambda context: context.workspace.go_to(0)),
    Command("tile.last", "Last tile", "Go", ("End",), "The last tile of the queue.",
            lambda context: context.workspace.go_to(len(context.workspace.queue) - 1)),
    Command("tile.goto", "Go to tile…", "Go", ("Ctrl+G",), "Type a name or a number.",
            lambda context: context.surface.go_to()),
    Command("queue.filter", "Filter…", "Go", ("/",), "Show only tiles that satisfy an expression.",
            lambda context: context.surface.edit_filter()),
    Command("queue.search", "Search captions…", "Go", ("Ctrl+F",), "Show only tiles whose texts have some words.",
            lambda context: context.surface.edit_search()),
    Command("queue.words", "Find tiles by words…", "Go", ("Ctrl+Shift+F",),
            "The tiles that look most like a text, the nearest first, by a model that reads.",
            lambda context: context.surface.edit_words()),
    Command("queue.like", "Find tiles like this one", "Go", ("Shift+F",),
            "The tiles that look most like this one, the nearest first, by a model that reads.",
            _with_model(lambda context: context.workspace.likeness.like_this())),
    Command("queue.all", "All tiles again", "Go", (), "Take the tiles that were found away.",
            lambda context: context.workspace.likeness.show_all(),
            enabled=lambda context: context.workspace.likeness.is_shown),
    Command("queue.refresh", "Ask the filter again", "Go", ("Shift+F5",), "Decisions made since then count now.",
            lambda context: context.workspace.finding.refresh()),
    Command("queue.measure", "Measure all tiles", "Go", (), "Read every tile once, for filters and sorting by its values.",
            lambda context: context.workspace.finding.measure()),
    Command("queue.locate", "Locate all tiles", "Go", (), "Read every header once, so that the map knows where tiles lie.",
            lambda context: context.workspace.finding.locate()),
    *_cursor("left", -1, 0),
    *_cursor("right", 1, 0),
    *_cursor("up", 0, -1),
    *_cursor("down", 0, 1),
    Command("review.good", "Good, and on", "Review", ("Space",), "Good, and on to the next tile.",
            _verdict_and_on(Verdict.GOOD), decides=True),
    Command("review.drop", "Drop, and on", "Review", ("X",), "Drop, and on to the next tile.",
            _verdict_and_on(Verdict.DROP), decides=True),
    Command("review.undecided", "Undecided", "Review", ("U",), "Take the verdict back.",
            lambda context: context.workspace.set_verdict(Verdict.UNDECIDED), decides=True),
    Command("review.clear", "Clear tags", "Review", ("0",), "Take all tags and regions from the tile.",
            lambda context: context.workspace.clear_tags(), decides=True),
    *(_tag(number) for number in range(1, 10)),
    Command("review.region", "Mark a region", "Review", ("R",),
            "Hold R and drag a box; with Shift, click a polygon and double-click to end. It gets the tag used last.",
            lambda context: context.surface.set_marking(on=True), decides=True,
            release=lambda context: context.surface.set_marking(on=False)),
    Command("review.note", "Note", "Review", ("T",), "Write a note on the tile; Escape goes back to the panes.",
            lambda context: context.surface.edit_note(), decides=True),
    Command("check.run", "Check all tiles", "Review", (), "Look at every tile with the automatic checks, in the background.",
            lambda context: context.workspace.checking.start()),
    Command("check.changed", "Check changed tiles", "Review", (),
            "Look at date and size of every file, and check the tiles again that changed since they were checked.",
            lambda context: context.workspace.checking.start(changed=True)),
    Command("check.stop", "Stop checking", "Review", (), "What was found is kept; the next run goes on from there.",
            lambda context: context.workspace.checking.stop(),
            enabled=lambda context: context.workspace.checking.job is not None),
    Command("check.first", "Suspicious first", "Review", ("F3",), "The worst tiles first; again for the dataset's order.",
            _suspicious_first,
            checked=lambda context: context.workspace.checking.is_first),
    Command("check.confirm", "Confirm the suspicion", "Review", ("Y",),
            "Drop, with the tag of the suspicion, and on; in the gallery all selected tiles, each with its own.",
            lambda context: context.workspace.confirm_suspicion(), decides=True),
    Command("check.refute", "Refute the suspicion", "Review", ("Shift+Y",),
            "It is none, and does not come back; in the gallery on all selected tiles.",
            lambda context: context.workspace.refute_suspicion(), decides=True),
    Command("check.next", "Next suspicion of the tile", "Review", ("Shift+N",), "Of several reasons, the next one.",
            lambda context: context.workspace.checking.next_reason()),
    Command("check.evidence", "Show the evidence", "Review", ("Shift+M",), "Where in the tile the suspicion lies.",
            lambda context: context.workspace.checking.toggle_evidence(),
            checked=lambda context: context.workspace.checking.shows_evidence),
    Command("check.panel", "Suspicions", "Review", ("F2",), "Why this tile is suspicious, and what the checks found.",
            lambda context: context.surface.toggle_suspicions(), checked=lambda context: context.surface.has_suspicions,
            needs_dataset=False),
    Command("review.undo", "Undo", "Review", ("Z", "Ctrl+Z"), "Take the last decision back; goes to its tile and says so.",
            lambda context: context.workspace.undo(), enabled=lambda context: context.workspace.review.can_undo),
    Command("review.redo", "Redo", "Review", ("Shift+Z", "Ctrl+Y", "Ctrl+Shift+Z"),
            "Do again what was undone; goes to its tile and says so.",
            lambda context: context.workspace.redo(), enabled=lambda context: context.workspace.review.can_redo),
    Command("view.zoom.in", "Zoom in", "View", ("+", "="), "At the cursor; the wheel does it too.",
            lambda context: context.surface.zoom(1.5), repeats=True),
    Command("view.zoom.out", "Zoom out", "View", ("-",), "At the cursor; the wheel does it too.",
            lambda context: context.surface.zoom(1 / 1.5), repeats=True),
    Command("view.fit", "Fit", "View", ("F",), "The whole tile in every pane.",
            lambda context: context.workspace.viewing.fit()),
    Command("view.one", "1:1", "View", ("Ctrl+1",), "One screen pixel per tile pixel.",
            lambda context: context.surface.one_to_one()),
    Command("view.pane", "Next pane", "View", ("Tab",), "Give the focus to the next pane.",
            lambda context: context.workspace.viewing.next_pane(1)),
    Command("view.pane.back", "Previous pane", "View", ("Shift+Tab",), "Give the focus to the previous pane.",
            lambda context: context.workspace.viewing.next_pane(-1)),
    Command("view.maximise", "Maximise pane", "View", ("Return", "Enter"), "Show only the pane with the focus, or all again.",
            lambda context: context.workspace.viewing.toggle_maximised(),
            checked=lambda context: context.workspace.session.maximised),
    Command("view.leave", "Leave the panes", "View", ("Ctrl+Tab",), "Move the focus to queue, layers and review.",
            lambda context: context.surface.leave_panes(), needs_dataset=False),
    Command("view.blink", "Blink", "View", ("B",),
            "While held: the other date, the reference of a prediction, or the image, in place of each layer.",
            lambda context: context.workspace.viewing.set_blink(on=True),
            release=lambda context: context.workspace.viewing.set_blink(on=False)),
    Command("view.swipe", "Swipe before and after", "View", ("K",), "Both dates in one pane, with a divider to drag.",
            lambda context: context.workspace.viewing.toggle_swipe(),
            checked=lambda context: context.workspace.session.swipe is not None),
    Command("view.overlay", "Cycle overlay", "View", ("M",), "Features, labels, change, prediction, difference over images.",
            lambda context: context.workspace.cycle_overlay()),
    Command("view.opacity.less", "Overlay fainter", "View", ("Q",), "Less opaque overlay.",
            lambda context: context.workspace.looks.change_opacity(-0.1), repeats=True),
    Command("view.opacity.more", "Overlay stronger", "View", ("E",), "More opaque overlay.",
            lambda context: context.workspace.looks.change_opacity(0.1), repeats=True),
    Command("view.colors", "Next colour table", "View", ("C",), "For the height or index in focus.",
            lambda context: context.workspace.cycle_color_table(COLOR_TABLE_CYCLE)),
    Command("view.bands", "Next band combination", "View", ("J",), "True colour, false colour, NDVI ... of the image in focus.",
            lambda context: context.workspace.cycle_combination()),
    Command("view.lock", "Lock height range", "View", ("L",), "The same colours for the same heights on every tile.",
            lambda context: context.workspace.toggle_lock(), checked=lambda context: context.workspace.looks.is_locked),
    Command("view.linked", "Link panes", "View", ("Ctrl+L",), "Zoom, pan and cursor are the same in every pane.",
            lambda context: context.workspace.viewing.set_linked(linked=not context.workspace.session.linked),
            checked=lambda context: context.workspace.session.linked),
    Command("view.magnifier", "Magnifier", "View", ("V",), "A lens at the cursor in every pane.",
            lambda context: context.surface.toggle_magnifier(), checked=lambda context: context.surface.magnifier),
    Command("view.magnifier.pin", "Pin the magnifier", "View", ("Shift+V",), "While pinned, WASD moves the cursor.",
            lambda context: context.surface.pin_magnifier()),
    *(_stack(count) for count in range(1, 5)),
    Command("gallery.toggle", "Gallery", "View", ("Ctrl+T",),
            "Small pictures of the queue: arrows and WASD move, Shift and Ctrl select, flags flag all selected, Enter opens.",
            lambda context: context.surface.toggle_gallery(), checked=_has_gallery),
    Command("gallery.all", "Select all tiles", "View", ("Ctrl+A",), "Select the tiles of the queue in the gallery.",
            lambda context: context.workspace.gallery.select_all(), enabled=_has_gallery),
    Command("gallery.page.down", "Gallery: page down", "", (), "One screen of the gallery on.",
            _page(1), enabled=_has_gallery, repeats=True),
    Command("gallery.page.up", "Gallery: page up", "", (), "One screen of the gallery back.",
            _page(-1), enabled=_has_gallery, repeats=True),
    Command("gallery.shown", "Gallery: show next", "", (), "Show another layer or overlay in the gallery.",
            lambda context: context.workspace.gallery.show_next(), enabled=_has_gallery),
    *_in_gallery("left", -1, 0),
    *_in_gallery("right", 1, 0),
    *_in_gallery("up", 0, -1),
    *_in_gallery("down", 0, 1),
    Command("statistics.toggle", "Statistics", "View", ("Shift+T",), "Histograms and scatters of what is known of the tiles.",
            lambda context: context.surface.toggle_statistics(), checked=lambda context: context.surface.has_statistics),
    Command("map.toggle", "Map", "View", ("Shift+P",), "Where on the Earth the tiles lie.",
            lambda context: context.surface.toggle_places(), checked=lambda context: context.surface.has_places),
    Command("relief.toggle", "3D view", "3D", ("G",), "The heights of the tile in space, linked with the panes.",
            lambda context: context.surface.toggle_relief(), checked=lambda context: context.surface.has_relief),
    Command("relief.detach", "3D in its own window", "3D", ("Shift+G",), "For a second screen; again puts it back.",
            lambda context: context.surface.detach_relief()),
    Command("relief.form", "Surface or points", "3D", (), "Draw heights as a shaded surface, or as points.",
            lambda context: context.workspace.reliefs.toggle_form()),
    Command("relief.together", "Second height: none, beside, together", "3D", (),
            "Show a second height, such as a prediction, beside the first or in one scene with it.",
            lambda context: context.workspace.reliefs.cycle_together()),
    Command("relief.top", "From the top", "3D", (), "Look straight down, as in the panes.",
            lambda context: context.surface.look_from("top"), enabled=lambda context: context.surface.has_relief),
    Command("relief.front", "From the front", "3D", (), "Look from the lower edge of the tile.",
            lambda context: context.surface.look_from("front"), enabled=lambda context: context.surface.has_relief),
    Command("relief.side", "From the side", "3D", (), "Look from the right edge of the tile.",
            lambda context: context.surface.look_from("side"), enabled=lambda context: context.surface.has_relief),
    Command("relief.reset", "Reset camera", "3D", (), "The whole tile, seen from a corner.",
            lambda context: context.surface.look_from("reset"), enabled=lambda context: context.surface.has_relief),
    Command("relief.fly", "Fly", "3D", (), "WASD flies and the mouse looks round while the 3D view has the focus.",
            lambda context: context.surface.toggle_flying(), enabled=lambda context: context.surface.has_relief,
            checked=lambda context: context.surface.flying),
    Command("relief.picture", "Save 3D picture…", "3D", (), "Save the 3D view as PNG, at any size.",
            lambda context: context.surface.save_relief_picture(), enabled=lambda context: context.surface.has_relief),
    Command("relief.animation", "Save 3D animation…", "3D", (), "Save a turn round the tile as GIF or MP4.",
            lambda context: context.surface.save_relief_animation(), enabled=lambda context: context.surface.has_relief),
    Command("relief.save", "Save points or mesh…", "3D", (), "Save the heights as PLY, LAS, LAZ or GLB.",
            lambda context: context.surface.save_cloud()),
    Command("profile.draw", "Draw a profile", "3D", ("H",), "Hold H and drag a line: the heights along it are plotted.",
            lambda context: context.surface.set_profiling(on=True),
            release=lambda context: context.surface.set_profiling(on=False)),
    Command("profile.toggle", "Profile", "3D", ("Shift+H",), "The plot of the heights along the line.",
            lambda context: context.surface.toggle_profile(), checked=lambda context: context.surface.has_profile),
    Command("model.predict", "Predict this tile", "Model", ("I",), "Run the model on this tile, in the background.",
            _with_model(lambda context: context.workspace.predicting.predict())),
    Command("model.live", "Predict every tile", "Model", ("Shift+I",), "Run the model on every tile, the next ones ahead.",
            _with_model(lambda context: context.workspace.predicting.toggle_live()),
            checked=lambda context: context.workspace.predicting.is_live),
    Command("model.stop", "Stop predicting", "Model", (), "Break off what the model is doing.",
            lambda context: context.workspace.predicting.stop()),
    Command("model.prepare", "Make all tiles ready to be found", "Model", (),
            "Run a model that reads on every tile in the background: only then they can be found by words.",
            _with_model(lambda context: context.workspace.likeness.prepare())),
    Command("model.panel", "Model", "Model", ("O",), "Which model, how it is run, and how good it is on this tile.",
            lambda context: context.surface.toggle_model(), checked=lambda context: context.surface.has_model,
            needs_dataset=False),
    Command("model.add", "Add weights…", "Model", (), "Put a file with a model's weights on your shelf of models.",
            lambda context: context.surface.add_model()),
    Command("tools.convert", "Convert tiles…", "Tools", ("Ctrl+Shift+E",),
            "Write this tile or the queue as files for other programs.", lambda context: context.surface.convert_tiles()),
    Command("tools.cut", "Cut rasters into tiles…", "Tools", (),
            "Make a dataset of large rasters of your own, of different pixels and CRSs.",
            lambda context: context.surface.cut_rasters(), needs_dataset=False),
    Command("window.full", "Full screen", "Window", ("F11",), "Only panes and status bar.",
            lambda context: context.surface.toggle_full_screen(), needs_dataset=False),
    Command("window.reset", "Reset layout", "Window", (), "Put all docks back.",
            lambda context: context.surface.reset_layout(), needs_dataset=False),
    Command("help.palette", "All commands…", "Help", ("Ctrl+K", "Ctrl+Shift+P"), "Find any command by its name.",
            lambda context: context.surface.show_palette(), needs_dataset=False),
    Command("help.keys", "Keys", "Help", ("F1", "?"), "All keys on one page.",
            lambda context: context.surface.show_keys(), needs_dataset=False),
    Command("help.about", "About rsviewer", "Help", (), "Version and licence.",
            lambda context: context.surface.about(), needs_dataset=False),
)  # fmt: skip
"""In the order of the menus."""

GALLERY_KEYS: Mapping[str, str] = {
    "tile.next": "gallery.right",
    "tile.previous": "gallery.left",
    "group.next": "gallery.down",
    "group.previous": "gallery.up",
    "cursor.left": "gallery.left",
    "cursor.right": "gallery.right",
    "cursor.up": "gallery.up",
    "cursor.down": "gallery.down",
    "group.forward": "gallery.page.down",
    "group.back": "gallery.page.up",
    "tile.forward10": "gallery.select.right",
    "tile.back10": "gallery.select.left",
    "cursor.left.10": "gallery.select.left",
    "cursor.right.10": "gallery.select.right",
    "cursor.up.10": "gallery.select.up",
    "cursor.down.10": "gallery.select.down",
    "view.maximise": "gallery.toggle",
    "view.overlay": "gallery.shown",
}
"""While the gallery is open, the keys of these commands run those."""

PRESETS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "rsviewer": {},
    "pixel": {  # RS3DBench's viewer: WASD probes pixels, the arrows turn pages
        "tile.next": ("Right",),
        "tile.previous": ("Left",),
        "group.next": ("Down",),
        "group.previous": ("Up",),
        "tile.forward10": ("Shift+Right",),
        "tile.back10": ("Shift+Left",),
        "cursor.left": ("A",),
        "cursor.right": ("D",),
        "cursor.up": ("W",),
        "cursor.down": ("S",),
        "cursor.left.10": ("Shift+A",),
        "cursor.right.10": ("Shift+D",),
        "cursor.up.10": ("Shift+W",),
        "cursor.down.10": ("Shift+S",),
    },
    "azerty": {  # the same places on the keyboard
        "tile.previous": ("Q",),
        "tile.back10": ("Shift+Q",),
        "group.previous": ("Z",),
        "review.undo": ("W", "Ctrl+Z"),
        "review.redo": ("Shift+W", "Ctrl+Y", "Ctrl+Shift+Z"),
        "view.opacity.less": ("A",),
    },
}
"""Name -> keys that differ from the commands' own."""


def command(id_: str) -> Command:
    """The command with this id. Raises KeyError where there is none."""
    for known in COMMANDS:
        if known.id == id_:
            return known
    raise KeyError(id_)


def bindings(preset: str = "rsviewer", own: Mapping[str, Iterable[str]] | None = None) -> dict[str, tuple[str, ...]]:
    """Command id -> keys, from a preset and the user's own changes on top."""
    keys = {known.id: known.keys for known in COMMANDS}
    keys.update(PRESETS.get(preset, {}))
    keys.update({id_: tuple(chosen) for id_, chosen in (own or {}).items() if id_ in keys})
    return keys


def conflicts(keys: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Key -> the commands that claim it, for every key that more than one command claims."""
    claims: dict[str, list[str]] = {}
    for id_, chosen in keys.items():
        for key in chosen:
            claims.setdefault(key.lower(), []).append(id_)
    return {key: tuple(ids) for key, ids in claims.items() if len(ids) > 1}


def key_table() -> str:
    """The README's table of keys, in Markdown."""
    rows = ["| key | command | what it does |", "|---|---|---|"]
    rows += [
        f"| {' , '.join(f'`{key}`' for key in known.keys)} | {known.title.rstrip('…')} | {known.help} |"
        for known in COMMANDS
        if known.keys
    ]
    return "\n".join(rows)
