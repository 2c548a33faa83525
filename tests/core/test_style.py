"""A layer that nobody has styled is shown sensibly."""

import pytest

from rsviewer.core.style import RangeMode, Style, default_style
from rsviewer.core.tile import LayerId, LayerKind, LayerSpec
from rsviewer.data.resources import color_table_names


def spec(kind: LayerKind) -> LayerSpec:
    return LayerSpec(LayerId("any"), kind, "any")


@pytest.mark.parametrize("kind", LayerKind)
def test_default_colour_tables_are_packaged(kind: LayerKind) -> None:
    assert default_style(spec(kind)).color_table in color_table_names()


def test_images_are_shown_as_stored_and_radar_is_stretched() -> None:
    assert default_style(spec(LayerKind.OPTICAL)).range_mode is RangeMode.AS_STORED
    assert default_style(spec(LayerKind.SAR)).range_mode is RangeMode.PERCENTILE


def test_heights_are_cividis_with_some_shading() -> None:
    style = default_style(spec(LayerKind.HEIGHT))

    assert style.color_table == "cividis"
    assert 0.0 < style.hillshade < 1.0


def test_equal_styles_are_one_key() -> None:
    assert len({Style(hidden=frozenset({1, 2})), Style(hidden=frozenset({2, 1})), Style()}) == 2
