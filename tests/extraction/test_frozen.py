"""Frozen features: a tower alone gives what the whole model would, clip by clip, whatever shares
its batches.
"""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPConfig,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    Gemma3ForConditionalGeneration,
    TimesformerConfig,
    TimesformerModel,
    VideoMAEModel,
    ViTConfig,
    ViTForImageClassification,
    ViTModel,
)

from signlib.__main__ import main
from signlib.data.video import read_frames, write_video
from signlib.errors import SettingsError, StoreError
from signlib.extraction import towers
from signlib.extraction.filming import FilmedClips, fit
from signlib.extraction.frozen import FrozenSettings, encoded, extract_frozen
from signlib.extraction.pictures import write_pictures
from signlib.extraction.registry import extractor_settings
from signlib.extraction.towers import GEMMA_3, load_tower, random_tower
from signlib.stores.pictures import COLOUR, PictureSettings
from signlib.stores.store import FeatureStore

FRAMES, SIDE = 4, 32


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Kind -> the folder of a tiny model with random weights."""
    root = tmp_path_factory.mktemp("models")
    return {kind: random_tower(root / kind, kind) for kind in ("siglip", "gemma3", "videomae")}


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A folder corpus of five films; the one called `torn` is cut off."""
    root = tmp_path_factory.mktemp("films")
    noise = np.random.default_rng(0)
    for n, name in enumerate("abcd"):
        shade = np.linspace(0, 200, 48 * 64).reshape(48, 64, 1) + noise.integers(0, 50, 3)
        write_video(
            root / f"{name}.mp4",
            [(shade * (1 - 0.1 * t)).astype(np.uint8) for t in range(3 + 3 * n)],
            fps=25,
        )
    (root / "torn.mp4").write_bytes((root / "d.mp4").read_bytes()[:300])
    names = ["a", "torn", "b", "c", "d"]
    table = pd.DataFrame(
        {"clip": names, "file": [f"{n}.mp4" for n in names], "gloss": list("xxyyx")}
    )
    table.to_csv(root / "manifest.csv", index=False)
    return root


@pytest.fixture
def source(films):
    return FilmedClips(pd.read_csv(films / "manifest.csv"), films)


def settings_of(model, **more):
    return FrozenSettings(str(model), frames=FRAMES, **more)


def pixels_of(pictures):
    """What the processor of SigLIP makes of pictures that have its size."""
    return (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5


def test_the_tower_alone_sees_what_the_whole_gemma_sees(models):
    pictures = np.random.default_rng(1).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    whole = Gemma3ForConditionalGeneration.from_pretrained(
        models["gemma3"], dtype=torch.float32
    ).eval()
    with torch.no_grad():
        seen = whole.model.get_image_features(pixels_of(pictures))
    tower = load_tower(str(models["gemma3"]))
    np.testing.assert_allclose(tower.encode(pictures), seen.last_hidden_state.mean(1), atol=1e-5)
    projected = load_tower(str(models["gemma3"]), embedding="projected")
    np.testing.assert_allclose(projected.encode(pictures), seen.pooler_output.mean(1), atol=1e-4)
    assert (tower.facts.size, projected.facts.size) == (32, 48)
    assert tower.facts.digest != projected.facts.digest
    assert not any(parameter.requires_grad for parameter in projected.parameters())


def test_the_language_model_is_neither_fetched_nor_read(models, tmp_path):
    weights = load_file(models["gemma3"] / "model.safetensors")
    seen = {name: value for name, value in weights.items() if not name.startswith("language_model")}
    assert 0 < len(seen) < len(weights)
    save_file(seen, tmp_path / "model-00001-of-00002.safetensors")
    shards = {
        name: f"model-0000{1 if name in seen else 2}-of-00002.safetensors" for name in weights
    }
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    (tmp_path / "config.json").write_text((models["gemma3"] / "config.json").read_text())
    tower, whole = load_tower(str(tmp_path)), load_tower(str(models["gemma3"]))
    assert tower.facts.digest == whole.facts.digest, (
        "the second file, which is not there, was never needed"
    )


def test_a_video_model_gives_each_frame_the_tokens_of_its_pair(models):
    pictures = np.random.default_rng(2).integers(0, 256, (8, SIDE, SIDE, 3), np.uint8)
    mean, deviation = (np.array(v, np.float32) for v in towers._IMAGENET)
    pixels = (
        torch.from_numpy((pictures / np.float32(255) - mean) / deviation)
        .permute(0, 3, 1, 2)
        .unflatten(0, (2, 4))
    )
    with torch.no_grad():
        tokens = VideoMAEModel.from_pretrained(models["videomae"]).eval()(pixels).last_hidden_state
    by_pair = tokens.unflatten(1, (2, 16)).mean(2).flatten(0, 1).numpy()
    tower = load_tower(str(models["videomae"]))
    np.testing.assert_allclose(tower.encode(pictures), by_pair.repeat(2, axis=0), atol=1e-5)
    assert (tower.facts.window, tower.facts.fit) == (4, "crop")
    with pytest.raises(SettingsError, match="looks at 4 together"):
        FrozenSettings(str(models["videomae"]), frames=6).tower()


SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": 8,
}


