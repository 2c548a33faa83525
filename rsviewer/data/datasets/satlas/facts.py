"""What the documentation of SatlasPretrain says about its images and labels: bands, units, categories, official colours."""

from dataclasses import dataclass

from rsviewer.core.combinations import Channel, Combination, Operation, bands, index
from rsviewer.core.filters import ColumnType
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec
from rsviewer.data.adapter import Fact

LABEL_ZOOM, NAIP_ZOOM = 13, 17
NAIP_PER_SIDE = 1 << (NAIP_ZOOM - LABEL_ZOOM)
"""NAIP tiles along a side of a label tile."""

# Images

TCI = LayerSpec(LayerId("tci"), LayerKind.OPTICAL, "Sentinel-2 TCI", bands=("B04", "B03", "B02"), zoom=LABEL_ZOOM)
"""Bands 4, 3, 2 as ESA renders them: not on the scale of the other bands, hence no NDVI from both."""

S2_BANDS = LayerSpec(
    LayerId("s2_bands"),
    LayerKind.OPTICAL,
    "Sentinel-2 bands",
    bands=("B05", "B06", "B07", "B08", "B11", "B12"),
    combinations=(
        bands("SWIR (B12, B11, B08)", 5, 4, 3),
        bands("Near and shortwave infrared (B08, B11, B12)", 3, 4, 5),
        bands("Red edge (B08, B06, B05)", 3, 1, 0),
        index("NDMI, moisture (B08, B11)", 3, 4, "RdBu"),
        index("NBR, burn ratio (B08, B12)", 3, 5, "RdYlGn"),
        index("NDRE, red edge (B08, B05)", 3, 0, "RdYlGn"),
    ),
    optional=True,
    zoom=LABEL_ZOOM,
)
"""Stored is reflectance * 10000 / 32, cut off at 255."""

S1 = LayerSpec(
    LayerId("s1"),
    LayerKind.SAR,
    "Sentinel-1",
    bands=("VH", "VV"),
    combinations=(
        bands("VV, VH, VV", 1, 0, 1),
        Combination("VV", (Channel(Operation.BAND, 1),), color_table="grey"),
        Combination("VH", (Channel(Operation.BAND, 0),), color_table="grey"),
    ),
    optional=True,
    zoom=LABEL_ZOOM,
)

LANDSAT = LayerSpec(
    LayerId("landsat"),
    LayerKind.OPTICAL,
    "Landsat",
    bands=tuple(f"B{number}" for number in range(1, 12)),
    display_bands=(3, 2, 1),
    combinations=(
        bands("True colour (B4, B3, B2)", 3, 2, 1),
        bands("False colour (B5, B4, B3)", 4, 3, 2),
        bands("SWIR (B7, B5, B4)", 6, 4, 3),
        bands("Agriculture (B6, B5, B2)", 5, 4, 1),
        Combination("Panchromatic (B8)", (Channel(Operation.BAND, 7),), color_table="grey"),
        Combination("Thermal (B10)", (Channel(Operation.BAND, 9),), color_table="inferno"),
    ),
    optional=True,
    zoom=LABEL_ZOOM,
)
"""Stored is (number - 4000) / 64: zero is not zero reflectance, hence no indices."""

NAIP = LayerSpec(LayerId("naip"), LayerKind.OPTICAL, "NAIP", bands=("red", "green", "blue"), zoom=NAIP_ZOOM)
NAIP_IR = LayerSpec(
    LayerId("naip_ir"),
    LayerKind.OPTICAL,
    "NAIP infrared",
    bands=("near infrared",),
    optional=True,
    zoom=NAIP_ZOOM,
)


@dataclass(frozen=True, slots=True)
class ImageLayer:
    """A layer of the images of a sensor: the folders that are its bands."""

    spec: LayerSpec
    bands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sensor:
    """A folder of images.

    Attributes:
        name: of the folder, without "_small".
        title: as shown to people; names a series of images over time.
        zoom: of its tiles.
        image: what the names of its images look like.
        monthly: True where images are named by their month, as those of other sensors may be.
        layers: in display order.
    """

    name: str
    title: str
    zoom: int
    image: str
    monthly: bool
    layers: tuple[ImageLayer, ...]

    @property
    def bands(self) -> tuple[str, ...]:
        """All folders of an image, in the order of the bits that stand for them."""
        return tuple(band for layer in self.layers for band in layer.bands)


_MONTH = r"\d{4}-\d{2}"

