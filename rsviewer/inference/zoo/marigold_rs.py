"""Marigold-RS (RS3DBench): relative heights from one image, by a latent diffusion model. Run by diffusers.

What is read is a pipeline folder: model_index.json beside unet/, vae/, text_encoder/, tokenizer/ and scheduler/. The trainer of
Marigold-RS leaves unet/ alone, and text_encoder/ where it was trained, too: the other parts are then taken from a folder of
Stable Diffusion 2 that the card names (`base`).

The parts are built by their config.json and filled here, name by name: nothing is asked of any hub, no file can name a class of
its own, and a file of torch.save is read for its numbers alone. diffusers' MarigoldDepthPipeline then does the steps, with two
additions: each step is told, so that one can stop at any; and under autocast, noise and answers stay float32.
"""

import hashlib
import json
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from rsviewer.core.errors import ModelError
from rsviewer.core.fitting import Fitted
from rsviewer.core.model import ModelCard
from rsviewer.core.pipelines import (
    BASE,
    INDEX,
    MOST_INDEX,
    MOST_WORDS,
    OTHERS,
    PARTS_NBYTES,
    SHARDS,
    UNET,
    WEIGHTS,
    WORDS,
    read_of,
    shards_of,
    weights_among,
)
from rsviewer.core.prediction import HEIGHT
from rsviewer.core.tile import Raster
from rsviewer.inference.assembly import Found
from rsviewer.inference.zoo.checkpoints import Tensors, check_claim, fill, network_in, read_saved, some
from rsviewer.inference.zoo.network import Answers, Tell

FAMILY = "Marigold-RS"
PIPELINES = ("MarigoldDepthPipeline", "MarigoldPipeline", "StableDiffusionPipeline")
"""Classes that an index may name: the depth pipeline of today and before, and that of a folder of Stable Diffusion 2."""
SCHEDULERS = ("DDIMScheduler", "LCMScheduler")
"""Marigold runs with no other."""
MOST_CONFIG = 1 << 20
TEMPLATE = ".jinja"
"""Ending of a file that transformers reads beside a tokenizer's, though nothing is asked of it here."""
MOST_LAYERS = 64
"""Of layers and of blocks that a config.json may ask for: Stable Diffusion 2 has up to 23."""
ENSEMBLING: Mapping[str, Any] = {
    "reduction": "median",
    "regularizer_strength": 0.02,
    "max_iter": 2,
    "tol": 1e-3,
    "max_res": 50,
}
"""As the script of Marigold-RS: fitted to each other on 50 pixels, the median, taken to 0..1."""
OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Names in the attention of older files, Stable Diffusion 2's among them -> today's."""
_FULL = 255.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the card and the user say.

    Attributes:
        steps: of denoising, for each answer.
        ensemble: answers of one tile, whose median is taken.
        resolution: pixels of the longer side of what is computed; 0: those of the tile.
        caption: the caption of the tile is the prompt.
        base: folder of Stable Diffusion 2 for the parts that the model's has not; empty for none.
        parts_nbytes: of all files but the weights' own, such as shards of them; 0 where nobody has looked. See
            `data.proposals.marigold`.
    """

    steps: int
    ensemble: int
    resolution: int
    caption: bool
    base: str
    parts_nbytes: int

    @classmethod
    def of(cls, card: ModelCard) -> "Settings":
        """Raises ModelError where the card says something else than it may."""
        steps, ensemble = _whole(card, "steps", 50, 1, 1000), _whole(card, "ensemble", 1, 1, 100)
        resolution, caption = _whole(card, "resolution", 0, 0, 8192), _whole(card, "caption", 0, 0, 1)
        base = card.settings.get(BASE, "")
        if not isinstance(base, str):
            raise ModelError(f"The card of {card.title} must name a folder as base.")
        return cls(steps, ensemble, resolution, bool(caption), base, _whole(card, PARTS_NBYTES, 0, 0, 1 << 60))


