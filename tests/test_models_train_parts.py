"""The parts of a training: split, pixels, augmentation, start weights, full fine-tuning, vote."""

from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import softmax

from ainode_models.cxr.lung_net import load_lung_net
from ainode_models.cxr.nets import NETS, head_of
from ainode_models.cxr.prepare import prepared
from ainode_models.cxr.torch_nets import asked
from ainode_models.demo.chest import chest_phantom
from ainode_models.errors import ConfigError, InputError, PackageError, RuntimeUnavailable
from ainode_models.radiograph import Radiograph
from ainode_models.torchvision_import import torchvision_models
from ainode_models.training.augment import augmented
from ainode_models.training.fit import LabelledImages, Trainer
from ainode_models.training.patients import Patient
from ainode_models.training.recipe import RECIPES, Augmentation
from ainode_models.training.split import split
from ainode_models.training.start_weights import start_net
from ainode_models.training.vote import temperature_of, thresholds_of, vote
from ainode_models.training.xray_folder import LabelledXray
from ainode_models.training.xray_pixels import digests_of, mask_of, prepared_pixels
from peers.shared_data import ROOT

SHARES = (0.1, 0.2)
DEMO = ROOT / "models" / "chest-xray-demo"


def test_no_patient_and_no_exact_copy_is_in_two_parts_and_classes_keep_their_shares() -> None:
    rng = np.random.default_rng(5)
    labels = np.repeat([0, 1, 2], [400, 200, 100])
    patients = [f"{label}-{rng.integers(40)}" for label in labels]
    digests = [str(number) for number in range(700)]
    for one, other in rng.integers(0, 700, (30, 2)):
        digests[one] = digests[other]
    parts = split(labels, patients, digests, shares=SHARES, seed=1)
    three = (parts.training, parts.validation, parts.held_out)
    assert sorted(np.concatenate(three)) == list(range(700))
    for known in (patients, digests):
        parted = [{known[index] for index in part} for part in three]
        assert all(not parted[one] & parted[other] for one, other in ((0, 1), (0, 2), (1, 2)))