SENSORS = (
    Sensor(
        "sentinel2",
        "Sentinel-2",
        LABEL_ZOOM,
        r"S2[A-Z]_\w+",
        False,
        (ImageLayer(TCI, ("tci",)), ImageLayer(S2_BANDS, ("b05", "b06", "b07", "b08", "b11", "b12"))),
    ),
    Sensor("sentinel1", "Sentinel-1", LABEL_ZOOM, _MONTH, True, (ImageLayer(S1, ("vh", "vv")),)),
    Sensor(
        "landsat",
        "Landsat",
        LABEL_ZOOM,
        _MONTH,
        True,
        (ImageLayer(LANDSAT, tuple(f"b{band}" for band in range(1, 12))),),
    ),
    Sensor(
        "naip",
        "NAIP",
        NAIP_ZOOM,
        r"m_\d+_\w+",
        False,
        (ImageLayer(NAIP, ("tci",)), ImageLayer(NAIP_IR, ("ir",))),
    ),
)
"""In the order in which the best image of a tile is looked for."""

# Labels


def _classes(*rows: tuple[str, tuple[int, int, int]]) -> tuple[LabelClass, ...]:
    invalid = LabelClass(0, "invalid", (0, 0, 0), void=True)
    return (invalid, *(LabelClass(value, name, color) for value, (name, color) in enumerate(rows, start=1)))


_WHITE, _BLACK, _GREY = (255, 255, 255), (0, 0, 0), (128, 128, 128)

LAND_COVERS = _classes(
    ("water", (0, 0, 255)),
    ("developed", (255, 0, 0)),
    ("tree", (0, 192, 0)),
    ("shrub", (200, 170, 120)),
    ("grass", (0, 255, 0)),
    ("crop", (255, 255, 0)),
    ("bare", _GREY),
    ("snow", _WHITE),
    ("wetland", (0, 255, 255)),
    ("mangroves", (255, 0, 255)),
    ("moss", (128, 0, 128)),
)
CROP_TYPES = _classes(
    ("rice", (0, 0, 255)),
    ("grape", (255, 0, 0)),
    ("corn", (255, 255, 0)),
    ("sugarcane", (0, 255, 0)),
    ("tea", (128, 0, 128)),
    ("hop", (255, 0, 255)),
    ("wheat", (0, 128, 0)),
    ("soy", _WHITE),
    ("barley", _GREY),
    ("oats", (165, 42, 42)),
    ("rye", (0, 255, 255)),
    ("cassava", (128, 0, 0)),
    ("potato", (173, 216, 230)),
    ("sunflower", (128, 128, 0)),
    ("asparagus", (0, 128, 0)),
    ("coffee", (92, 64, 51)),
)
WATER_EVENTS = _classes(("background", (0, 255, 0)), ("water event", (0, 0, 255)))
FLOODS = _classes(("background", (0, 255, 0)), ("flood", (0, 0, 255)))
CLOUDS = _classes(("background", (0, 255, 0)), ("cloud", _WHITE), ("shadow", _GREY))
WILDFIRES = (
    LabelClass(0, "neither", _BLACK),
    LabelClass(1, "fire retardant", (255, 0, 0)),
    LabelClass(2, "burned", _GREY),
    LabelClass(3, "fire retardant and burned", (192, 64, 64)),
)
"""Bits: 1 fire retardant, 2 burned."""

POINTS = {
    "wind_turbine": (0, 255, 255),
    "lighthouse": (0, 255, 0),
    "mineshaft": (255, 255, 0),
    "aerialway_pylon": (0, 0, 255),
    "helipad": (173, 216, 230),
    "fountain": (128, 0, 128),
    "toll_booth": _WHITE,
    "chimney": (0, 128, 0),
    "communications_tower": _GREY,
    "flagpole": (165, 42, 42),
    "petroleum_well": (128, 0, 0),
    "water_tower": (255, 165, 0),
    "offshore_wind_turbine": (255, 255, 0),
    "offshore_platform": (255, 0, 0),
    "power_tower": (255, 0, 255),
    "airplane": (255, 0, 0),
    "rooftop_solar_panel": (255, 255, 0),
    "vessel": (255, 0, 0),
    "street_lamp": (75, 0, 130),
    "traffic_signals": (233, 150, 122),
}
POLYGONS = {
    "aquafarm": (255, 255, 0),
    "lock": (0, 255, 255),
    "dam": (0, 255, 0),
    "solar_farm": (0, 0, 255),
    "power_plant": (255, 0, 0),
    "gas_station": (128, 0, 128),
    "park": _WHITE,
    "parking_garage": (0, 128, 0),
    "parking_lot": _GREY,
    "landfill": (165, 42, 42),
    "quarry": (128, 0, 0),
    "stadium": (255, 165, 0),
    "airport": (255, 105, 180),
    "airport_apron": (192, 192, 192),
    "airport_hangar": (173, 216, 230),
    "airport_terminal": (32, 178, 170),
    "ski_resort": (255, 0, 255),
    "theme_park": (128, 128, 0),
    "storage_tank": (47, 79, 79),
    "silo": (255, 215, 0),
    "track": (192, 192, 192),
    "wastewater_plant": (240, 230, 140),
    "power_substation": (154, 205, 50),
    "pier": (255, 165, 0),
    "crop": (0, 192, 0),
    "water_park": (0, 192, 0),
    "ms_building": (255, 255, 0),
    "building": (255, 0, 0),
    "bridge": (64, 64, 64),
    "airstrip": (248, 248, 255),
}
POLYLINES = {
    "airport_runway": _WHITE,
    "airport_taxiway": (192, 192, 192),
    "raceway": (160, 82, 45),
    "road": _WHITE,
    "railway": (144, 238, 144),
    "river": (0, 0, 255),
}
WHOLE_TILES = {"smoke": (128, 128, 128), "snow": (240, 248, 255)}
"""Classes of a whole tile: no, partial or yes."""