class MarigoldRs:
    """A `Network` that beholds tiles whole, in many steps.

    Args:
        pipeline: diffusers' MarigoldDepthPipeline.
        settings: see there.
    """

    def __init__(self, pipeline: Any, settings: Settings) -> None:
        self._pipeline = pipeline
        self._settings = settings
        self._tile = ""
        self._tell: Tell = lambda *_: None
        self._done = 0
        self._empty: Tensor | None = None
        prepare, decode = pipeline.prepare_latents, pipeline.decode_prediction
        pipeline.progress_bar = self._counted
        pipeline.prepare_latents = lambda *given: tuple(latent.float() for latent in prepare(*given))
        pipeline.decode_prediction = lambda latent: decode(latent).float()

    def attend(self, tile: str, tell: Tell) -> None:
        """See `network.Stepwise`."""
        self._tile, self._tell = tile, tell

    def adjust(self, card: ModelCard) -> None:
        """See `network.Adjustable`."""
        self._settings = Settings.of(card)

    def look(self, fitted: Fitted) -> Found:
        """See `network.Beholder`. The same tile gives the same answer: its name is the seed of the noise."""
        self._tell(0, self._in_all)  # the image is encoded before the first step, which takes longer than one
        pixels = torch.from_numpy(np.array(fitted.pixels, np.float32, order="C"))
        caption = fitted.caption.strip() if self._settings.caption else ""
        relative = self._predicted(pixels[None] / _FULL, caption)[0].cpu().numpy()
        known = np.isfinite(relative[0])
        valid = fitted.valid & known
        relative[:, ~valid] = np.nan
        kind = {name: getattr(fitted, name) for name in ("transform", "crs", "gsd", "cell", "full_size")}
        found = Found({HEIGHT: Raster(relative, valid[None], **kind)})
        found.remarks += self._remarks(caption)
        if not known.all():
            count = known.size - int(np.count_nonzero(known))
            found.remarks.append(
                f"The heights of {count:,} pixels are not finite numbers; these pixels are invalid. float16 may be too narrow:"
                " try bfloat16 or float32."
            )
        return found

    def forward(self, windows: Tensor) -> Answers:
        """See `Network.forward`. Windows of their own scale each: a tile is better looked at as a whole."""
        return {"height": torch.cat([self._predicted(window[None], "") for window in windows])}

    def move(self, device: torch.device) -> None:
        """See `Network.move`."""
        self._pipeline.to(device)
        self.forget()

    def forget(self) -> None:
        """See `network.Keeping`."""
        self._empty = None

    def _predicted(self, image: Tensor, caption: str) -> Tensor:
        """(1, 3, h, w) of 0..1 -> (1, 1, h, w) of 0..1, high where the ground is high."""
        pipeline, settings = self._pipeline, self._settings
        seed = int.from_bytes(hashlib.sha256(self._tile.encode("utf-8", "surrogateescape")).digest()[:7], "big")
        pipeline.empty_text_embedding = self._embedding(caption)
        self._done = 0
        found = pipeline(
            image,
            num_inference_steps=settings.steps,
            ensemble_size=settings.ensemble,
            processing_resolution=settings.resolution,
            ensembling_kwargs=dict(ENSEMBLING) if settings.ensemble > 1 else None,
            generator=torch.Generator().manual_seed(seed),  # of the processor: the same noise on every device
            output_type="pt",
        )
        prediction: Tensor = found.prediction
        return prediction.clamp(0.0, 1.0)

    def _embedding(self, caption: str) -> Tensor | None:
        """What the text encoder makes of a caption; None for the pipeline's own, of no words."""
        if not caption:
            pipeline = self._pipeline
            if self._empty is None:
                words = pipeline.tokenizer("", padding="do_not_pad", return_tensors="pt").input_ids
                self._empty = pipeline.text_encoder(words.to(pipeline.device))[0]
            return self._empty
        pipeline = self._pipeline
        most = pipeline.tokenizer.model_max_length
        words = pipeline.tokenizer(caption, padding=True, max_length=most, truncation=True, return_tensors="pt")
        embedding: Tensor = pipeline.text_encoder(words.input_ids.to(pipeline.device))[0]
        return embedding

    def _counted(self, iterable: Iterable[Any], leave: bool = True, **_: object) -> Iterable[Any]:
        """Takes the place of the pipeline's progress bar: the inner one, which does not stay, counts steps."""
        return iterable if leave else self._steps(iterable)

    def _steps(self, iterable: Iterable[Any]) -> Iterator[Any]:
        for step in iterable:
            self._tell(self._done, self._in_all)
            yield step
            self._done += 1
        self._tell(self._done, self._in_all)

    @property
    def _in_all(self) -> int:
        """Steps of a tile."""
        return self._settings.steps * self._settings.ensemble

    def _remarks(self, caption: str) -> list[str]:
        if not self._settings.caption:
            return []
        if not caption:
            return ["There is no caption of this tile: predicted without a prompt."]
        tokenizer = self._pipeline.tokenizer
        words, most = len(tokenizer(caption).input_ids), tokenizer.model_max_length
        read = f" Only its first {most} of {words} tokens are read." if words > most else ""
        return [f"The caption of the tile was the prompt.{read}"]