@pytest.mark.parametrize(
    ("model", "config"),
    [
        (
            CLIPModel,
            CLIPConfig(
                vision_config=SMALL,
                text_config={
                    "hidden_size": 32,
                    "num_hidden_layers": 1,
                    "num_attention_heads": 2,
                    "intermediate_size": 32,
                    "vocab_size": 64,
                },
            ),
        ),
        (ViTForImageClassification, ViTConfig(**SMALL)),
        (Dinov2Model, Dinov2Config(**SMALL)),
    ],
)
def test_any_encoder_of_transformers_is_a_tower(model, config, tmp_path):
    whole = model(config).eval()
    whole.save_pretrained(tmp_path)
    pictures = np.random.default_rng(3).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    tower = load_tower(str(tmp_path))
    mean, deviation = (
        np.array(value, np.float32) for value in (tower.facts.mean, tower.facts.deviation)
    )
    pixels = torch.from_numpy((pictures / np.float32(255) - mean) / deviation).permute(0, 3, 1, 2)
    part = getattr(whole, "vision_model", None) or getattr(whole, "vit", whole)
    with torch.no_grad():
        wanted = part(pixels).last_hidden_state.mean(1)
    np.testing.assert_allclose(tower.encode(pictures), wanted, atol=1e-5)


def test_an_encoder_whose_weights_are_not_all_there_is_refused(tmp_path):
    ViTModel(ViTConfig(**SMALL)).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("encoder")}
    assert len(kept) < len(weights)
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(SettingsError, match=r"its files lack .*layer"):
        load_tower(str(tmp_path))
    TimesformerModel(TimesformerConfig(**SMALL, num_frames=4)).save_pretrained(tmp_path / "other")
    with pytest.raises(SettingsError, match="not known here"):
        load_tower(str(tmp_path / "other"))


def test_a_model_whose_files_are_damaged_is_refused_by_name(tmp_path):
    ViTModel(ViTConfig(**SMALL)).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    name = min(weights)
    weights[name].view(-1)[0] = np.nan
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(SettingsError, match="holds numbers that are not finite"):
        load_tower(str(tmp_path))
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"patch_size": "x"}))
    with pytest.raises(SettingsError, match="cannot be loaded"):
        load_tower(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(SettingsError, match="cannot be loaded"):
        load_tower(str(tmp_path))


def test_pictures_are_prepared_as_by_the_models_own_processor(models):
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    y, x = np.mgrid[:120, :90]
    picture = np.stack([y * 2, x * 2, (x + y)], -1).astype(np.uint8)
    theirs = SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})(
        picture, return_tensors="pt"
    )["pixel_values"]
    facts = load_tower(str(models["siglip"])).facts
    assert (facts.side, facts.fit, facts.mean, facts.deviation) == (
        SIDE,
        "stretch",
        (0.5,) * 3,
        (0.5,) * 3,
    )
    ours = pixels_of(fit(picture, PictureSettings(FRAMES, SIDE, facts.fit))[None])
    assert float((ours - theirs).abs().max()) < 4 / 127.5, "four levels of 255 on a slope"


