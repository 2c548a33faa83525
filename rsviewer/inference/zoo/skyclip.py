"""SkyCLIP: images and texts as points, close to each other where one says what is in the other (Wang et al., AAAI 2024).

The authors' files (epoch_20.pt) are checkpoints of open_clip: the network under "state_dict", every name behind "module.", and
the optimizer, which is never read. transformers' CLIP holds the same numbers under other names. Two things are not in a file:

- the activation. The ViT-L/14 files need x * sigmoid(1.702 x), since they go on from OpenAI's weights, the ViT-B/32 file the
  exact GELU, since it goes on from LAION's. A wrong one is silent: everything loads, and the answers are a little worse.
- the vocabulary, see `cliptext`.
"""

import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard
from rsviewer.core.prediction import Score
from rsviewer.core.prompts import takes_words
from rsviewer.inference.assembly import Found
from rsviewer.inference.zoo.checkpoints import Tensors, check_claim, mappings, read_saved, shape_of, some
from rsviewer.inference.zoo.cliptext import CONTEXT, END, SIZE, START, Tokens, tokens
from rsviewer.inference.zoo.network import Answers

TEMPLATES = ("a satellite photo of {}.", "a satellite image of {}")
"""What is made of a class: the two of SkyScript's zero-shot evaluation, the second without a full stop."""
OF_AN_IMAGE = "a satellite image. "
"""Stands before captions that were written for other datasets than SkyScript, as in the authors' retrieval."""
IMAGE = re.compile(r"\b(?:satellite|aerial|remote sensing)\b", re.IGNORECASE)
SHARPNESS = 100.0
"""Cosines are multiplied by this before the softmax, as in the authors' evaluation."""
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of shares of full brightness."""
ACTIVATIONS: Mapping[int, str] = {768: "gelu", 1024: "quick_gelu"}
"""Width of the image encoder -> activation. The setting `activation` of a card overrules it."""
HEAD = 64
"""Channels of an attention head, in both encoders."""
MARK = "visual.conv1.weight"
AT_ONCE = 32
"""Texts that are encoded together."""
REMEMBERED = 20_000
"""Texts whose features are kept: 60 MB of ViT-L/14."""
SLIMMEST = 50
"""A tile that is so many times as long as wide is refused: no square of it is what was meant."""
MOST_WIDTH, MOST_BLOCKS = 8192, 128

Features: TypeAlias = NDArray[np.float32]


class SkyClip:
    """A `Network` that beholds whole tiles.

    Args:
        model: transformers' CLIPModel.
        side: of the square that it looks at, in pixels.
        read: makes numbers of texts.
        device: where it is.
    """

    def __init__(self, model: nn.Module, side: int, read: Tokens, device: torch.device) -> None:
        self._model: Any = model  # its parts are known by name only
        self._read = read
        self._device = device
        self._side = side
        self._known: OrderedDict[str, Features]
        self._classes: tuple[tuple[str, ...], Features]
        self.forget()

    def forget(self) -> None:
        """See `Keeping.forget`: what texts were made of."""
        self._known = OrderedDict()
        self._classes = ((), np.zeros((0, 0), np.float32))

    def look(self, fitted: Fitted) -> Found:
        """The features of a tile, the probabilities of the classes asked for, and how well its caption fits.

        What is known of image and caption is not made again: other words cost only what reads them.
        """
        features = self._known_features(fitted.features)
        if features is None:
            features = self._image_features(prepared(fitted.pixels, self._side))
        found = Found(features=features)
        if fitted.words:
            found.scores = chosen(fitted.words, self.class_features(fitted.words) @ features)
        if fitted.caption:
            known = self._known_features(fitted.caption_features)
            found.caption_features = self.read([fitted.caption])[0] if known is None else known
            found.similarity = float(found.caption_features @ features)
        return found

    def forward(self, windows: Tensor) -> Answers:
        """Windows tell nothing: see `look`."""
        raise ModelError(f"This network takes whole tiles, not windows such as {shape_of(windows)}.")

    def move(self, device: torch.device) -> None:
        """See `Network.move`."""
        self._model.to(device)
        self._device = device

    def read(self, texts: Sequence[str]) -> Features:
        """See `Reading.read`. What does not say that it is of an image gets the words before it that the authors give it."""
        return self.text_features([text if IMAGE.search(text) else f"{OF_AN_IMAGE}{text}" for text in texts])

    def text_features(self, texts: Sequence[str]) -> Features:
        """(texts, n), each of length 1. Those that were asked for before are remembered."""
        unknown = [text for text in dict.fromkeys(texts) if text not in self._known]
        by_length = sorted(zip(self._read(unknown), unknown, strict=True), key=lambda pair: len(pair[0]))
        fresh: dict[str, Features] = {}
        for first in range(0, len(by_length), AT_ONCE):
            part = by_length[first : first + AT_ONCE]
            rows = self._encoded([numbers for numbers, _ in part])
            fresh |= {text: row for (_, text), row in zip(part, rows, strict=True)}
        found = np.stack([fresh[text] if text in fresh else self._known[text] for text in texts])
        for text in texts:
            self._known[text] = fresh.get(text, self._known.get(text, found[0]))
            self._known.move_to_end(text)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    def class_features(self, words: tuple[str, ...]) -> Features:
        """(words, n), each of length 1: the mean of what the templates make of a class."""
        if self._classes[0] != words:
            said = self.text_features([template.format(word) for word in words for template in TEMPLATES])
            self._classes = (words, _of_length_one(said.reshape(len(words), len(TEMPLATES), -1).mean(axis=1)))
        return self._classes[1]

    def _known_features(self, features: Features | None) -> Features | None:
        """Features that were kept, of length 1 again; None where there are none of this network."""
        if (
            features is None
            or features.shape != (self._model.config.projection_dim,)
            or not np.isfinite(features).all()
        ):
            return None
        return _of_length_one(features)

    def _image_features(self, image: Features) -> Features:
        pixels = torch.from_numpy(image)[None].to(self._device)
        pooled = self._model.vision_model(pixel_values=pixels).pooler_output
        features: Features = _of_length_one(self._model.visual_projection(pooled).float().cpu().numpy())[0]
        return features

    def _encoded(self, texts: Sequence[Sequence[int]]) -> Features:
        """Texts are only looked at up to their end: what fills up the others makes no difference."""
        longest = max(map(len, texts))
        numbers = torch.tensor([[*text, *[END] * (longest - len(text))] for text in texts], device=self._device)
        pooled = self._model.text_model(input_ids=numbers).pooler_output
        return _of_length_one(self._model.text_projection(pooled).float().cpu().numpy())


def load(card: ModelCard, weights: Path, device: torch.device) -> SkyClip:
    """The network of a published file, or of a state_dict in its layout.

    Args:
        card: with one output, a scene whose classes are prompts. `settings` may have `activation`: "gelu" or "quick_gelu".
        weights: a .pt file. Its numbers are mapped, not copied, as long as the network stays on the processor.
        device: where it runs.

    Raises:
        ModelError: see `Network`; also where CLIP's vocabulary is not here.
    """
    if not takes_words(card) or len(card.outputs) != 1:
        raise ModelError(f'The card of {card.id} must have one output, kind = "scene" with scores = "prompts".')
    if card.band_count != len(MEAN):
        raise ModelError(f"The card of {card.id} gives {card.band_count} bands: SkyCLIP takes red, green and blue.")
    _check_packed(weights)
    tensors = _network(read_saved(weights, "SkyCLIP", card.weights.nbytes), weights)
    check_claim(tensors, weights)
    layout = _Layout.of(tensors, weights)
    model = _build(layout, _activation(card, layout, weights))
    _fill(model, layout, tensors, weights)
    read = tokens(card.title, weights)
    network = SkyClip(model, layout.side, read, device)
    network.move(device)
    return network


def prepared(pixels: NDArray[Any], side: int) -> Features:
    """A tile as the image encoder takes it: shorter side to `side` (bicubic), the middle square, normalised.

    The same numbers as torchvision's Resize, CenterCrop, ToTensor and Normalize make of an image.

    Args:
        pixels: (3, h, w), 0..255.
        side: of the square, in pixels.

    Returns:
        (3, side, side).

    Raises:
        ModelError: the tile is too slim.
    """
    _, height, width = pixels.shape
    if max(height, width) > SLIMMEST * min(height, width):
        raise ModelError(f"The tile has {width:,} x {height:,} pixels: SkyCLIP looks at a square, and this has none.")
    if pixels.dtype != np.uint8:
        pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, 2)))
    shorter = min(width, height)
    size = (int(side * width / shorter), int(side * height / shorter))
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = (round((length - side) / 2) for length in size)
    square = np.asarray(image.crop((left, top, left + side, top + side)), np.float32) / np.float32(255)
    normal = (square - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return np.ascontiguousarray(np.moveaxis(normal, 2, 0))


def chosen(words: Sequence[str], cosines: Features) -> tuple[Score, ...]:
    """Every class with its probability, the likeliest first.

    Raises:
        ModelError: the cosines are not numbers.
    """
    if not np.isfinite(cosines).all():
        raise ModelError(
            "SkyCLIP gives no numbers for this tile, but NaN or infinity. Choose float32, or other weights."
        )
    powers = np.exp(SHARPNESS * (cosines.astype(np.float64) - cosines.max()))
    probabilities = (powers / powers.sum()).tolist()
    order = np.argsort(-cosines, kind="stable").tolist()
    return tuple(Score(words[place], probabilities[place]) for place in order)


def _of_length_one(rows: Features) -> Features:
    """(rows, n). NaN stays NaN."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)