def load(card: ModelCard, weights: Path, device: torch.device) -> MarigoldRs:
    """The network of a pipeline folder.

    Args:
        card: with one output, of kind HEIGHT. See Settings for what it and the user may say.
        weights: the UNet's file in the folder.
        device: where it runs.

    Raises:
        ModelError: see `Network`; a part is missing, too.
    """
    settings = Settings.of(card)
    parts = _Parts(weights, settings.base)
    parts.check_size(settings.parts_nbytes)
    index = parts.index()
    scheduler = parts.scheduler()
    tokenizer = parts.tokenizer()
    unet = _network(diffusers.UNet2DConditionModel, parts.config(UNET, _UNET), weights, card.weights.nbytes)
    vae = _network(diffusers.AutoencoderKL, parts.config("vae", _VAE), parts.weights("vae"))
    text_encoder = _text_encoder(parts.config("text_encoder", {}), parts.weights("text_encoder"))
    wide, said = unet.config.cross_attention_dim, text_encoder.config.hidden_size
    if wide != said:
        raise ModelError(
            f"The parts do not belong together: {weights.name} listens to {wide} numbers a word, and the text encoder of"
            f" {parts.folder_of('text_encoder')} says {said}."
        )
    make: Any = diffusers.MarigoldDepthPipeline
    pipeline = make(
        unet,
        vae,
        scheduler,
        text_encoder,
        tokenizer,
        prediction_type="depth",
        scale_invariant=bool(index.get("scale_invariant", True)),
        shift_invariant=bool(index.get("shift_invariant", True)),
    )
    network = MarigoldRs(pipeline, settings)
    network.move(device)
    return network


_UNET: Mapping[str, object] = {"_class_name": "UNet2DConditionModel", "in_channels": 8, "out_channels": 4}
_VAE: Mapping[str, object] = {"_class_name": "AutoencoderKL", "latent_channels": 4, "in_channels": 3, "out_channels": 3}
"""What a config.json must say."""


_TEXT = (
    *("vocab_size", "hidden_size", "intermediate_size", "projection_dim", "num_hidden_layers", "num_attention_heads"),
    *("max_position_embeddings", "hidden_act", "layer_norm_eps", "bos_token_id", "eos_token_id", "pad_token_id"),
)
"""What is heard of the text encoder's config.json. Others of its entries name attention that is fetched from a hub and run, or
make names of a billion labels."""


