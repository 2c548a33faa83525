"""What a picture file cannot say about itself, in the file beside it that GDAL and all programs made with it read."""

import xml.etree.ElementTree as ET
from pathlib import Path

from rsviewer.core.tile import Transform
from rsviewer.data.aligning import crs_of

SUFFIX = ".aux.xml"


def beside(path: Path) -> Path:
    """The name of that file."""
    return path.with_name(path.name + SUFFIX)


def pam(
    transform: Transform | None = None,
    crs: str = "",
    *,
    nodata: float | None = None,
    unit: str = "",
    scale: tuple[float, float] | None = None,
) -> bytes:
    """The content of that file (GDAL's "persistent auxiliary metadata").

    Args:
        transform: of the pixels; None for none.
        crs: "EPSG:n" or WKT; one that cannot be understood is left out.
        nodata: of the only band, as all that follows: the value that means "no data"; None for none.
        unit: of the values after `scale`, e.g. "m"; empty for none.
        scale: (scale, offset): value = stored * scale + offset; None for none.
    """
    root = ET.Element("PAMDataset")
    known = crs_of(crs) if crs else None
    if known is not None:
        # Without a word on the order of axes, which GDAL takes for longitude first, as all transforms have it.
        ET.SubElement(root, "SRS").text = known.to_wkt()
    if transform is not None:
        a, b, c, d, e, f = transform
        ET.SubElement(root, "GeoTransform").text = ", ".join(repr(float(number)) for number in (c, a, b, f, d, e))
    if nodata is not None or unit or scale is not None:
        band = ET.SubElement(root, "PAMRasterBand", band="1")
        if nodata is not None:
            ET.SubElement(band, "NoDataValue").text = repr(float(nodata))
        if unit:
            ET.SubElement(band, "UnitType").text = unit
        if scale is not None:
            factor, offset = scale
            ET.SubElement(band, "Offset").text = repr(float(offset))
            ET.SubElement(band, "Scale").text = repr(float(factor))
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8")
    return content + b"\n"