# --- the file


def _check_packed(path: Path) -> None:
    """Raises ModelError for the archive that the authors publish: what is in it can be mapped, the archive cannot."""
    try:
        with zipfile.ZipFile(path) as archive:
            inner = next((name for name in archive.namelist() if name.lower().endswith((".pt", ".pth"))), None)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return  # what it is instead is said by `read_saved`
    if inner is not None:
        raise ModelError(
            f"{path.name} is the archive with the weights in it: unpack it, and add {inner.rpartition('/')[2]}."
        )


def _network(held: object, path: Path) -> Tensors:
    """The network in what a file holds, its names without the "module." that training on several GPUs puts before them."""
    for one in mappings(held):
        for prefix in ("module.", ""):
            if f"{prefix}{MARK}" in one:
                return {
                    name.removeprefix(prefix): tensor
                    for name, tensor in one.items()
                    if isinstance(name, str) and isinstance(tensor, Tensor) and name.startswith(prefix)
                }
    first = next((list(one) for one in mappings(held) if any(isinstance(each, Tensor) for each in one.values())), [])
    told = f", but {some(str(name) for name in first)}" if first else ""
    raise ModelError(f"{path.name} is no SkyCLIP model: it holds no {MARK}{told}.")


@dataclass(frozen=True, slots=True)
class _Encoder:
    """Sizes of one of the two encoders."""

    width: int
    hidden: int
    blocks: int