def test_each_class_has_its_share_in_each_part_and_the_seed_decides() -> None:
    labels = np.repeat([0, 1, 2], [400, 200, 100])
    patients = [f"{label}-{number // 4}" for number, label in enumerate(labels)]
    digests = [str(number) for number in range(700)]
    one, same, other = (split(labels, patients, digests, shares=SHARES, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.held_out, same.held_out)
    assert not np.array_equal(one.held_out, other.held_out)
    assert np.bincount(labels[one.held_out]).tolist() == [80, 40, 20]
    assert np.bincount(labels[one.validation]).tolist() == [40, 20, 8]  # 10 is no multiple of four images


def test_a_class_of_two_patients_cannot_be_split() -> None:
    with pytest.raises(InputError, match="at least 3"):
        split(np.array([0, 0, 0, 1, 1]), ["a", "b", "c", "d", "e"], list("12345"), shares=SHARES, seed=1)


def test_masks_are_brought_to_the_image_and_copies_are_known_by_their_pixels(tmp_path: Path) -> None:
    grey = np.full((448, 448), 200, np.uint8)
    Image.fromarray(grey).save(tmp_path / "one.png")
    Image.fromarray(grey).save(tmp_path / "two.png", compress_level=0)
    Image.fromarray(grey[:224]).save(tmp_path / "three.png")
    xrays = [LabelledXray(tmp_path / f"{name}.png", None, 0, Patient("a", {})) for name in ("one", "two", "three")]
    one, two, three = digests_of(xrays, lambda _done: None)
    assert one == two != three
    mask = np.zeros((112, 112), np.uint8)
    mask[:, 28:] = 1
    Image.fromarray(mask).save(tmp_path / "mask.png")
    whole = mask_of(tmp_path / "mask.png", (448, 448))
    assert not whole[:, :112].any() and whole[:, 112:].all()


def test_images_are_prepared_as_at_work_negatives_and_sixteen_bits_too(tmp_path: Path) -> None:
    phantom = chest_phantom(500_000, 2)
    deep = np.rint(phantom.image * 65535).astype(np.uint16)
    for name, stored in (("deep", deep), ("negative", 65535 - deep)):
        Image.fromarray(stored).save(tmp_path / f"{name}.png")
    lungs = load_lung_net(DEMO / "lungs.pth", torch.device("cpu"))
    xrays = [LabelledXray(tmp_path / f"{name}.png", None, 0, Patient("a", {})) for name in ("deep", "negative")]
    positive, negative = prepared_pixels(xrays, lungs, lambda _done: None)
    at_work, said = prepared(Radiograph(phantom.image), asked(lungs))
    assert said == ()
    assert np.abs(positive / 255 - at_work[0, 0]).max() <= 1 / 510 + 1e-4
    assert np.abs(positive.astype(int) - negative).max() <= 1
    assert (positive == 0).mean() > 0.4, "black outside the lungs"


def test_augmentation_flips_turns_and_moves_whole_pictures() -> None:
    picture = torch.zeros(64, 1, 32, 32)
    picture[:, :, 4:8, 4:8] = 1.0
    still = augmented(picture, Augmentation(degrees=0, flip_columns=False, flip_rows=False), torch.Generator())
    assert torch.allclose(still, picture, atol=1e-5)
    flipped = augmented(picture, Augmentation(degrees=0, flip_columns=True, flip_rows=True), torch.Generator())
    corners = {tuple(torch.nonzero(each[0] > 0.5)[0].tolist()) for each in flipped}
    assert corners == {(4, 4), (4, 24), (24, 4), (24, 24)}
    turned = augmented(
        picture, Augmentation(degrees=10, flip_columns=False, flip_rows=False, gamma=1.2), torch.Generator()
    )
    assert (turned - picture).abs().amax(dim=(1, 2, 3)).min() > 0.05
    assert turned.min() >= 0 and turned.max() <= 1


@pytest.mark.parametrize("name", ["efficientnet_b0", "densenet121"])
def test_start_weights_of_a_folder_fill_the_body_and_leave_the_head(tmp_path: Path, name: str) -> None:
    plain = getattr(torchvision_models(), name)(weights=None)
    state = plain.state_dict()
    if name == "densenet121":  # as torchvision publishes it: norm.1 for norm1
        old = {key: key.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2.") for key in state}
        old = {new: key for new, key in old.items() if not key.endswith("num_batches_tracked")}
        state = {key: state[new] for new, key in old.items()}
    torch.save(state, tmp_path / f"{name}-0123abcd.pth")
    net = start_net(name, 4, str(tmp_path))
    assert all(torch.equal(value, plain.features.state_dict()[key]) for key, value in net.features.state_dict().items())
    assert head_of(name, net)[-1].out_features == 4


def test_start_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one file"):
        start_net("resnet50", 4, str(tmp_path))
    torch.save({"features.0.0.weight": torch.zeros(1)}, tmp_path / "efficientnet_b0.pth")
    with pytest.raises(PackageError, match="holds no weights of efficientnet_b0"):
        start_net("efficientnet_b0", 4, str(tmp_path))
    torch.save({"run": print}, tmp_path / "efficientnet_b0.pth")
    with pytest.raises(PackageError, match="tensors only"):
        start_net("efficientnet_b0", 4, str(tmp_path))


def test_without_a_network_it_is_said_how_to_bring_the_imagenet_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    with pytest.raises(RuntimeUnavailable, match=r"Fetch https://\S+/efficientnet_b0\S+\.pth .* --weights FOLDER"):
        start_net("efficientnet_b0", 4, "imagenet")


def test_full_fine_tuning_learns_with_every_layer_and_twice_the_same() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(8) % 2
    images = np.asarray(rng.integers(0, 40, (8, 32, 32)) + 120 * labels[:, None, None], np.uint8)
    part = LabelledImages(images, labels)
    states = []
    for _ in range(2):
        torch.manual_seed(1)
        net = NETS["efficientnet_b0"](2)
        before = {key: value.clone() for key, value in net.state_dict().items()}
        recipe = RECIPES["full"].__class__(**{**vars(RECIPES["full"]), "epochs": 2, "batch": 4})
        trainer = Trainer(net, "efficientnet_b0", recipe, device=torch.device("cpu"), seed=1)
        history = trainer.fit(part, part, lambda _done, _said: None)
        states.append(trainer.weights())
    assert len(history.training_loss) == 2
    assert all(torch.allclose(value, states[1][key], atol=1e-6) for key, value in states[0].items())
    moved = [
        key for key, value in states[0].items() if value.is_floating_point() and not torch.equal(value, before[key])
    ]
    assert len(moved) == sum(value.is_floating_point() for value in before.values())


def test_a_frozen_net_keeps_its_body_and_the_head_of_its_best_epoch() -> None:
    rng = np.random.default_rng(3)
    labels = np.arange(16) % 2
    images = np.asarray(rng.integers(0, 40, (16, 32, 32)) + 80 * labels[:, None, None], np.uint8)
    training, validation = LabelledImages(images[:8], labels[:8]), LabelledImages(images[8:], 1 - labels[8:])
    torch.manual_seed(1)
    net = NETS["efficientnet_b0"](2)
    recipe = RECIPES["frozen"].__class__(**{**vars(RECIPES["frozen"]), "epochs": 4, "head_rate": 1e-2, "draws": 1})
    trainer = Trainer(net, "efficientnet_b0", recipe, device=torch.device("cpu"), seed=1, standardise=True)
    trainer.measure_norms(training.images)
    body = {key: value.clone() for key, value in net.features.state_dict().items()}
    history = trainer.fit(training, validation, lambda _done, _said: None)
    assert history.best < len(history.validation_loss) - 1, (
        "what helps with the training images is wrong for the others"
    )
    logits = torch.from_numpy(trainer.logits(validation.images))
    loss = float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(validation.labels)))
    assert loss == pytest.approx(min(history.validation_loss), rel=1e-3)
    assert all(torch.equal(value, net.features.state_dict()[key]) for key, value in body.items())


def test_the_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(2)
    honest = rng.normal(0, 1.5, (1, 4000, 3))
    labels = np.array([rng.choice(3, p=each) for each in softmax(honest[0], axis=1)])
    assert temperature_of(honest * 3, labels) == pytest.approx(3, rel=0.1)
    assert vote(np.stack([honest[0], -honest[0]])).sum(axis=1) == pytest.approx(1)


def test_thresholds_part_the_classes_and_the_band_reaches_nearly_all_of_a_class() -> None:
    present, absent = np.linspace(0.4, 0.9, 50), np.linspace(0.05, 0.3, 50)
    scores = np.concatenate([present, absent])
    first, second = thresholds_of(np.stack([scores, 1 - scores], axis=1), np.repeat([0, 1], 50))
    assert 0.3 < first.threshold < 0.4 and first.refer_from == first.threshold
    assert 0.6 < second.threshold < 0.7
    mixed = np.concatenate([present, np.linspace(0.05, 0.7, 200)])
    blurred = thresholds_of(np.stack([mixed, 1 - mixed], axis=1), np.repeat([0, 1], [50, 200]))[0]
    assert blurred.refer_from < blurred.threshold
    assert np.mean(present >= blurred.refer_from) >= 0.98