CATEGORIES = tuple(
    LabelClass(value, name, color)
    for value, (name, color) in enumerate((POINTS | POLYGONS | POLYLINES | WHOLE_TILES).items(), start=1)
)
"""Keys of vector.json. Several of the official colours are alike."""


def _absent(what: str) -> str:
    return f"Not annotated: nobody looked for {what} on this tile."


def _labels(name: str, title: str, classes: tuple[LabelClass, ...], lut: tuple[int, ...] = ()) -> LayerSpec:
    return LayerSpec(
        LayerId(name),
        LayerKind.LABELS,
        title,
        classes=classes,
        lut=lut,
        optional=True,
        absent=_absent(title),
        zoom=LABEL_ZOOM,
    )


VECTOR = LayerSpec(
    LayerId("vector"), LayerKind.VECTOR, "vector", classes=CATEGORIES, optional=True, absent=_absent("objects")
)
LAND_COVER = _labels("land_cover", "land cover", LAND_COVERS)
CROP_TYPE = _labels("crop_type", "crop types", CROP_TYPES)
TREE_COVER = LayerSpec(
    LayerId("tree_cover"),
    LayerKind.QUANTITY,
    "tree cover",
    unit="%",
    nodata=0.0,
    low=0.0,
    high=100.0,
    scale=0.5,
    optional=True,
    absent=_absent("tree cover"),
    zoom=LABEL_ZOOM,
)
DEM = LayerSpec(
    LayerId("dem"),
    LayerKind.HEIGHT,
    "DEM (water depth)",
    unit="m",
    nodata=0.0,
    low=-20.0,
    high=0.0,
    scale=20 / 255,
    offset=-20.0,
    optional=True,
    absent=_absent("water depth"),
    zoom=LABEL_ZOOM,
)
"""Bathymetry of coasts: 0 is 20 m deep (or invalid), 255 is land. The documentation gives these two values only."""

WATER_EVENT = _labels("water_event", "water event", WATER_EVENTS)
FLOOD = _labels("flood", "flood", FLOODS)
CLOUD = _labels("cloud", "clouds", CLOUDS, lut=(0, 1, 2, 3, 3))
WILDFIRE = _labels("wildfire", "wildfire", WILDFIRES)
RASTER0, RASTER1 = (
    LayerSpec(
        LayerId(f"raster{number}"),
        LayerKind.OPTICAL,
        f"raster{number} (undocumented)",
        optional=True,
        absent="This tile has no such file; it belongs to an older training.",
        hidden=True,
    )
    for number in (0, 1)
)

STATIC = (VECTOR, LAND_COVER, CROP_TYPE, TREE_COVER, DEM)
"""What a static label tile may have; what it has not was not annotated."""

DYNAMIC = (WATER_EVENT, FLOOD, CLOUD, WILDFIRE)
LEGACY = (RASTER0, RASTER1)

LABEL_FILES = {
    "vector.json": VECTOR.id,
    "land_cover.png": LAND_COVER.id,
    "crop_type.png": CROP_TYPE.id,
    "tree_cover.png": TREE_COVER.id,
    "dem.png": DEM.id,
    "water_event.png": WATER_EVENT.id,
    "flood.png": FLOOD.id,
    "water.png": FLOOD.id,
    "cloud.png": CLOUD.id,
    "wildfire.png": WILDFIRE.id,
    "raster0.png": RASTER0.id,
    "raster1.png": RASTER1.id,
}
"""Names in a label folder -> layers, in display order. The task "flood" has its file under the name "water"."""

FACTS = (
    Fact("longitude", ColumnType.NUMBER, "longitude of the tile's middle, degrees east"),
    Fact("latitude", ColumnType.NUMBER, "latitude of the tile's middle, degrees north"),
    Fact("images", ColumnType.NUMBER, "number of images over time, of all sensors"),
    Fact("event", ColumnType.TEXT, "event that dynamic labels are of"),
)