def test_what_shares_a_batch_changes_nothing(models, source):
    tower = load_tower(str(models["siglip"]))
    filmed = [
        (row.clip, source.film(row, [COLOUR], PictureSettings(FRAMES, SIDE, "stretch"))[COLOUR])
        for row in source.manifest.itertuples()
    ]
    asked = []
    encode = tower.encode
    tower.encode = lambda pictures: asked.append(len(pictures)) or encode(pictures)
    found = {clip: vectors for clip, vectors, _ in encoded(iter(filmed), tower, 6)}
    assert asked == [6, 6, 4], "sixteen frames of four clips, six at once"
    assert list(found) == ["a", "torn", "b", "c", "d"]
    assert isinstance(found["torn"], str)
    for clip, made in filmed:
        if clip != "torn":
            np.testing.assert_allclose(found[clip], encode(made.pictures), atol=1e-6)


def test_a_store_tells_how_its_features_were_made(models, films, source, tmp_path):
    store = extract_frozen(
        source, tmp_path / "store", settings_of(models["siglip"]), progress=False
    )
    about = json.loads((tmp_path / "store" / "extraction.json").read_text())
    made = about["settings"]
    assert (about["shape"], about["counts"]) == ([32], {"done": 4, "failed": 1, "missing": 0})
    assert (made["model"], made["dtype"], made["pooling"]) == (
        str(models["siglip"]),
        "float32",
        "mean over tokens",
    )
    assert (made["kind"], made["attention"], made["frames"]) == (
        "siglip_vision_model",
        "sdpa",
        FRAMES,
    )
    assert len(about["model_hash"]) == 64
    assert store.read("c").shape == (FRAMES, 32)
    wanted = np.stack(
        [
            fit(f, PictureSettings(FRAMES, SIDE, "stretch"))
            for f in read_frames(films / "c.mp4", "linspace", FRAMES)
        ]
    )
    np.testing.assert_allclose(
        store.read("c"), load_tower(str(models["siglip"])).encode(wanted), atol=1e-6
    )
    assert store.failed["clip"].tolist() == ["torn"]


def test_a_finished_store_stays_and_shards_make_the_same_one(models, source, tmp_path):
    whole = extract_frozen(
        source, tmp_path / "whole", settings_of(models["siglip"]), progress=False
    )
    before = (tmp_path / "whole" / "frames.npy").stat().st_mtime_ns
    again = extract_frozen(
        source, tmp_path / "whole", settings_of(models["siglip"]), workers=2, progress=False
    )
    assert (tmp_path / "whole" / "frames.npy").stat().st_mtime_ns == before
    np.testing.assert_array_equal(whole.frames, again.frames)
    for part in (1, 2):
        extract_frozen(
            source,
            tmp_path / "parts",
            settings_of(models["siglip"]),
            shard=(part, 2),
            progress=False,
        )
    from signlib.extraction.shards import merge_shards

    merged = merge_shards(tmp_path / "parts")
    np.testing.assert_allclose(merged.frames, whole.frames, atol=1e-6)
    assert merged.clips == whole.clips
    with pytest.raises(StoreError, match=r"fit"):
        extract_frozen(
            source, tmp_path / "whole", settings_of(models["siglip"], fit="crop"), progress=False
        )


@pytest.mark.parametrize(
    ("dtype", "weight", "told"),
    [
        ("bfloat16", 3e38, "4 of 4 vectors are not finite in bfloat16; extract with dtype=float32"),
        ("float32", np.nan, "4 of 4 vectors are not finite in float32; extract with another model"),
    ],
)
def test_vectors_that_are_not_finite_fail_by_name(dtype, weight, told, models, source, tmp_path):
    tower = load_tower(str(models["siglip"]), dtype=dtype)
    with torch.no_grad():
        tower.model.encoder.layers[0].mlp.fc1.weight[0, 0] = weight
    store = extract_frozen(
        source, tmp_path / "s", settings_of(models["siglip"]), progress=False, tower=tower
    )
    assert len(store) == 0
    reasons = store.failed.set_index("clip")["reason"]
    assert set(reasons.index) == {"a", "torn", "b", "c", "d"}
    assert reasons["a"] == told


