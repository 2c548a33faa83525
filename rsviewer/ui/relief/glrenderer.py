"""Tiles in space drawn by OpenGL 2.1 into memory. Imports vispy: only on the thread that draws.

Whatever is stored in OpenGL has blue before red, as pixels of 0xFFRRGGBB have in memory, and pictures are drawn upside down:
so what is read back is the picture, and nothing has to be sorted.
"""

import logging
from collections.abc import Callable
from typing import Final

import numpy as np
from PySide6.QtGui import QOffscreenSurface

from rsviewer.core.camera import Camera
from rsviewer.core.cloud import Cloud
from rsviewer.core.drawing import AMBIENT, DIFFUSE, Drawing, Part, sun
from rsviewer.core.relief import Form, Relief, ReliefStyle
from rsviewer.core.render import Pixels
from rsviewer.core.scene import Rect
from rsviewer.core.tile import LayerId, TileId
from rsviewer.ui.relief.blocks import VERTEX, Block, blocks
from rsviewer.ui.relief.contexts import Context, EglContext, QtContext, has_egl
from rsviewer.ui.relief.glparts import Program, Target, check, gl, point_at
from rsviewer.ui.relief.glstore import Store
from rsviewer.ui.relief.renderer import RenderingError, Stale, is_drawn_by_processor

log = logging.getLogger(__name__)

POINTS_IN_BLOCK: Final = 1_000_000
"""Heights that are put into OpenGL at once. Between two blocks a picture can be broken off."""
KEPT_BYTES: Final = 256 * 1024 * 1024
"""Held for tiles that were drawn before: stepping back shows them at once."""
MOST_BYTES: Final = 1024 * 1024 * 1024
"""Held for one picture; what a larger one needs beyond it is put into OpenGL for every picture anew."""

VERTEX_PROGRAM_POINT_SIZE: Final = 0x8642

SHADED: Final = f"""#version 120
uniform mat4 matrix;
uniform float exaggeration, shading, dot_size;
uniform vec3 sun;
attribute vec3 position;
attribute vec2 slope;
attribute vec4 color;
attribute vec3 place;
varying vec3 base, on_picture;
varying float shade;
void main() {{
    vec3 normal = normalize(vec3(-slope * exaggeration, 1.0));
    shade = 1.0 - shading + shading * ({AMBIENT} + {DIFFUSE} * max(dot(normal, sun), 0.0));
    base = color.rgb * shade;
    on_picture = place;
    gl_PointSize = dot_size;
    gl_Position = matrix * vec4(position, 1.0);
}}
"""
BY_VERTEX: Final = """#version 120
varying vec3 base;
void main() { gl_FragColor = vec4(base, 1.0); }
"""
BY_PICTURE: Final = """#version 120
uniform sampler2D picture;
varying vec3 base, on_picture;
varying float shade;
void main() {
    vec4 seen = texture2D(picture, on_picture.xy) * step(0.999, on_picture.z);
    gl_FragColor = vec4(seen.rgb * shade + base * (1.0 - seen.a), 1.0);
}
"""
STRAIGHT: Final = """#version 120
uniform mat4 matrix;
attribute vec3 position;
void main() { gl_Position = matrix * vec4(position, 1.0); }
"""
ONE_COLOR: Final = """#version 120
uniform vec3 line_color;
void main() { gl_FragColor = vec4(line_color, 1.0); }
"""
PROGRAMS: Final = {
    "heights": (SHADED, BY_VERTEX),
    "picture": (SHADED, BY_PICTURE),
    "lines": (STRAIGHT, ONE_COLOR),
}
UPSIDE_DOWN: Final = np.diag([1.0, -1.0, 1.0, 1.0])
TRIAL_COLOR: Final = 0xFFC86432


def opened(surface: QOffscreenSurface | None) -> "GlRenderer":
    """The first OpenGL that draws what it shall.

    Args:
        surface: see `rsviewer.ui.relief.contexts.offscreen_surface`.

    Raises:
        RenderingError: where there is none.
    """
    ways: list[Callable[[], Context]] = []
    if surface is not None:
        ways.append(lambda: QtContext(surface))
    if has_egl():
        ways.append(EglContext)
    reasons = []
    for way in ways:
        try:
            return _tried(way())
        except Exception as error:  # noqa: BLE001 -- vispy and drivers raise anything
            log.info("No OpenGL: %s", error)
            reasons.append(str(error))
    raise RenderingError("; ".join(reasons) or "Qt has none on this platform")


