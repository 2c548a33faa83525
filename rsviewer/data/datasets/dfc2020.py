"""DFC2020: the data fusion contest of the IEEE GRSS in 2020, with SEN12MS as its training data.

Source: https://ieee-dataport.org/competitions/2020-ieee-grss-data-fusion-contest; repacked in Copernicus-Bench,
https://huggingface.co/datasets/wangyi111/Copernicus-Bench. Licence CC BY 4.0. Citation: M. Schmitt, L. Hughes, P. Ghamisi,
N. Yokoya, R. Haensch, "2020 IEEE GRSS Data Fusion Contest", IEEE DataPort, 2019.

Layout, names of files as in SEN12MS (see `sen12ms`), the part of the contest in the place of the season:

    ROIs0000_validation/{s1_validation,s2_validation,lc_validation,dfc_validation}/ROIs0000_validation_s2_0_p0.tif
    ROIs0000_test/{s1_0,s2_0,lc_0,dfc_0}/ROIs0000_test_dfc_0_p609.tif
    dfc2020_s1s2/{s1,s2,dfc}/...  and  dfc-train-new.csv      Copernicus-Bench; the lists name a file of dfc a line

The scene is always 0, also in folders that say "validation", and some copies have s1_0 there.

Tiles: 986 for validation, 5,128 for test, 256 x 256, 10 m. `dfc` is land cover at 10 m, uint8 (int32 in Copernicus-Bench, where
S1 is float64), in the simplified scheme; savanna and snow do not occur. The other layers are those of SEN12MS.

Validity: as in SEN12MS; 0 is not labelled. The georeference is a dummy (no transform, EPSG:4326): there is no map.
"""

from collections.abc import Sequence
from pathlib import Path

from rsviewer.core.filters import ColumnType
from rsviewer.core.splits import SplitList
from rsviewer.data.adapter import Fact
from rsviewer.data.catalogue import natural, place_name, suffix_of
from rsviewer.data.datasets.sen12ms import PARTS, Sen12msAdapter, names_tile
from rsviewer.data.lists import read_split_list


class Dfc2020Adapter(Sen12msAdapter):
    """DFC2020, and what Copernicus-Bench has made of it."""

    name = "dfc2020"
    title = "DFC2020"
    expects = "folders ROIs0000_validation/s1_validation or ROIs0000_test/s1_0, with ROIs0000_test_s1_0_p0.tif ..."

    parts = PARTS
    part = Fact("part", ColumnType.TEXT, "validation or test, as the folders have it")
    list_suffixes = (".txt", ".csv")

    def _lists(self, paths: Sequence[str], root: Path, problems: list[str]) -> dict[Path, SplitList]:
        """Texts, and the tables of Copernicus-Bench, which have one column and no header."""
        lists = super()._lists(paths, root, problems)
        for path in (Path(path) for path in sorted(paths, key=natural) if suffix_of(path) == "csv"):
            try:
                split = read_split_list(self._tree, path, root, "")
            except OSError as error:
                problems.append(f"The list {place_name(path)} cannot be read: {error.strerror}.")
                continue
            if split.lines and names_tile(split.lines[0].text):
                lists[path] = split
        return lists
