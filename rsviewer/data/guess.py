"""What a folder holds, guessed from its name. Guesses are offered to people; a documented format knows better."""

import re
from collections.abc import Collection

from rsviewer.core.classes import CHANGED_COLOR, UNCHANGED_COLOR
from rsviewer.core.tile import LabelClass, LayerId, LayerKind

KIND_WORDS: tuple[tuple[LayerKind, frozenset[str]], ...] = (
    (LayerKind.TEXT, frozenset({"text", "texts", "prompt", "prompts", "textprompt", "caption", "captions"})),
    (LayerKind.OPTICAL, frozenset({"color", "colour", "colored", "hillshade"})),
    (
        LayerKind.HEIGHT,
        frozenset({"dem", "dsm", "dtm", "ndsm", "ndem", "chm", "hag", "agl", "height", "heights", "depth", "depths"})
        | frozenset({"elevation", "elev", "altitude", "srtm", "terrain", "disparity"}),
    ),
    (LayerKind.SAR, frozenset({"sar", "s1", "sentinel1", "vv", "vh"})),
    (LayerKind.MASK, frozenset({"cd", "change", "changes", "binary", "cloudmask", "flood"})),
    (
        LayerKind.LABELS,
        frozenset({"label", "labels", "lc", "landcover", "landuse", "lulc", "ss", "seg", "segmentation", "semantic"})
        | frozenset({"gt", "ann", "annotation", "annotations", "class", "classes", "nlcd", "mask", "masks", "target"})
        | frozenset({"predict", "prediction", "predictions", "pred", "preds", "reference"}),
    ),
    (
        LayerKind.OPTICAL,
        frozenset({"image", "images", "img", "imgs", "im", "rgb", "opt", "optical", "photo", "photos", "ortho", "sat"})
        | frozenset({"pre", "post", "before", "after", "irc", "cir", "nir", "tci", "naip", "s2", "sentinel2", "top"})
        | frozenset({"a", "b", "t1", "t2", "im1", "im2", "image1", "image2", "img1", "img2", "time1", "time2"})
        | frozenset({"tif", "png", "jpg", "left", "right", "view", "planet", "landsat", "pan", "ms"}),
    ),
)
"""Kind -> words of a name that tell it. The first row with one of its words decides: gt_nDSM is HEIGHT."""

DATE_PAIRS: tuple[tuple[str, str], ...] = (
    ("pre", "post"),
    ("before", "after"),
    ("a", "b"),
    ("t1", "t2"),
    ("time1", "time2"),
    ("im1", "im2"),
    ("img1", "img2"),
    ("image1", "image2"),
)
"""Words that tell the two images of a change set apart, the earlier first."""

CHANGE = (LabelClass(0, "No change", UNCHANGED_COLOR), LabelClass(255, "Change", CHANGED_COLOR))
"""The states of a change mask. Masks that are stored as 0 and 1 are understood, too."""

KINDS_IN_ORDER = (LayerKind.OPTICAL, LayerKind.SAR, LayerKind.HEIGHT, LayerKind.LABELS, LayerKind.MASK, LayerKind.TEXT)
"""The order in which layers are shown."""

PREDICTION_WORDS = frozenset({"predict", "prediction", "predictions", "pred", "preds"})


def words_of(name: str) -> list[str]:
    """The lower-case words of a name: "gt_nDSM" -> gt, ndsm; "preSplitDEM-A" -> pre, split, dem, a."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])|(?<=[a-z]{2})(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[\W_]+", split.lower()) if word]


def kind_of(name: str) -> LayerKind | None:
    """What a folder called `name` holds; None where the name does not tell."""
    words = set(words_of(name)) | {name.lower()}
    return next((kind for kind, known in KIND_WORDS if words & known), None)


def unit_of(name: str, kind: LayerKind) -> str:
    """Metres for heights, unless the name says that they are scaled to 8 bits or are not metric."""
    scaled = {"255", "8bit", "depth", "depths", "disparity"} & set(words_of(name))
    return "m" if kind is LayerKind.HEIGHT and not scaled else ""


def dates_of(names: Collection[str]) -> dict[str, str]:
    """Name -> "pre" or "post" where two of `names` differ only by the words of one of DATE_PAIRS."""
    dates: dict[str, str] = {}
    by_words = {tuple(words_of(name)): name for name in names}
    for words, name in by_words.items():
        for early, late in DATE_PAIRS:
            twin = by_words.get(tuple(late if word == early else word for word in words))
            if twin is not None and twin != name and {name, twin}.isdisjoint(dates):
                dates |= {name: "pre", twin: "post"}
    return dates


def layer_id(name: str, taken: Collection[str] = ()) -> LayerId:
    """A layer id made of `name`, different from those in `taken`."""
    words = "_".join(re.findall(r"[a-z0-9]+", name.lower())) or "layer"
    base = words if words[0].isalpha() else f"layer_{words}"
    candidates = (base if number == 1 else f"{base}_{number}" for number in range(1, len(taken) + 2))
    return LayerId(next(candidate for candidate in candidates if candidate not in taken))


def title_of(name: str) -> str:
    """`name` for people: "gt_ss_mask" -> "gt ss mask"."""
    return name.replace("_", " ").strip() or name
