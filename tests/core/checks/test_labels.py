"""Labels that cannot be, and such as heights or pictures speak against."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from rsviewer.core.checks.check import Check
from rsviewer.core.checks.labels import CHECKS, LOOKS, class_looks, class_shares
from rsviewer.core.checks.subject import Subject
from rsviewer.core.checks.suspicion import threshold_of
from rsviewer.core.tile import LabelClass, LayerId, LayerKind, LayerSpec
from rsviewer.data.datasets.synrs3d import LAND_COVER
from tests.core.checks.subjects import odd_subjects, raster, score, signs, subject, town

BY_ID = {check.id: check for check in CHECKS}
BUILDING, TREE, WATER, ROAD, RANGELAND = 8, 5, 6, 4, 2


def check(name: str) -> Check:
    return BY_ID[name]


def looks_of(looked_at: Subject) -> dict[int, dict[str, float]]:
    found = class_looks(looked_at)
    assert found is not None
    rows = np.array(found).reshape(-1, len(LOOKS)).tolist()
    return {one.value: dict(zip(LOOKS, row, strict=True)) for one, row in zip(LAND_COVER.classes, rows, strict=True)}


# --- what is remembered


def test_shares_are_those_of_labelled_pixels_and_have_one_entry_for_every_class() -> None:
    landcover = np.full((64, 64), RANGELAND, np.uint8)
    landcover[:16] = 0  # unlabelled
    landcover[16:28] = WATER
    shares = class_shares(subject(landcover=landcover))
    assert shares is not None
    assert len(shares) == len(LAND_COVER.classes)
    assert math.isnan(shares[0])
    assert shares[RANGELAND] == pytest.approx(0.75)
    assert shares[WATER] == pytest.approx(0.25)
    assert shares[BUILDING] == 0.0


def test_nothing_is_said_of_labels_that_are_not_there() -> None:
    assert class_shares(subject(landcover=None)) is None
    assert class_looks(subject(landcover=None)) is None
    assert class_shares(subject(landcover=np.zeros((64, 64), np.uint8))) is None
    assert class_looks(subject(image=town().image)) is None


def test_looks_tell_water_from_buildings() -> None:
    place = town(size=192)
    looks = looks_of(subject(**place.layers("image", "ndsm", "landcover")))
    assert looks[BUILDING]["height"] > 3 > 0.5 > abs(looks[WATER]["height"])
    assert looks[WATER]["blue"] > looks[WATER]["red"]
    assert looks[BUILDING]["red"] > looks[BUILDING]["blue"]
    assert looks[ROAD]["thinness"] > looks[RANGELAND]["thinness"]
    assert all(math.isnan(number) for number in looks[3].values())


def test_looks_know_no_colour_without_a_picture_and_no_height_without_heights() -> None:
    looks = looks_of(subject(landcover=town().landcover))
    assert math.isnan(looks[RANGELAND]["red"])
    assert math.isnan(looks[RANGELAND]["height"])
    assert 0 < looks[RANGELAND]["thinness"] < 1


# --- values


def test_a_value_that_is_no_class_is_named_and_shown() -> None:
    landcover = town().landcover.copy()
    landcover[10:14, 20:30] = 77
    (sign,) = signs(check("unknown_class"), subject(evidence=True, landcover=landcover))
    assert sign.score == pytest.approx(100 * 40 / landcover.size)
    assert sign.message == "40 px have values that are no class: 77"
    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    assert int(sign.evidence.mask.sum()) == 40
    assert sign.evidence.mask[12, 25]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int8, np.int32, np.uint64, np.float32])
def test_values_of_any_type_are_classes(kind: type[np.generic]) -> None:
    assert score(check("unknown_class"), subject(landcover=town().landcover.astype(kind))) == 0


def test_halves_and_numbers_beyond_the_type_are_no_classes() -> None:
    landcover = town().landcover.astype(np.float64)
    landcover[0, :8] = 2.5
    landcover[1, :8] = 1e300
    assert score(check("unknown_class"), subject(landcover=landcover)) == pytest.approx(1600 / landcover.size)


def test_a_mask_of_ones_is_one_of_255_but_one_of_both_is_not() -> None:
    ones = town().change
    assert score(check("unknown_class"), subject(change=ones)) == 0
    assert score(check("unknown_class"), subject(change=ones * np.uint8(255))) == 0
    odd = ones.copy()
    odd[:4, :4] = 7
    assert score(check("unknown_class"), subject(change=odd)) == pytest.approx(100 * 16 / odd.size)


def test_pixels_that_the_file_calls_nodata_need_no_class() -> None:
    landcover = np.full((1, 32, 32), 99, np.uint8)
    landcover[:, 16:] = WATER
    looked_at = subject(landcover=raster(landcover, landcover == WATER))
    assert score(check("unknown_class"), looked_at) == 0


def test_classes_whose_values_lie_far_apart_are_found() -> None:
    far = LayerSpec(
        LayerId("far"),
        LayerKind.LABELS,
        "far",
        classes=(LabelClass(-5, "a", (0, 0, 0)), LabelClass(10**7, "b", (1, 1, 1))),
    )
    values = np.where(np.arange(64 * 64).reshape(64, 64) % 2, -5, 10**7)
    assert score(check("unknown_class"), subject(specs=[far], far=values)) == 0
    assert class_shares(subject(specs=[far], far=values)) == (0.5, 0.5)


# --- one class


def test_one_class_over_a_town_is_suspicious_and_over_water_is_not() -> None:
    dice = np.random.default_rng(1)
    sea = (60 + dice.normal(0, 4, (3, 128, 128))).astype(np.uint8)
    everything = np.full((128, 128), WATER, np.uint8)
    over_town = score(check("one_class"), subject(image=town().image, landcover=everything))
    over_sea = score(check("one_class"), subject(image=sea, landcover=everything))
    assert over_town > 2.5 * over_sea
    assert over_sea < 0.5 * check("one_class").least
    assert not signs(check("one_class"), subject(image=town().image, landcover=town().landcover))


# --- heights


def test_heights_that_fit_the_classes_are_not_suspicious() -> None:
    for seed in range(3):
        looked_at = subject(**town(seed, size=192).layers("image", "ndsm", "landcover"))
        assert score(check("height_class"), looked_at) < 10
        assert score(check("height_order"), looked_at) < 3


def test_flat_buildings_are_named_with_their_height() -> None:
    place = town(size=192)
    (sign,) = signs(
        check("height_class"),
        subject(evidence=True, ndsm=np.zeros_like(place.ndsm), **place.layers("image", "landcover")),
    )
    assert sign.score > 80
    assert sign.message.startswith("100 % of Buildings are too low: Buildings 0.0 m (median of ")
    assert sign.evidence is not None
    assert sign.evidence.mask is not None
    assert sign.evidence.mask[place.landcover == BUILDING].mean() > 0.5
    assert not sign.evidence.mask[place.landcover == RANGELAND].any()


def test_houses_called_water_are_too_high() -> None:
    place = town(size=192)
    renamed = np.where(place.landcover == BUILDING, WATER, place.landcover).astype(np.uint8)
    (sign,) = signs(check("height_class"), subject(landcover=renamed, **place.layers("image", "ndsm")))
    assert sign.score > check("height_class").least
    assert "Water is too high" in sign.message


def test_trees_over_a_road_are_not_enough() -> None:
    place = town(size=192)
    heights = place.ndsm.copy()
    road = np.flatnonzero(place.landcover == ROAD)
    heights.flat[road[: road.size // 2]] = 9.0
    looked_at = subject(ndsm=heights, **place.layers("image", "landcover"))
    assert score(check("height_class"), looked_at) < check("height_class").least


def test_the_unit_of_the_heights_counts() -> None:
    place = town(size=192)
    spec = LayerSpec(LayerId("ndsm"), LayerKind.HEIGHT, "nDSM", unit="cm")
    looked_at = subject(specs=[spec], ndsm=place.ndsm * 100, **place.layers("image", "landcover"))
    assert score(check("height_class"), looked_at) < 10
    unknown = LayerSpec(LayerId("ndsm"), LayerKind.HEIGHT, "nDSM", unit="furlong")
    assert not signs(check("height_class"), subject(specs=[unknown], ndsm=place.ndsm, landcover=place.landcover))


def test_elevations_alone_say_nothing_of_what_stands() -> None:
    assert not signs(check("height_class"), subject(**town().layers("image", "dem", "landcover")))


def test_a_surface_less_the_bare_ground_is_as_good_as_heights_above_ground() -> None:
    place = town(size=192)
    ground = LayerSpec(LayerId("dtm"), LayerKind.HEIGHT, "DTM", unit="m")
    looked_at = subject(specs=[ground], dsm=place.dsm, dtm=place.dem, **place.layers("image", "landcover"))
    assert score(check("height_class"), looked_at) < 10
    flat = subject(specs=[ground], dsm=place.dem, dtm=place.dem, **place.layers("image", "landcover"))
    assert score(check("height_class"), flat) > 80


def test_heights_of_another_place_do_not_follow_the_classes() -> None:
    place, other = town(1, size=192), town(2, size=192)
    (sign,) = signs(check("height_order"), subject(ndsm=other.ndsm, **place.layers("image", "landcover")))
    assert sign.score > 15
    assert "50 % is chance" in sign.message


# --- the picture


def test_classes_that_belong_to_their_picture_are_not_suspicious() -> None:
    for seed in range(4):
        looked_at = subject(**town(seed, size=192).layers("image", "landcover"))
        assert score(check("label_colour"), looked_at) < 0.6 * check("label_colour").least


def test_classes_of_another_place_are_unrelated() -> None:
    places = [town(seed, 192) for seed in range(4)]
    own = [score(check("label_colour"), subject(**place.layers("image", "landcover"))) for place in places]
    wrong = [
        score(check("label_colour"), subject(image=place.image, landcover=town(seed + 50, 192).landcover))
        for seed, place in enumerate(places)
    ]
    assert min(wrong) > 2 * max(own)
    assert max(wrong) > check("label_colour").least


def test_a_picture_of_one_band_or_of_16_bits_will_do() -> None:
    place = town(3, size=192)
    for image in (place.image[:1], place.image.astype(np.uint16) * 257, place.image.astype(np.float32) / 255):
        mirrored = np.ascontiguousarray(place.landcover[:, ::-1])
        own = score(check("label_colour"), subject(image=image, landcover=place.landcover))
        assert own < 0.6 * check("label_colour").least
        assert score(check("label_colour"), subject(image=image, landcover=mirrored)) > 1.2 * own


# --- anything


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(odd_subjects("landcover", "image", "ndsm", "dsm", "change", "sar", "dem"))
def test_no_tile_is_too_odd(looked_at: Subject) -> None:
    for one in CHECKS:
        for sign in signs(one, looked_at):
            assert math.isfinite(sign.score)
            assert sign.score >= 0
            assert sign.message
    shares, looks = class_shares(looked_at), class_looks(looked_at)
    assert shares is None or len(shares) == len(LAND_COVER.classes)
    assert looks is None or len(looks) == len(LAND_COVER.classes) * len(LOOKS)


def test_one_row_of_pixels_is_a_tile() -> None:
    looked_at = subject(image=np.zeros((3, 1, 3000), np.uint8), landcover=np.zeros((1, 3000), np.uint8))
    for one in CHECKS:
        assert all(math.isfinite(sign.score) for sign in signs(one, looked_at))
    class_shares(looked_at)
    class_looks(looked_at)


# --- without labels


def test_a_tile_without_labels_is_found_where_hardly_any_other_is() -> None:
    labels = town(3, 96).landcover
    unlabelled = check("unlabelled")
    some, all_of_it = labels.copy(), np.zeros_like(labels)
    some[:48] = 0
    assert score(unlabelled, subject(landcover=labels)) == 0.0
    assert score(unlabelled, subject(landcover=some)) == pytest.approx(50)
    assert score(unlabelled, subject(landcover=all_of_it)) == 100.0
    assert score(unlabelled, subject(landcover=raster(labels, valid=np.zeros(labels.shape, bool)))) == 100.0
    few = np.array([100.0, *np.zeros(99)])
    assert threshold_of(unlabelled, few).value < 100
    many = np.concatenate((np.full(10, 100.0), np.zeros(90)))
    assert threshold_of(unlabelled, many).value > 100