@dataclass(frozen=True, slots=True)
class _Layout:
    """Sizes of a network, as its file shows them."""

    image: _Encoder
    text: _Encoder
    patch: int
    side: int
    features: int

    @classmethod
    def of(cls, tensors: Tensors, path: Path) -> "_Layout":
        def shape(name: str, axes: int) -> tuple[int, ...]:
            if name not in tensors:
                raise ModelError(f"{path.name} is not complete, or no SkyCLIP model: it lacks {name}.")
            found = tuple(tensors[name].shape)
            if len(found) != axes:
                raise ModelError(f"{path.name} is no SkyCLIP model: {name} has shape {shape_of(tensors[name])}.")
            return found

        def encoder(tower: str, width: int) -> _Encoder:
            start = f"{tower}transformer.resblocks."
            blocks = {name.removeprefix(start).partition(".")[0] for name in tensors if name.startswith(start)}
            return _Encoder(width, shape(f"{start}0.mlp.c_fc.weight", 2)[0], len(blocks))

        width, bands, patch, _ = shape(MARK, 4)
        places, _ = shape("visual.positional_embedding", 2)
        words, read = shape("token_embedding.weight", 2)
        context, _ = shape("positional_embedding", 2)
        grid = round((places - 1) ** 0.5)
        found = cls(encoder("visual.", width), encoder("", read), patch, grid * patch, shape("text_projection", 2)[1])
        fits = (bands, words, context, grid * grid + 1) == (len(MEAN), SIZE, CONTEXT, places)
        for part in (found.image, found.text):
            fits &= not part.width % HEAD and part.width <= MOST_WIDTH and part.hidden <= 8 * MOST_WIDTH
            fits &= min(part.width, part.hidden, patch, grid, found.features) > 0 and part.blocks <= MOST_BLOCKS
        if not fits:
            raise ModelError(f"{path.name} is another network than SkyCLIP: a ViT of CLIP that reads {CONTEXT} tokens.")
        return found


def _activation(card: ModelCard, layout: _Layout, path: Path) -> str:
    """Raises ModelError where nobody knows it."""
    said = card.settings.get("activation", ACTIVATIONS.get(layout.image.width, ""))
    if said in set(ACTIVATIONS.values()):
        return str(said)
    raise ModelError(
        f"{path.name} has {layout.image.width} channels, and nobody knows its activation: write activation = "
        f'"gelu" (for weights that go on from LAION\'s) or "quick_gelu" (from OpenAI\'s) under [settings] of its card.'
    )


