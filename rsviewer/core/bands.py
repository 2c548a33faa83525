"""Names of bands that mean the same light, or the same polarisation."""

import re
from collections.abc import Mapping, Sequence

_NAMES: Mapping[str, tuple[str, ...]] = {
    "red": ("r",),
    "green": ("g",),
    "blue": ("b",),
    "nir": ("nearinfrared", "infrared", "ir"),
    "rededge": ("re",),
    "coastal": ("coastalaerosol", "coastalblue"),
    "yellow": (),
    "pan": ("panchromatic",),
    "swir1": ("swir16", "shortwaveinfrared1"),
    "swir2": ("swir22", "shortwaveinfrared2"),
    "vv": (),
    "vh": (),
    "hh": (),
    "hv": (),
}
"""Band -> other names of it. Signs, spaces and case do not count."""

_SENTINEL2: Mapping[str, str] = {
    "1": "coastal",
    "2": "blue",
    "3": "green",
    "4": "red",
    "5": "rededge1",
    "6": "rededge2",
    "7": "rededge3",
    "8": "nir",
    "8a": "narrownir",
    "9": "watervapour",
    "10": "cirrus",
    "11": "swir1",
    "12": "swir2",
}
"""Number of a band of Sentinel-2's MSI -> what it is."""

_NUMBERED = re.compile(r"(b|band)(0?)(\d{1,2}a?)")
_VISIBLE = {"2", "3", "4"}

_BY_NAME = {band: band for band in _SENTINEL2.values()}
_BY_NAME |= {name: band for band, others in _NAMES.items() for name in (band, *others)}


def bands_of(names: Sequence[str]) -> tuple[str, ...]:
    """What the bands of a layer are, as "red", "nir", "swir1", "vv"; empty for those of which nobody knows.

    Args:
        names: of all bands of the layer. Numbers count only where other names show that they are those of Sentinel-2: band 4 is
            red there and on Landsat 8, but infrared on Landsat 7, and just the fourth in many files.
    """
    plain = [re.sub(r"[\W_]+", "", name.casefold()) for name in names]
    numbered = [_NUMBERED.fullmatch(name) for name in plain]
    is_sentinel = _is_sentinel2([found for found in numbered if found])
    return tuple(
        _SENTINEL2.get(found[3], "") if found and is_sentinel else _BY_NAME.get(name, "")
        for name, found in zip(plain, numbered, strict=True)
    )


def found_bands(wanted: Sequence[str], names: Sequence[str]) -> tuple[int, ...] | None:
    """Where bands stand in a layer, by the very same names or by what they are; None where one is not found.

    Args:
        wanted: names of the bands that are needed, in their order.
        names: of all bands of the layer.
    """
    meant, known = bands_of(wanted), bands_of(names)
    same = [name.casefold() for name in names]
    places = []
    for name, band in zip(wanted, meant, strict=True):
        if name.casefold() in same:
            places.append(same.index(name.casefold()))
        elif band and band in known:
            places.append(known.index(band))
        else:
            return None
    return tuple(places)


def _is_sentinel2(numbered: Sequence[re.Match[str]]) -> bool:
    """Whether numbers of bands are those of Sentinel-2: its own 8A, or a choice that nobody else makes.

    The Landsat files of HLS are written B02, too, but have no B08 and no B12. Bands 1, 2, 3 ... are of any file.
    """
    numbers = {found[3] for found in numbered}
    if "8a" in numbers:
        return True
    if not numbers >= _VISIBLE or numbers == {str(number) for number in range(1, len(numbers) + 1)}:
        return False
    as_sentinel = all(found[1] == "b" and (found[2] or len(found[3]) > 1) for found in numbered)  # B02, but B11
    return "12" in numbers or (as_sentinel and ("8" in numbers or numbers == _VISIBLE))
