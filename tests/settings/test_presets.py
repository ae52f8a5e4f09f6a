"""Every preset builds, walks one step forward and back in both forms, and has its stated size."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from signlib.data.skeletons import (
    FACE_HANDS_43,
    HANDS_42,
    KINECT_20,
    MEDIAPIPE_75,
    MEDIAPIPE_543,
    NTU_25,
    UPPER_53,
    skeleton,
)
from signlib.errors import SettingsError
from signlib.experiments.sizes import classes_of, inputs_of
from signlib.features.streams import parents_of
from signlib.models.classifier import parameter_count
from signlib.models.frozen import GEMMA_WIDTH
from signlib.settings import config, presets
from signlib.settings.registry import TASKS, all_presets
from signlib.tasks.registry import build_model, task_of
from signlib.tasks.sentence_clips import part_joints
from signlib.training.actions import ActionAugment
from signlib.training.augment import Augment
from signlib.training.augment_sentences import SentenceAugment
from signlib.training.augment_video import MultimodalAugment
from signlib.training.batches import resample
from signlib.training.losses import SentenceLoss
from signlib.training.phonology import Views, pretext_losses
from signlib.training.phonology import collate as collate_features

# preset: parameters of the whole classifier in its full form, on the corpus named (543 points, 226
# glosses if none)
PARAMETERS = {
    "landmarks/small": 466_790,
    "landmarks/probe": 466_790,
    "landmarks/base": 11_446_118,
    "landmarks/original": 11_306_722,
    "landmarks/one-shot": 463_670,
    "dgs-30/small": 391_458,
    "wlasl-50/small": 404_398,
    "wlasl-50/pretraining": 449_630,
    "asl-letters/small": 384_447,
    "autsl/rgb": 86_755_811,
    "autsl/skeleton": 11_602_403,
    "autsl/rgb+depth": 112_430_436,
    "autsl/rgb+skeleton": 98_123_364,
    "autsl/rgb+depth+skeleton": 123_797_989,
    "autsl/current": 100_009_829,
    "autsl/depth-from-colour": 172_490_340,
    "generated/depth": 506_339,
    "generated/rgb": 637_411,
    "generated/skeleton": 305_699,
    "generated/rgb+depth": 1_112_516,
    "generated/rgb+skeleton": 911_876,
    "generated/rgb+depth+skeleton": 1_386_981,
    # Of features with 1,152 numbers, Gemma 3's.
    "wlasl/concat": 2_569_316,
    "wlasl/attention": 2_832_484,
    "wlasl/attention-over-time": 2_832_484,
    "wlasl/gated": 2_635_108,
    "wlasl/original": 2_569_316,
    "wlasl/encoder": 1_339_880,
    "wlasl-50/landmark-branch": 1_782_322,
    "wlasl-50/landmark-encoder": 536_494,
    "ntu60/nano": 75_596,
    "ntu60/small": 284_461,
    "ntu60/base": 600_912,
    "ntu60/large": 911_376,
    "nw-ucla/nano": 70_996,
    "nw-ucla/small": 276_236,
    "sentences/hierarchical": 1_792_890,
    "sentences/hybrid": 2_055_328,
    "sentences/compact": 1_649_162,
    "sentences/hybrid+window": 2_055_328,
    "sentences/hybrid+linear": 2_072_476,
    "sentences/hybrid+performer": 2_072_476,
    "sentences/hybrid+linformer": 2_105_244,
    "sentences/baseline": 720_378,
    "sentences/baseline+residual": 720_378,
    "sentences/baseline+multiscale": 845_530,
    "sentences/baseline+crossmodal": 257_642,
    "sentences/baseline+depthwise": 309_378,
    "sentences/baseline+all": 285_002,
    "stitched/hierarchical": 1_769_760,
    "stitched/hybrid": 1_947_283,
    "stitched/compact": 1_637_552,
    "stitched/baseline": 708_768,
    "stitched/baseline+residual": 708_768,
    "stitched/baseline+multiscale": 833_920,
    "stitched/baseline+crossmodal": 246_032,
    "stitched/baseline+depthwise": 297_768,
    "stitched/baseline+all": 273_392,
    "phoenix/hierarchical": 20_418_768,
    "phoenix/improved": 52_452_560,
    "phoenix/cnn-lstm": 26_484_994,
    "phoenix/teacher": 41_574_096,
    "phoenix/hybrid": 33_771_738,
    "phoenix/compact": 6_818_272,
    "phonology/pooled": 71_764,
    "phonology/ctc": 71_893,
    "phonology/ctc-large": 670_101,
    "phonology/ctc-original": 71_893,
    "phonology/wlasl-100": 690_661,
    "phonology/wlasl-500": 2_897_141,
    "phonology/wlasl-2000-large": 12_574_161,
    "phonology/wlasl-2000": 1_178_961,
    "phonology/vocabulary-20": 71_893,
    "phonology/vocabulary-100": 690_661,
    "phonology/vocabulary-300": 742_061,
    "phonology/vocabulary-500": 2_897_141,
    "phonology/pretraining": 639_300,
    "phonology/pretraining-original": 1_454_560,
    "phonology/pretraining-generated": 639_300,
    "baseline/svm": 0,
    "baseline/neighbour": 0,
}
CORPORA = {
    "dgs-30": (FACE_HANDS_43, 30),
    "asl-letters": (HANDS_42, 27),
    "wlasl-50": (UPPER_53, 50),
    "ntu60": (NTU_25, 60),
    "generated-actions": (NTU_25, 60),
    "nw-ucla": (KINECT_20, 10),
    "store": (MEDIAPIPE_543, 1231),
    "generated-sentences": (MEDIAPIPE_543, 121),
    "stitched-asl-words": (MEDIAPIPE_75, 31),
    "wlasl": (MEDIAPIPE_543, 100),
}

# What a smoke form may change: where the clips come from, and sizes. Never what is computed.
SOURCE = {
    "mode",
    "data.corpus",
    "data.root",
    "data.split",
    "data.holdout",
    "data.split_type",
    "data.folds",
    "data.test_signers",
    "data.hardness",
    "rgb.weights",
    "frozen.tower",
}
SIZES = {
    "data.glosses",
    "data.signers",
    "data.repetitions",
    "data.shortest",
    "data.longest",
    "model.width",
    "model.layers",
    "model.heads",
    "model.intermediate",
    *(
        f"{part}.{size}"
        for part in ("rgb", "depth")
        for size in ("width", "layers", "heads", "intermediate")
    ),
    "pictures.size",
    "pictures.frames",
    "fusion.width",
    "fusion.heads",
    "phonology.codebooks",
    "phonology.width",
    "phonology.layers",
    "training.max_steps",
    "training.effective_batch",
    "action.frames",
    "training.warmup_epochs",
    "training.save_interval",
    "ctc.width",
    "ctc.part_widths",
    "ctc.part_heads",
    "ctc.heads",
    "ctc.layers",
    "ctc.hidden",
    "ctc.adapter",
    "ctc.reduce",
    "ctc.phases",
    "frozen.frames",
    "frozen.width",
    "frozen.intermediate",
    "training.workers",
    "training.epochs",
    "training.batch_size",
    "training.repeats",
    "training.hours",
}

every_preset = pytest.mark.parametrize("name", all_presets())
# A baseline is not fitted in steps.
every_network = pytest.mark.parametrize(
    "name", [name for name, (task, _) in all_presets().items() if task != "baseline"]
)
both_modes = pytest.mark.parametrize("mode", ["smoke", "full"])


def built(name, mode="full"):
    settings = presets.build(name, mode)
    base, classes = CORPORA.get(settings.data.corpus, (MEDIAPIPE_543, 226))
    classes = settings.data.limit_classes or classes
    base = skeleton(settings.data.skeleton) if settings.data.skeleton else base
    large = settings.task == "modalities" and mode == "full"
    with torch.device("meta" if large else "cpu"):
        return (
            settings,
            base,
            classes,
            build_model(task_of(settings).compact(settings) if large else settings, base, classes),
        )


def test_every_preset_states_its_size():
    assert set(PARAMETERS) == set(all_presets())


@every_preset
def test_the_model_has_its_stated_parameters(name):
    assert parameter_count(built(name)[3]) == PARAMETERS[name]


@every_preset
def test_sizes_are_counted_for_the_skeleton_and_the_glosses_of_the_corpus(name):
    settings, base, classes, _ = built(name)
    assert inputs_of(settings).skeleton == base
    # Generated corpora have as many as the settings say; sentences also point.
    generated = {"generated": 0, "generated-sentences": 1}
    if settings.data.corpus in generated:
        classes = settings.data.glosses + generated[settings.data.corpus]
    assert classes_of(settings) == (settings.data.limit_classes or classes)


def test_the_original_encoder_is_the_sources_to_the_last_parameter():
    *_, model = built("landmarks/original")
    assert parameter_count(model.encoder.encoder) == 10_802_304
    assert parameter_count(model.encoder.project) == 417_408
    assert parameter_count(model.encoder) == 10_802_304 + 417_408
    assert model.encoder.encoder.config.max_position_embeddings == 16
    assert model.encoder.encoder.config.vocab_size == 1
    assert model.encoder.encoder.pooler is not None


def pictures_of(settings, clips=2):
    """Random pictures of every kind, and all modalities present."""
    size = (clips, settings.pictures.frames, settings.pictures.size, settings.pictures.size)
    return {
        "colour": torch.randint(0, 256, (*size, 3)).to(torch.uint8),
        "depth": torch.randint(0, 256, size).to(torch.uint8),
        "present": torch.ones(clips, len(settings.fusion.modalities), dtype=torch.bool),
    }


@every_network
@both_modes
def test_one_step_forward_and_back(name, mode):
    settings, base, classes, model = built(name, mode)
    if settings.task == "modalities" and mode == "full":
        pytest.skip("counted here; its step is tested with -m slow")
    torch.manual_seed(0)
    if settings.task == "sentences":
        assert sentence_step(settings, base, classes, model.train()) == []
        return
    if settings.task == "phonology":
        assert readable_step(settings, classes, model.train()) == []
        return
    if settings.task == "graph":
        batch, augment = actions_of(settings, base, classes)
    else:
        batch, augment = signs_of(settings, base, classes)
    scores = model.train()(augment(batch))
    assert scores.shape == (2, classes)
    loss = functional.cross_entropy(scores, batch["target"])
    if settings.task == "graph":
        loss = loss + settings.gcn.ib_loss_weight * model.auxiliary_loss(batch["target"])
    loss.backward()
    # The pooler is counted, as in the source, but nothing reads it.
    used = {
        n: p
        for n, p in model.named_parameters()
        if ".pooler." not in n and "word_embeddings" not in n
    }
    assert [n for n, p in used.items() if p.grad is None or not torch.isfinite(p.grad).all()] == []
    assert float(torch.stack([p.grad.abs().max() for p in used.values()]).max()) > 0


def test_sentences_are_trained_as_source_001_says():
    settings = presets.build("phoenix/hybrid", "full")
    ctc = settings.ctc
    assert (ctc.warp, ctc.frame_drop, ctc.noise, ctc.sign_mixup) == (0.2, 0.1, 0.05, 0.3)
    assert (ctc.focal_share, ctc.focal_power, settings.training.label_smoothing) == (0.3, 2.0, 0.1)
    assert (ctc.phases, settings.training.epochs, ctc.clusters) == ([5, 50, 20, 10], 85, 50)
    assert min(ctc.time_mask, ctc.time_masks) > 0


def sentence_step(settings, base, glosses, model):
    """Parameters without a finite gradient after one step on two sentences of random features or
    landmarks.
    """
    chosen, lengths, ctc = (
        base.select(settings.features.joints),
        torch.tensor([24, 17]),
        settings.ctc,
    )
    batch = {
        "lengths": lengths,
        "targets": torch.tensor([[1, glosses], [2, 0]]),
        "sizes": torch.tensor([2, 1]),
        "spans": torch.full((2, 2, 2), -1),
    }
    if ctc.input == "streams":
        batch["points"] = torch.randn(2, 24, len(chosen), settings.features.coordinates)
        batch["mask"] = torch.rand(2, 24, len(chosen)) < 0.9
    else:
        batch["features"] = torch.randn(2, 24, ctc.reduce or 12 * len(chosen))
        batch["present"] = torch.rand(2, 24, len(part_joints(chosen))) < 0.9
    batch = SentenceAugment(ctc, ctc.stride, None)(batch)
    scores = model(batch)
    assert scores.shape == (2, int(model.frames(batch["lengths"]).max()), glosses + 1)
    loss = SentenceLoss(ctc.focal_share, ctc.focal_power, settings.training.label_smoothing)
    loss(scores, model.frames(batch["lengths"]), batch["targets"], batch["sizes"]).backward()
    return [
        n for n, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()
    ]


def readable_step(settings, classes, model):
    """Parameters without a finite gradient after one step on three clips of random features."""
    tables = [
        np.random.default_rng(n).normal(size=(frames, 36)).astype(np.float32)
        for n, frames in enumerate((24, 17, 9))
    ]
    batch, views = (
        collate_features([(table, n % classes) for n, table in enumerate(tables)]),
        Views(settings.phonology),
    )
    if settings.phonology.network != "pretext":
        scores = model(views(batch))
        assert scores.shape == (3, classes)
        (-scores.gather(1, batch["target"][:, None])).mean().backward()
    else:
        assert model(batch).shape == (3, 2 * settings.phonology.width)
        one, other = views.one(batch), views.one(batch)
        sum(pretext_losses(model, one, other, settings.phonology)).backward()
    fitted = {name: p for name, p in model.named_parameters() if p.requires_grad}
    return [
        name for name, p in fitted.items() if p.grad is None or not torch.isfinite(p.grad).all()
    ]


def actions_of(settings, base, classes):
    """Two clips of random bodies, one of them with two, and the change of training batches."""
    clips = torch.randn(2, 24, settings.action.bodies, len(base), 3)
    bodies = torch.ones(2, settings.action.bodies, dtype=torch.bool)
    bodies[1, 1:] = False
    batch = {
        "clips": clips,
        "lengths": torch.tensor([24, 17]),
        "bodies": bodies,
        "target": torch.tensor([0, classes - 1]),
    }
    return batch, ActionAugment(
        settings.action, settings.gcn.streams, parents_of(base), settings.augment, list(base.mirror)
    )


def signs_of(settings, base, classes):
    """Two clips of random landmarks and pictures, and the change of training batches."""
    chosen = base.select(settings.features.joints)
    lengths = torch.tensor([24, 17])
    mask = torch.rand(2, 24, len(chosen)) < 0.9
    mask &= (torch.arange(24) < lengths[:, None])[..., None]
    points = torch.randn(2, 24, len(chosen), settings.features.coordinates) * mask[..., None]
    batch = {
        "points": points,
        "mask": mask,
        "lengths": lengths,
        "target": torch.tensor([0, classes - 1]),
    }
    augment = Augment(settings.augment, chosen.mirror, [], settings.features.coordinates)
    if settings.task == "frozen" and "visual" in settings.frozen.inputs:
        batch |= {
            "features": torch.randn(2, 16, GEMMA_WIDTH),
            "shown": torch.ones(2, 16, dtype=torch.bool),
        }
    if settings.task == "modalities":
        batch |= pictures_of(settings)
        augment = MultimodalAugment(
            settings.augment,
            settings.video_augment,
            chosen.mirror,
            [],
            settings.features.coordinates,
        )
    return resample(batch, settings.features.frames, settings.augment.warp, 0.1), augment


@every_preset
def test_smoke_changes_only_sizes_and_the_source_of_clips(name):
    smoke, full = presets.build(name, "smoke"), presets.build(name)
    changed = config.differences(smoke, full)
    assert set(changed) - SOURCE - SIZES == set()
    assert smoke.mode == "smoke"
    assert full.mode == "full"
    generated = {"graph": "generated-actions", "sentences": "generated-sentences"}
    corpus = generated.get(full.task, "generated")
    assert (smoke.data.corpus, smoke.data.root) == (corpus, "")
    # How many sentences a generated signer says is no size of a corpus that is not generated.
    sizes = SIZES - (set() if full.data.corpus == smoke.data.corpus else {"data.repetitions"})
    for key in sizes & set(changed):
        assert config.flat(smoke)[key] < config.flat(full)[key], key


@every_preset
@both_modes
def test_name_mode_and_seed_stand_in_the_settings(name, mode):
    key = "features.frames" if name.startswith("baseline/") else "training.epochs"
    settings = presets.build(name, mode, seed=7, overrides=[f"{key}=9"])
    assert (settings.preset, settings.mode, settings.seed) == (name, mode, 7)
    assert config.flat(settings)[key] == 9
    of_sources = {"autsl": 4000, "ntu60": 42}
    assert presets.build(name, mode).seed == of_sources.get(name.partition("/")[0], 0)


@every_preset
def test_a_preset_repeats_nothing_of_its_base(name):
    task, preset = all_presets()[name]
    defaults = TASKS[task].settings
    inherited = config.flat(presets.build(preset.base) if preset.base else defaults())
    assert {key: value for key, value in preset.settings.items() if inherited[key] == value} == {}
    assert preset.question


@pytest.mark.parametrize("name", ["landmarks/smal", "small", "", "landmarks"])
def test_an_unknown_preset_lists_the_known_ones(name):
    with pytest.raises(SettingsError) as refused:
        presets.build(name)
    assert f"preset {name!r} is unknown" in str(refused.value)
    assert "landmarks/small" in str(refused.value)


def test_an_unknown_mode_or_override_is_refused():
    with pytest.raises(SettingsError, match="mode='tiny' is unknown"):
        presets.build("landmarks/small", "tiny")
    with pytest.raises(SettingsError, match=r"did you mean 'training\.epochs'"):
        presets.build("landmarks/small", overrides=["training.epoch=3"])


@pytest.mark.parametrize("text", ["mode=full", "mode = full", "preset=autsl/rgb"])
def test_a_smoke_run_cannot_call_itself_something_else(text):
    with pytest.raises(SettingsError, match="chosen by name"):
        presets.build("landmarks/small", "smoke", overrides=[text])


@pytest.mark.slow
def test_the_full_multimodal_model_takes_one_step_on_a_cpu():
    """124 million parameters on 224-pixel video: slow, about half a minute and 3 GB."""
    settings = presets.build("autsl/rgb+depth+skeleton", overrides=["rgb.weights="])
    model = build_model(settings, MEDIAPIPE_543, 226).train()
    batch = {
        "points": torch.randn(1, 16, 543, 2),
        "mask": torch.ones(1, 16, 543, dtype=torch.bool),
        "lengths": torch.tensor([16]),
        **pictures_of(settings, 1),
    }
    functional.cross_entropy(model(batch), torch.tensor([7])).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