@pytest.mark.parametrize("kind", ["gemma3", "videomae"])
def test_a_tower_that_half_precision_is_too_small_for_is_refused_before_the_first_clip(
    kind, models, tmp_path
):
    weights = load_file(models[kind] / "model.safetensors")
    first = next(
        name for name in weights if name.endswith(("mlp.fc1.weight", "intermediate.dense.weight"))
    )
    weights[first] = (
        weights[first].sign() * 3e4
    )  # half precision has this number, but no sum of three
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "config.json").write_text((models[kind] / "config.json").read_text())
    with pytest.raises(SettingsError, match="dtype=float16 is too small"):
        load_tower(str(tmp_path), dtype="float16")
    pictures = np.random.default_rng(4).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)
    assert np.isfinite(load_tower(str(tmp_path)).encode(pictures)).all()
    assert load_tower(str(models[kind]), dtype="float16").facts.dtype == "float16"


def test_pictures_that_are_kept_give_nearly_the_same_features(models, source, tmp_path):
    pictures = write_pictures(
        source,
        tmp_path / "p",
        PictureSettings(FRAMES, SIDE, "stretch", 100, (COLOUR,)),
        progress=False,
    )
    command = ["extract", str(pictures.path), "--out", str(tmp_path / "s"), "--extractor", "frozen"]
    # One film is torn.
    assert main([*command, "--set", f"model={models['siglip']}", f"frames={FRAMES}"]) == 3
    kept, direct = (
        FeatureStore(tmp_path / "s"),
        extract_frozen(source, tmp_path / "d", settings_of(models["siglip"])),
    )
    assert np.abs(kept.read("b") - direct.read("b")).max() < 0.1 * direct.frames.std()
    assert kept.failed["clip"].tolist() == ["torn"]
    assert main([*command, "--set", f"model={models['siglip']}", "frames=8"]) == 2


def test_the_command_reads_a_folder_and_says_what_it_made(models, films, tmp_path, capsys):
    command = [
        "extract",
        str(films),
        "--out",
        str(tmp_path / "s"),
        "--extractor",
        "frozen",
        "--skip-existing",
    ]
    assert main([*command, "--set", f"model={models['gemma3']}", f"frames={FRAMES}"]) == 3
    told = capsys.readouterr().out
    assert "4 clips done, 1 failed, 16 vectors of 32 numbers (mean over tokens" in told
    assert "failed: torn" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            {"model": "google/gemma-3-8b-it"},
            r"does not exist; models of Gemma 3 that see: google/gemma-3-4b-it, ",
        ),
        ({"model": "google/gemma-3-1b-it"}, "reads text only"),
        ({"dtype": "int8"}, "choose from auto, float32"),
        ({"attention": "flash"}, "needs a GPU"),
        ({"attention": "fast"}, "choose from auto, sdpa"),
        ({"device": "tpu"}, "here are cpu"),
        ({"embedding": "projected"}, "is of Gemma 3"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(models, arguments, told):
    if arguments.get("attention") == "flash" and torch.cuda.is_available():
        pytest.skip("a GPU is here")
    with pytest.raises(SettingsError, match=told):
        load_tower(**{"model": str(models["siglip"])} | arguments)


def test_a_folder_without_a_tower_is_refused(models, tmp_path):
    with pytest.raises(SettingsError, match=f"cannot be loaded.*{GEMMA_3[0]}"):
        load_tower(str(tmp_path))
    (tmp_path / "config.json").write_text((models["gemma3"] / "config.json").read_text())
    save_file({"other": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(SettingsError, match="lack embeddings"):
        load_tower(str(tmp_path))


@pytest.mark.parametrize(
    "text", ["frames=0", "batch=0", "fit=zoom", "embedding=head", "model=''", "tower=x"]
)
def test_an_impossible_extractor_setting_is_refused(text):
    key = text.partition("=")[0]
    with pytest.raises(SettingsError, match=key):
        extractor_settings(FrozenSettings, [text])
