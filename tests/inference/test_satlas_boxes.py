"""Objects are found as by their definitions: every step against values that were worked out one by one."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from rsviewer.inference.zoo.satlas import detecting
from rsviewer.inference.zoo.satlas.boxes import anchors, below, chosen, levels_of, moved, overlaps
from rsviewer.inference.zoo.satlas.detecting import Detector
from tests.inference import satlas_files

PIXELS = 0.05
"""That boxes may be off."""
SIZE = (96, 128)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def some_boxes(count: int, seed: int, width: float = 128, height: float = 96) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=random) * torch.tensor([width, height]) * 0.9 - 4
    return torch.cat([corner, corner + torch.rand(count, 2, generator=random) * 40 + 0.5], 1)


def overlap(one: list[float], other: list[float]) -> float:
    across = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    down = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return across * down / (sum(areas) - across * down)


def greedy(boxes: Tensor, scores: Tensor, most: float) -> list[int]:
    """One by one, the best first."""
    listed, kept = boxes.tolist(), []
    for place in sorted(range(len(listed)), key=lambda place: -float(scores[place])):
        if all(overlap(listed[place], listed[better]) <= most for better in kept):
            kept.append(place)
    return kept


@pytest.mark.parametrize("most", [0.1, 0.5, 0.7])
@pytest.mark.parametrize("seed", range(3))
def test_of_overlapping_boxes_the_surest_stay(seed: int, most: float) -> None:
    boxes = some_boxes(200, seed)
    scores = torch.rand(200, generator=torch.Generator().manual_seed(seed + 10))
    assert chosen(boxes, scores, most).tolist() == greedy(boxes, scores, most)
    assert overlaps(boxes[:1], boxes[1:2]).item() == pytest.approx(overlap(boxes[0].tolist(), boxes[1].tolist()))


def test_a_chain_of_overlaps_is_taken_from_its_best_end() -> None:
    row = torch.arange(40.0)
    boxes = torch.stack([row, torch.zeros(40), row + 1.9, torch.ones(40)], 1)
    assert chosen(boxes, torch.linspace(1, 0, 40), 0.2).tolist() == list(range(0, 40, 2))


def test_nothing_is_chosen_from_nothing() -> None:
    assert chosen(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []


def bilinear(one: Tensor, y: float, x: float) -> Tensor:
    height, width = one.shape[1:]
    if y < -1 or y > height or x < -1 or x > width:
        return torch.zeros(one.shape[0])
    y, x = max(y, 0.0), max(x, 0.0)
    top, left = min(int(y), height - 1), min(int(x), width - 1)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down = 0.0 if top >= height - 1 else y - top
    across = 0.0 if left >= width - 1 else x - left
    upper = one[:, top, left] * (1 - across) + one[:, top, right] * across
    lower = one[:, bottom, left] * (1 - across) + one[:, bottom, right] * across
    return upper * (1 - down) + lower * down


def aligned(maps: list[Tensor], boxes: Tensor, cells: int) -> Tensor:
    """Cell by cell, sample by sample."""
    found = torch.zeros(len(boxes), maps[0].shape[0], cells, cells)
    for number, box in enumerate(boxes.tolist()):
        side = math.sqrt((box[2] - box[0]) * (box[3] - box[1]))
        level = min(max(math.floor(4 + math.log2(side / 224) + 1e-6), 2), 5) - 2
        left, top, right, bottom = (value / (4 * 2**level) for value in box)
        width, height = max(right - left, 1.0) / cells, max(bottom - top, 1.0) / cells
        for row in range(cells):
            for column in range(cells):
                samples = [
                    bilinear(maps[level], top + (row + dy) * height, left + (column + dx) * width)
                    for dy in (0.25, 0.75)
                    for dx in (0.25, 0.75)
                ]
                found[number, :, row, column] = torch.stack(samples).mean(0)
    return found


@pytest.mark.parametrize("cells", [7, 14])
def test_what_lies_below_boxes_is_the_mean_of_their_samples(cells: int) -> None:
    random = torch.Generator().manual_seed(2)
    maps = [torch.rand(3, 96 // 4 >> n, 128 // 4 >> n, generator=random) for n in range(4)]
    boxes = torch.cat([some_boxes(12, 1), torch.tensor([[-9.0, -9, 140, 110], [100, 80, 180, 150], [5, 5, 5.5, 5.2]])])
    large = torch.tensor([[0.0, 0, 900, 700], [10, 10, 330, 240]])
    boxes = torch.cat([boxes, large])
    assert len(levels_of(boxes, 4).unique()) == 4
    assert (below(maps, boxes, cells) - aligned(maps, boxes, cells)).abs().max() <= 1e-4


def test_anchors_lie_around_every_place_of_a_map() -> None:
    found = anchors(32, (0.5, 1.0, 2.0), (2, 3), (4, 8))
    assert found.shape == (2 * 3 * 3, 4)
    assert found[1].tolist() == [-16, -16, 16, 16]
    assert found[0].tolist() == [-23, -11, 23, 11]  # 45.25 x 22.63, half of it rounded
    assert found[3 * 4 + 1].tolist() == [-16 + 8, -16 + 4, 16 + 8, 16 + 4]  # second row, second column


def test_boxes_are_moved_in_sizes_of_themselves() -> None:
    box = torch.tensor([[10.0, 20, 30, 60]])
    assert moved(box, torch.tensor([[0.5, -0.25, math.log(2), 100.0]]))[0].tolist() == pytest.approx(
        [10.0, 30 - 40 * 62.5 / 2, 50.0, 30 + 40 * 62.5 / 2], abs=1e-3
    )


def detector(code: str) -> tuple[Detector, dict[str, Tensor]]:
    """A head with random numbers that move boxes a little, and finds something."""
    tensors = {
        name.removeprefix("heads.0."): one for name, one in satlas_files.numbers(satlas_files.head(0, code), 4).items()
    }
    for name in ("rpn.head.bbox_pred.weight", "roi_heads.box_predictor.bbox_pred.weight"):
        tensors[name] = tensors[name] * 0.2
    made = Detector(int(code[1:]), masks=code[0] == "I")
    made.load_state_dict(tensors, strict=True)
    return made.eval(), tensors


def found_one_by_one(levels: list[Tensor], part: dict[str, Tensor], classes: int) -> list[list[float]]:
    """The definition, written down step by step."""
    height, width = SIZE
    proposals: list[tuple[float, list[float]]] = []
    for n, one in enumerate(levels):
        side, stride = 32 * 2**n, 4 * 2**n
        seen = functional.conv2d(
            one, part["rpn.head.conv.0.0.weight"], part["rpn.head.conv.0.0.bias"], padding=1
        ).relu()
        logits = functional.conv2d(seen, part["rpn.head.cls_logits.weight"], part["rpn.head.cls_logits.bias"])[0]
        deltas = functional.conv2d(seen, part["rpn.head.bbox_pred.weight"], part["rpn.head.bbox_pred.bias"])[0]
        rows = []
        for y in range(logits.shape[1]):
            for x in range(logits.shape[2]):
                for a, ratio in enumerate((0.5, 1.0, 2.0)):
                    w, h = side / math.sqrt(ratio), side * math.sqrt(ratio)
                    corner = [x * stride + round(-w / 2), y * stride + round(-h / 2)]
                    w, h = 2.0 * round(w / 2), 2.0 * round(h / 2)
                    box = shifted([*corner, corner[0] + w, corner[1] + h], deltas[4 * a : 4 * a + 4, y, x].tolist())
                    rows.append((float(logits[a, y, x]), clipped(box, width, height)))
        rows = [row for row in sorted(rows, key=lambda row: -row[0])[:2000] if wide(row[1], 1e-3)]
        kept = greedy(torch.tensor([box for _, box in rows]), torch.tensor([score for score, _ in rows]), 0.7)
        proposals += [rows[place] for place in kept]
    boxes = torch.tensor([box for _, box in sorted(proposals, key=lambda row: -row[0])[:2000]])
    flat = aligned([one[0] for one in levels], boxes, 7).flatten(1)
    for name in ("fc6", "fc7"):
        names = (f"roi_heads.box_head.{name}.{kind}" for kind in ("weight", "bias"))
        flat = functional.linear(flat, *(part[each] for each in names)).relu()
    name = "roi_heads.box_predictor."
    scores = functional.linear(flat, part[f"{name}cls_score.weight"], part[f"{name}cls_score.bias"]).softmax(1)
    deltas = functional.linear(flat, part[f"{name}bbox_pred.weight"], part[f"{name}bbox_pred.bias"])
    found: list[list[float]] = []
    for label in range(1, classes):
        own = []
        for k, box in enumerate(boxes.tolist()):
            delta = [d / s for d, s in zip(deltas[k, 4 * label : 4 * label + 4].tolist(), (10, 10, 5, 5), strict=True)]
            better = clipped(shifted(box, delta), width, height)
            if scores[k, label] > 0.05 and wide(better, 1e-2):
                own.append([*better, label, float(scores[k, label])])
        if own:
            rows_ = torch.tensor(own)
            found += [own[place] for place in greedy(rows_[:, :4], rows_[:, 5], 0.5)]
    return sorted(found, key=lambda row: -row[5])[:100]


def shifted(box: list[float], delta: list[float]) -> list[float]:
    w, h = box[2] - box[0], box[3] - box[1]
    x, y = box[0] + w / 2 + delta[0] * w, box[1] + h / 2 + delta[1] * h
    w, h = w * math.exp(min(delta[2], math.log(62.5))), h * math.exp(min(delta[3], math.log(62.5)))
    return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


def clipped(box: list[float], width: int, height: int) -> list[float]:
    return [min(max(value, 0.0), limit) for value, limit in zip(box, (width, height, width, height), strict=True)]


def wide(box: list[float], least: float) -> bool:
    return box[2] - box[0] >= least and box[3] - box[1] >= least


def maps(seed: int = 6) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(1, 128, SIZE[0] // 4 >> n, SIZE[1] // 4 >> n, generator=random) for n in range(4)]


def test_objects_are_those_of_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    head, tensors = detector("D3")
    levels = [one * 0.5 for one in maps()]
    monkeypatch.setattr(detecting, "ANCHOR_SIDES", (32, 64, 128, 256))
    with torch.inference_mode():
        found = head(tuple(levels), SIZE, torch.zeros(3, dtype=torch.bool))[0]
        wanted = torch.tensor(found_one_by_one(levels, tensors, 3))
    assert int((found[:, 5] > 0).sum()) == len(wanted) > 5
    found = found[: len(wanted)]
    assert (found[:, :4] - wanted[:, :4]).abs().max() <= PIXELS
    assert torch.equal(found[:, 4], wanted[:, 4])
    assert (found[:, 5] - wanted[:, 5]).abs().max() <= 1e-4


def test_masks_are_those_of_each_objects_own_class() -> None:
    head, part = detector("I3")
    levels = [one * 0.5 for one in maps()]
    with torch.inference_mode():
        found = head(tuple(levels), SIZE, torch.zeros(3, dtype=torch.bool))[0]
        found = found[found[:, 5] > 0][:4]
        seen = aligned([one[0] for one in levels], found[:, :4], 14)
        for i in range(4):
            names = (f"roi_heads.mask_head.{i}.0.{kind}" for kind in ("weight", "bias"))
            seen = functional.conv2d(seen, *(part[name] for name in names), padding=1).relu()
        name = "roi_heads.mask_predictor."
        seen = functional.conv_transpose2d(
            seen, part[f"{name}conv5_mask.weight"], part[f"{name}conv5_mask.bias"], 2
        ).relu()
        logits = functional.conv2d(seen, part[f"{name}mask_fcn_logits.weight"], part[f"{name}mask_fcn_logits.bias"])
    wanted = torch.stack([logits[k, int(found[k, 4])].sigmoid() for k in range(len(found))])
    assert (found[:, 6:].reshape(-1, 28, 28) - wanted).abs().max() <= 1e-3


def test_hidden_classes_are_not_found() -> None:
    head, _ = detector("D3")
    with torch.inference_mode():
        found = head(tuple(maps()), SIZE, torch.tensor([False, True, False]))[0]
    assert set(found[found[:, 5] > 0][:, 4].tolist()) == {2.0}