def _build(layout: _Layout, activation: str) -> nn.Module:
    """CLIP without numbers: on the meta device, so that nothing is filled in that is thrown away."""
    try:
        from transformers import CLIPConfig, CLIPModel
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision that does not fit torch
        raise ModelError(
            f"SkyCLIP needs transformers 5, which cannot be loaded here ({error}): pip install 'rsviewer[models]', "
            "and no torchvision beside it that does not fit torch."
        ) from error

    def sizes(encoder: _Encoder, **more: Any) -> dict[str, Any]:
        return {
            "hidden_size": encoder.width,
            "intermediate_size": encoder.hidden,
            "num_hidden_layers": encoder.blocks,
            "num_attention_heads": encoder.width // HEAD,
            "hidden_act": activation,
            "layer_norm_eps": 1e-5,
            "projection_dim": layout.features,
            **more,
        }

    texts = {"vocab_size": SIZE, "max_position_embeddings": CONTEXT, "bos_token_id": START, "eos_token_id": END}
    config = CLIPConfig(
        text_config=sizes(layout.text, **texts, pad_token_id=END),
        vision_config=sizes(layout.image, image_size=layout.side, patch_size=layout.patch),
        projection_dim=layout.features,
    )
    with torch.device("meta"):
        return CLIPModel(config)


def _names(layout: _Layout) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Name in the file -> name in the network; three where the file holds three equal parts behind each other."""
    yield "logit_scale", ("logit_scale",)
    yield "visual.class_embedding", ("vision_model.embeddings.class_embedding",)
    yield "visual.conv1.weight", ("vision_model.embeddings.patch_embedding.weight",)
    yield "visual.positional_embedding", ("vision_model.embeddings.position_embedding.weight",)
    yield "visual.proj", ("visual_projection.weight",)
    yield "token_embedding.weight", ("text_model.embeddings.token_embedding.weight",)
    yield "positional_embedding", ("text_model.embeddings.position_embedding.weight",)
    yield "text_projection", ("text_projection.weight",)
    norms = (("visual.ln_pre", "vision_model.pre_layrnorm"), ("visual.ln_post", "vision_model.post_layernorm"))
    for theirs, ours in (*norms, ("ln_final", "text_model.final_layer_norm")):
        for kind in ("weight", "bias"):
            yield f"{theirs}.{kind}", (f"{ours}.{kind}",)
    for tower, encoder, ours in (("visual.", layout.image, "vision_model"), ("", layout.text, "text_model")):
        for number in range(encoder.blocks):
            their, our = f"{tower}transformer.resblocks.{number}.", f"{ours}.encoder.layers.{number}."
            for kind in ("weight", "bias"):
                yield f"{their}attn.in_proj_{kind}", tuple(f"{our}self_attn.{each}_proj.{kind}" for each in "qkv")
                for theirs, part in BLOCK:
                    yield f"{their}{theirs}.{kind}", (f"{our}{part}.{kind}",)


BLOCK = (
    ("attn.out_proj", "self_attn.out_proj"),
    ("ln_1", "layer_norm1"),
    ("ln_2", "layer_norm2"),
    ("mlp.c_fc", "mlp.fc1"),
    ("mlp.c_proj", "mlp.fc2"),
)
TURNED = ("visual.proj", "text_projection")
"""Written the other way round than linear layers have them."""


def _fill(model: nn.Module, layout: _Layout, tensors: Tensors, path: Path) -> None:
    """Puts the file's numbers into the network: all of them, and no others."""
    wanted, table = model.state_dict(), dict(_names(layout))
    missing = [name for name in table if name not in tensors]
    if missing:
        raise ModelError(f"{path.name} is not complete, or no SkyCLIP model: it lacks {some(missing)}.")
    strange = [name for name in tensors if name not in table]
    if strange:
        raise ModelError(f"{path.name} is another network than SkyCLIP: it also holds {some(strange)}.")
    filled: dict[str, Tensor] = {}
    for theirs, ours in table.items():
        tensor = tensors[theirs]
        turned = tensor.T.contiguous() if theirs in TURNED and tensor.ndim == 2 else tensor
        pieces = turned.chunk(len(ours)) if turned.ndim else (turned,)
        for name, piece in zip(ours, pieces, strict=False):
            if piece.shape != wanted[name].shape or not piece.is_floating_point():
                raise ModelError(f"{path.name} is another network than SkyCLIP: {theirs} has shape {shape_of(tensor)}.")
            filled[name] = piece.float()
    model.load_state_dict(filled, strict=True, assign=True)
    for part in model.modules():
        if isinstance(getattr(part, "position_ids", None), Tensor):  # on the meta device, and in no file
            table_of_places: Any = part
            count = table_of_places.position_embedding.num_embeddings
            table_of_places.position_ids = torch.arange(count)[None]
    model.eval().requires_grad_(requires_grad=False)