class _Parts:
    """The folders that the parts of a pipeline lie in.

    Args:
        weights: the UNet's file, in a folder unet/.
        base: see `Settings.base`.
    """

    def __init__(self, weights: Path, base: str) -> None:
        self.folder = weights.parent.parent
        self._unet = weights
        self._base = Path(base).expanduser() if base else None
        if weights.parent.name != UNET:
            raise ModelError(
                f"{weights.name} does not lie in a folder unet: {FAMILY} is a folder with {INDEX}, unet, vae, text_encoder,"
                " tokenizer and scheduler. Add that folder."
            )

    def folder_of(self, part: str) -> Path:
        """Where a part lies. Raises ModelError."""
        for folder in (self.folder, self._base):
            if folder is not None and (folder / part).is_dir():
                return folder / part
        if self._base is None:
            raise ModelError(
                f"{self.folder} has no folder {part}: it is what the trainer of {FAMILY} leaves. Name a folder of Stable"
                ' Diffusion 2 for the other parts, as base = "..." under [settings] of the card.'
            )
        raise ModelError(f"Neither {self.folder} nor its base {self._base} has a folder {part}: name another base.")

    def check_size(self, nbytes: int) -> None:
        """Raises ModelError where the other parts have not the bytes that they had when the folder was added."""
        if nbytes and nbytes != (now := sum(path.stat().st_size for path in self._others())):
            raise ModelError(
                f"The parts of {self.folder} beside its weights have {now:,} bytes, and had {nbytes:,} when it was added: they"
                " are others. Add the folder again."
            )

    def _others(self) -> Iterator[Path]:
        yield from _shards(self._unet)
        for part in OTHERS:
            yield from _read_of(self.folder_of(part))

    def index(self) -> Mapping[str, Any]:
        """What model_index.json says, of the folder or of its base. Raises ModelError where that is another pipeline."""
        folders = [folder for folder in (self.folder, self._base) if folder is not None and (folder / INDEX).is_file()]
        if not folders:
            return {}
        path = folders[0] / INDEX
        index = _json(path)
        if index.get("_class_name") not in PIPELINES:
            raise ModelError(
                f"{path} is of {str(index.get('_class_name'))[:80]}: {FAMILY} needs a pipeline of depths,"
                f" {', '.join(PIPELINES[:2])}, or of Stable Diffusion."
            )
        if index.get("prediction_type") not in (None, "depth"):
            raise ModelError(f"{path} predicts {str(index['prediction_type'])[:80]}, no depths: this is not {FAMILY}.")
        return index

    def scheduler(self) -> Any:
        """What diffusers makes of its settings. Raises ModelError."""
        path = self.folder_of("scheduler") / "scheduler_config.json"
        config = _json(path)
        name = str(config.get("_class_name"))
        if name not in SCHEDULERS:
            raise ModelError(f"{path} is of {name[:80]}: {FAMILY} runs with {' or '.join(SCHEDULERS)}.")
        steps = config.get("num_train_timesteps", 1000)
        if type(steps) is not int or not 1 <= steps <= 100_000:
            raise ModelError(f"{path} does not make sense: it was trained in {steps!r:.40} steps.")
        try:
            return getattr(diffusers, name).from_config(config)
        except Exception as error:  # whatever it thinks of a configuration
            raise ModelError(f"{path} does not describe a {name}: {_said(error)}.") from error

    def tokenizer(self) -> Any:
        """Raises ModelError."""
        folder = self.folder_of("tokenizer")
        for file in folder.rglob("*"):
            if file.suffix in (*WORDS, TEMPLATE):
                _check_file(file, MOST_WORDS)
        try:
            tokenizer: Any = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
            tokenizer("a")
        except Exception as error:  # the library in Rust has exceptions of its own
            raise ModelError(f"The tokenizer in {folder} cannot be read: {_said(error)}. Fetch it again.") from error
        return tokenizer

    def config(self, part: str, needed: Mapping[str, object]) -> dict[str, Any]:
        """What a part's config.json says. Raises ModelError where that is not what it must say, or out of all measure."""
        path = self.folder_of(part) / "config.json"
        config = _json(path)
        for name, value in needed.items():
            if config.get(name) != value:
                raise ModelError(f"{path} says {name} = {config.get(name)!r:.80}: {FAMILY} has {value!r}.")
        for name, value in config.items():
            counts = _numbers(value) if "layers" in name or "blocks" in name else []
            if any(count > MOST_LAYERS for count in counts) or (isinstance(value, list) and len(value) > MOST_LAYERS):
                raise ModelError(f"{path} does not make sense: it asks for {value!r:.80} {name}.")
        return config

    def weights(self, part: str) -> Path:
        """The file with a part's numbers. Raises ModelError."""
        folder = self.folder_of(part)
        name = weights_among(path.name for path in folder.iterdir() if path.is_file())
        if not name:
            raise ModelError(f"{folder} holds no weights ({WEIGHTS[0]} or the like): fetch it again.")
        return folder / name


def _network(kind: Any, config: Mapping[str, Any], path: Path, expected: int = 0) -> Any:
    """A part of diffusers, with the numbers of a file."""
    tensors = {_today(name): tensor for name, tensor in _tensors(path, expected).items()}
    try:
        with torch.device("meta"):  # no room and no random numbers for what the file gives
            network = kind.from_config(dict(config))
    except Exception as error:  # whatever it thinks of a configuration
        raise ModelError(f"{path.parent / 'config.json'} does not describe a network: {_said(error)}.") from error
    wanted = network.state_dict()
    for name, tensor in tensors.items():  # attention of older files was convolutions of one pixel
        if name in wanted and tensor.ndim == 4 and wanted[name].ndim == 2 and tensor.shape[2:] == (1, 1):
            tensors[name] = tensor[:, :, 0, 0]
    return _filled(network, tensors, path)


def _text_encoder(config: Mapping[str, Any], path: Path) -> Any:
    """CLIP's, with the numbers of a file; its names begin with "text_model." or not, by the version that wrote them."""
    tensors = _tensors(path)
    try:
        with torch.device("meta"):
            network = CLIPTextModel(CLIPTextConfig(**{name: config[name] for name in _TEXT if name in config}))
    except Exception as error:
        raise ModelError(f"{path.parent / 'config.json'} does not describe a network: {_said(error)}.") from error
    prefix = "text_model."
    has_prefix = all(name.startswith(prefix) for name in network.state_dict())
    named = {}
    for name, tensor in tensors.items():
        plain = name.removeprefix(prefix)
        if not plain.endswith("position_ids"):  # older files hold them; they are 0, 1, 2 ...
            named[f"{prefix}{plain}" if has_prefix else plain] = tensor
    return _filled(network, named, path)