class GlRenderer:
    """Draws with the context that is current on this thread: see `rsviewer.ui.relief.renderer.Renderer`.

    Args:
        context: is closed with the renderer.
        points_in_block: see `POINTS_IN_BLOCK`.
        kept_bytes: see `KEPT_BYTES`.
        most_bytes: see `MOST_BYTES`.
    """

    def __init__(
        self,
        context: Context,
        *,
        points_in_block: int = POINTS_IN_BLOCK,
        kept_bytes: int = KEPT_BYTES,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._context = context
        self._points_in_block = points_in_block
        self.name = str(gl.glGetParameter(gl.GL_RENDERER))
        self.version = str(gl.glGetParameter(gl.GL_VERSION))
        self.is_software = is_drawn_by_processor(self.name)
        self._programs = {name: Program(*sources) for name, sources in PROGRAMS.items()}
        self._store = Store(kept_bytes, most_bytes)
        self._target = Target()
        self._lines = gl.glCreateBuffer()
        self._widest_line = float(gl.glGetParameter(gl.GL_ALIASED_LINE_WIDTH_RANGE)[1])
        self._is_closed = False
        gl.glEnable(VERTEX_PROGRAM_POINT_SIZE)
        gl.glEnable(gl.GL_DEPTH_TEST)
        gl.glDepthFunc(gl.GL_LEQUAL)
        check("starting")

    def draw(self, drawing: Drawing, stale: Stale = lambda: False) -> Pixels | None:
        """See `rsviewer.ui.relief.renderer.Renderer`. Looks between blocks whether the picture is stale.

        Raises:
            RenderingError: if OpenGL fails. Then it is not to be trusted any more.
        """
        if not self._context.is_alive:
            raise RenderingError("the driver has taken the context away")
        self._target.begin(drawing.width, drawing.height, drawing.background)
        is_done = all(self._draw_part(drawing, part, stale) for part in drawing.parts())
        self._store.settle()
        if not is_done:
            return None
        pixels = self._target.read()
        check("drawing")
        return pixels

    def close(self) -> None:
        """Deletes everything and the context. Safe to call twice."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._context.is_alive:
            self._store.clear()
            self._target.close()
            gl.glDeleteBuffer(self._lines)
            for program in self._programs.values():
                gl.glDeleteProgram(program.handle)
        self._context.close()

    # --- drawing

    def _draw_part(self, drawing: Drawing, part: Part, stale: Stale) -> bool:
        """False where the picture became stale."""
        gl.glViewport(part.left, 0, part.width, part.height)
        gl.glScissor(part.left, 0, part.width, part.height)
        for cloud, form in part.clouds:
            world = drawing.relief.matrix(cloud.base, drawing.style.exaggeration)
            program = self._programs["picture" if form is Form.SURFACE and cloud.texture is not None else "heights"]
            program.use()
            program.set_matrix(UPSIDE_DOWN @ part.matrix @ world)
            program.set("exaggeration", drawing.style.exaggeration)
            program.set("shading", drawing.style.shading)
            program.set("dot_size", drawing.dot)
            program.set("sun", *sun(drawing.style))
            found = list(blocks(cloud, drawing.every(cloud), self._points_in_block))
            for block in found:
                if len(found) > 1:
                    gl.glFinish()  # or what is asked for here would only be queued
                    if stale():
                        return False
                self._draw_block(block, form)
        self._draw_lines(drawing, part)
        return True

    def _draw_block(self, block: Block, form: Form) -> None:
        texture = block.cloud.texture if form is Form.SURFACE else None
        if texture is not None:
            gl.glBindTexture(gl.GL_TEXTURE_2D, self._store.picture(texture))
        stored = self._store.block(block, surface=form is Form.SURFACE)
        gl.glBindBuffer(gl.GL_ARRAY_BUFFER, stored.vertices)
        point_at("position", 3, gl.GL_FLOAT, VERTEX.itemsize, 0)
        point_at("slope", 2, gl.GL_FLOAT, VERTEX.itemsize, 12)
        point_at("color", 4, gl.GL_UNSIGNED_BYTE, VERTEX.itemsize, 20)
        if form is Form.POINTS:
            gl.glDrawArrays(gl.GL_POINTS, 0, stored.points)
            return
        if texture is not None:
            gl.glBindBuffer(gl.GL_ARRAY_BUFFER, stored.places)
            point_at("place", 3, gl.GL_FLOAT, 12, 0)
        gl.glBindBuffer(gl.GL_ELEMENT_ARRAY_BUFFER, stored.indices)
        gl.glDrawElements(gl.GL_TRIANGLES, stored.corners, gl.GL_UNSIGNED_INT, None)

    def _draw_lines(self, drawing: Drawing, part: Part) -> None:
        if drawing.lines is None or not drawing.lines.size:
            return
        program = self._programs["lines"]
        program.use()
        program.set_matrix(UPSIDE_DOWN @ part.matrix)
        program.set("line_color", *(channel / 255 for channel in reversed(drawing.line_color)))
        gl.glBindBuffer(gl.GL_ARRAY_BUFFER, self._lines)
        gl.glBufferData(gl.GL_ARRAY_BUFFER, drawing.lines.astype("<f4"), gl.GL_DYNAMIC_DRAW)
        point_at("position", 3, gl.GL_FLOAT, 12, 0)
        gl.glLineWidth(min(max(1.0, float(round(drawing.ratio))), self._widest_line))
        gl.glDrawArrays(gl.GL_LINES, 0, drawing.lines.size // 3)


def _tried(context: Context) -> GlRenderer:
    """A renderer that has drawn a known picture rightly: some drivers promise more than they hold."""
    renderer = None
    try:
        renderer = GlRenderer(context)
        is_right = all(_draws_rightly(renderer, form) for form in Form)
    except BaseException:
        (renderer or context).close()
        raise
    if not is_right:
        renderer.close()
        raise RenderingError("it draws wrong pictures")
    return renderer


def _draws_rightly(renderer: GlRenderer, form: Form) -> bool:
    pixels = renderer.draw(_trial(form))
    return pixels is not None and (pixels[8, 8], pixels[0, 0]) == (TRIAL_COLOR, 0xFF000000)


def _trial(form: Form) -> Drawing:
    """A small square in the middle of a black picture."""
    cloud = Cloud(
        LayerId("trial"),
        "",
        np.zeros((4, 4), np.float32),
        0.0,
        np.full((4, 4), TRIAL_COLOR, np.uint32),
        origin=(0.0, 4.0),
        step=(1.0, 1.0),
        place=Rect(0, 0, 4, 4),
    )
    relief = Relief(TileId("trial"), (cloud,), extent=(4.0, 4.0))
    style = ReliefStyle(form=form, shading=0.0, point_size=8.0)
    return Drawing(relief, style, Camera().from_top(), 17, 17, background=(0, 0, 0))