def _filled(network: nn.Module, tensors: Tensors, path: Path) -> nn.Module:
    fill(network, tensors, path, FAMILY)
    for module in network.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta and name == "position_ids":
                module.register_buffer(name, torch.arange(buffer.shape[-1])[None], persistent=False)
    left = [name for name, buffer in network.named_buffers() if buffer.is_meta]
    if left:
        raise ModelError(f"{path.name} is made for another version of its library: nobody says what {left[0]} is.")
    return network


def _tensors(path: Path, expected: int = 0) -> dict[str, Tensor]:
    """The numbers of a network and their names. Raises ModelError.

    Args:
        path: the file that holds them, or that names those that do.
        expected: its size as the card says; 0 where unknown.
    """
    if not path.name.endswith(SHARDS):
        return _tensors_of(path, expected)
    shards = shards_of(path.name, _start(path, MOST_INDEX))
    tensors: dict[str, Tensor] = {}
    for file in _shards(path):
        held = _tensors_of(file)
        named = {name for name, place in shards.places.items() if place == file.name}
        if wrong := held.keys() ^ named:
            raise ModelError(
                f"{file.name} does not hold what {path.name} says: {some(sorted(wrong))}. Fetch all files of it again."
            )
        tensors |= held
    nbytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if shards.nbytes not in (0, nbytes):
        raise ModelError(
            f"{path.name} says that its files hold {shards.nbytes:,} bytes of numbers, and they hold {nbytes:,}: fetch them"
            " again."
        )
    return tensors


def _read_of(folder: Path) -> Iterator[Path]:
    """The files that are read of a part. Raises ModelError where one is not there."""
    there = [file.name for file in folder.iterdir() if file.is_file()]
    for name in read_of(there, lambda name: _start(folder / name, MOST_INDEX)):
        _check_file(folder / name)
        yield folder / name


def _shards(path: Path) -> Iterator[Path]:
    """The files that an index names; none for another file. Raises ModelError where one is not there."""
    if path.name.endswith(SHARDS):
        for name in shards_of(path.name, _start(path, MOST_INDEX)).files:
            _check_file(path.parent / name)
            yield path.parent / name


def _tensors_of(path: Path, expected: int = 0) -> dict[str, Tensor]:
    """The numbers of a file and their names; of a safetensors file, mapped. Raises ModelError."""
    if path.suffix != ".safetensors":
        tensors = network_in(read_saved(path, FAMILY, expected))
        if not tensors:
            raise ModelError(f"{path.name} holds no numbers: it is no part of {FAMILY}.")
        check_claim(tensors, path)
        return tensors
    try:
        size = path.stat().st_size
        if size < expected:
            raise ModelError(f"{path.name} is incomplete: {size:,} of {expected:,} bytes. Fetch it again.")
        loaded: dict[str, Tensor] = load_file(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error
    except SafetensorError as error:
        raise ModelError(f"{path} is no safetensors file, or only a part of one: fetch it again.") from error
    return loaded


def _today(name: str) -> str:
    """Today's name of a number of the VAE."""
    parts = name.split(".")
    if "attentions" in parts and len(parts) > 1 and parts[-2] in OLD_ATTENTION:
        parts[-2] = OLD_ATTENTION[parts[-2]]
    return ".".join(parts)


def _check_file(path: Path, most: int = 0) -> None:
    """Raises ModelError where there is no such file, something else in its place, such as a pipe, or more than `most` bytes."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise ModelError(f"There is no file {path}: the folder is not complete.") from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{path} is no file: the folder is damaged. Fetch it again.")
    if most and status.st_size > most:
        raise ModelError(f"{path} has {status.st_size:,} bytes, which makes no sense: fetch it again.")


def _start(path: Path, most: int) -> bytes:
    """So many bytes of a file, and one more. Raises ModelError."""
    _check_file(path)
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error


def _json(path: Path) -> dict[str, Any]:
    """Raises ModelError."""
    raw = _start(path, MOST_CONFIG)
    try:
        found = json.loads(raw) if len(raw) <= MOST_CONFIG else None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is damaged: it is no JSON. Fetch it again.") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path} is damaged: it holds no settings. Fetch it again.")
    return found


def _whole(card: ModelCard, name: str, otherwise: int, least: int, most: int) -> int:
    value = card.settings.get(name, otherwise)
    if not isinstance(value, int) or not least <= value <= most:
        raise ModelError(
            f"The card of {card.title} says {name} = {value!r:.40}: it must be a whole number, {least} to {most}."
        )
    return int(value)


def _numbers(value: object) -> list[int]:
    """The whole numbers in a value, or in a list of them."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, int)]


def _said(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")[:200] or type(error).__name__
