"""Arrays as data: sources by their files, splits, batches; what is refused, in one line."""

import gzip
import struct

import numpy as np
import pytest

from seqlab.cli import main
from seqlab.data.array_sources import ARRAY_SOURCES, gives_arrays, read_arrays
from seqlab.data.loader import Loader
from seqlab.errors import UserError

COUNT = 30


def write_idx(path, x):
  head = struct.pack(">HBB", 0, 8, x.ndim) + struct.pack(f">{x.ndim}I", *x.shape)
  data = head + x.tobytes()
  path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Image i is filled with the number i, its class is i modulo 3."""
  folder = tmp_path_factory.mktemp("images")
  image = np.broadcast_to(np.arange(COUNT, dtype=np.uint8)[:, None, None], (COUNT, 4, 5)).copy()
  label = (np.arange(COUNT) % 3).astype(np.uint8)
  write_idx(folder / "images.gz", image)
  write_idx(folder / "labels", label)
  write_idx(folder / "few", label[:7])
  write_idx(folder / "small", image[:, :2])
  odd = dict(far=np.full(len(label), 10**9), none=np.zeros((len(image), 0, 5), np.uint8))
  np.savez(folder / "a.npz", images=image, y=label.astype(int), float=image / 255.0, **odd)
  np.savez(folder / "bad.npz", images=np.full((2, 3, 3), np.nan), y=np.array([0.5, 1.0]))
  (folder / "text").write_text("no idx")
  (folder / "cut.npz").write_bytes((folder / "a.npz").read_bytes()[:-40])
  with open(folder / "one.npz", "wb") as stream:
    np.save(stream, image)
  return folder


def idx(folder, images="images.gz", labels="labels"):
  return f"idx(path='{folder}/{images}', labels='{folder}/{labels}')"


@pytest.mark.parametrize("kind", ["idx", "npz", "float npz"])
def test_every_example_comes_once_and_with_its_label(folder, kind):
  source = dict(
    idx=idx(folder),
    npz=f"npz(path='{folder}/a.npz', labels='y')",
  ).get(kind, f"npz(path='{folder}/a.npz', images='float', labels='y')")
  data = read_arrays(source, "hash(fraction=0.3)")
  seen = []
  for split in ("train", "valid"):
    loader = Loader(data, split, length=1, batch=4, rows="arrays", train=False)
    for step in range(loader.steps_per_epoch):
      batch = loader(step)
      assert batch["image_BYXD"].dtype == np.float32 and batch["image_BYXD"].shape == (4, 4, 5, 1)
      real = batch["weight_B"] > 0
      number = np.round(255 * batch["image_BYXD"][real, 0, 0, 0]).astype(int)
      assert (batch["label_B"][real] == number % 3).all()
      seen += number.tolist()
  assert sorted(seen) == list(range(COUNT)) and data.labels == ["0", "1", "2"]
  assert 0 < data.size("valid")["examples"] < COUNT / 2


def test_training_is_a_function_of_the_step_and_sees_all(folder):
  data = read_arrays(idx(folder), "tail(fraction=0.2)")
  one, other = (Loader(data, length=1, batch=4, rows="arrays", seed=1) for _ in range(2))
  epoch = [one(step)["image_BYXD"][:, 0, 0, 0] for step in range(6)]
  np.testing.assert_array_equal(other(5)["image_BYXD"][:, 0, 0, 0], epoch[5])
  assert len(np.unique(np.concatenate(epoch))) == 24
  halves = [
    Loader(data, length=1, batch=4, rows="arrays", seed=1, process=p, processes=2) for p in range(2)
  ]
  got = np.concatenate([half(3)["image_BYXD"] for half in halves])
  np.testing.assert_array_equal(got, one(3)["image_BYXD"])


def test_a_split_by_hash_keeps_copies_together_and_stays_when_examples_are_added(folder, tmp_path):
  image = np.random.default_rng(0).integers(0, 256, (200, 3, 3), np.uint8)
  held = []
  for name, some in dict(few=image[:150], more=np.concatenate([image, image])).items():
    np.savez(tmp_path / name, images=some)
    data = read_arrays(f"npz(path='{tmp_path}/{name}.npz')", "hash(fraction=0.3)")
    held.append({x.tobytes() for x in data.splits["valid"]["image_BYXD"]})
    assert not held[-1] & {x.tobytes() for x in data.splits["train"]["image_BYXD"]}
  first = {x.tobytes() for x in image[:150, ..., None]}
  assert held[0] == held[1] & first and 20 < len(held[0]) < 70


def test_the_fingerprint_is_of_the_content(folder, tmp_path):
  first = read_arrays(idx(folder), "hash(fraction=0.3)").fingerprint
  (tmp_path / "images").write_bytes(gzip.decompress((folder / "images.gz").read_bytes()))
  (tmp_path / "labels").write_bytes((folder / "labels").read_bytes())
  assert read_arrays(idx(tmp_path, "images"), "hash(fraction=0.3)").fingerprint == first
  assert read_arrays(idx(folder), "hash(fraction=0.4)").fingerprint != first
  data = bytearray((tmp_path / "images").read_bytes())
  data[-1] ^= 1
  (tmp_path / "images").write_bytes(data)
  assert read_arrays(idx(tmp_path, "images"), "hash(fraction=0.3)").fingerprint != first


def test_mixtures_lie_where_their_labels_say():
  for source, centres in (("ring(std=0.01)", 8), ("grid(std=0.01)", 25)):
    data = read_arrays(source, "hash(fraction=0.1)")
    x_BD, label_B = data.splits["train"]["x_BD"], data.splits["train"]["label_B"]
    named = np.array([[float(n) for n in name.split(",")] for name in data.labels])
    assert len(named) == centres
    gap = np.linalg.norm(x_BD - named[label_B], axis=1)
    assert gap.max() < 0.07 and abs(gap.mean() - 0.01 * np.sqrt(np.pi / 2)) < 5e-4


def test_digits_need_no_file():
  pytest.importorskip("sklearn")
  data = read_arrays("digits()", "hash(fraction=0.2)")
  image = data.splits["train"]["image_BYXD"]
  assert image.shape[1:] == (8, 8, 1) and image.min() == 0 and image.max() == 1
  assert sum(data.size(split)["examples"] for split in ("train", "valid")) == 1797


@pytest.mark.parametrize(
  ("source", "valid", "said"),
  [
    ("idx(path='{0}/imagse.gz')", "", "matches no file"),
    ("idx(path='{0}/text')", "", "text is no idx file"),
    ("idx(path='{0}/labels')", "", "holds uint8[30]; bytes of images are wanted"),
    ("idx(path='{0}/images.gz', labels='{0}/few')", "", "uint8[7]; 30 whole numbers from 0"),
    ("npz(path='{0}/a.npz', images='x')", "", "has no array 'x'"),
    ("npz(path='{0}/a.npz', labels='images')", "", "30 whole numbers from 0 to 99999, one for"),
    ("npz(path='{0}/a.npz', labels='far')", "", "30 whole numbers from 0 to 99999, one for"),
    ("npz(path='{0}/a.npz', images='none')", "", r"images of \[30, 0, 5\] hold no pixel"),
    ("npz(path='{0}/bad.npz')", "", r"pixel \[0, 0, 0\] is nan"),
    ("npz(path='{0}/text')", "", "is no .npz of arrays"),
    ("npz(path='{0}/cut.npz')", "", "is no .npz of arrays"),
    ("npz(path='{0}/one.npz')", "", "is no .npz of arrays"),
    ("ring(std=0)", "", "std above 0"),
    ("idx(path='{0}/images.gz')", "idx(path='{0}/small')", r"\[2, 5, 1\], .* \[4, 5, 1\]"),
    ("idx(path='{0}/images.gz', labels='{0}/labels')", "npz(path='{0}/a.npz')", "gives no label_B"),
    ("ring()", "hash(fraction=2.0)", "above 0 and below 1"),
    ("ring()", "text(path='a')", "unknown 'text'"),
    ("ring(modes=8)", "ring(modes=4)", "its labels are .* those of config.data.source"),
  ],
)
def test_what_is_wrong_is_named(folder, source, valid, said):
  with pytest.raises(UserError, match=said.replace("[30]", r"\[30\]").replace("[7]", r"\[7\]")):
    read_arrays(source.format(folder), valid.format(folder) or "hash(fraction=0.1)")


def test_arrays_and_text_do_not_mix():
  assert not gives_arrays("embedded()") and all(gives_arrays(f"{n}()") for n in ARRAY_SOURCES)
  with pytest.raises(UserError, match="cannot be mixed"):
    gives_arrays("ring() | embedded()")


@pytest.mark.parametrize(
  ("flags", "said"),
  [
    (["model.name=mlp()"], "reads arrays and config.data.source='embedded()' gives text"),
    (["data.source=ring()"], "config.model.name='decoder' reads text and .*ring"),
    (["data.source=ring()", "model.name=mlp()", "length=8"], "config.length=8: mlp() has no use"),
    (["data.source=ring()", "model.name=mlp()", "model.width=8"], "config.model.width=8: mlp()"),
    (
      ["data.source=ring()", "model.name=mlp()", "data.clean=lower()"],
      "config.data.clean='lower()'",
    ),
    (["model.name=text_cnn()", "model.depth=2"], "config.model.depth=2: text_cnn() has no use"),
    (
      ["data.source=ring()", "model.name=vae()", "objective=variational()"],
      "tells pixels from 0 to 1; .* gives points",
    ),
    (["data.source=ring()", "model.name=cnn()"], r"halves rows and columns 2 times"),
    (["data.source=ring()", "model.name=mlp(hidden=(0,))"], "sizes (0,); 1 or more"),
    (["data.source=ring()", "model.name=mlp(activation='rleu')"], "did you mean 'relu'"),
    (["data.source=ring()", "model.name=vae()"], "classification() trains"),
    (
      ["data.source=ring()", "model.name=autoencoder()", "objective=autoencoding(loss='l2')"],
      "choose from squared, bernoulli",
    ),
  ],
)
def test_a_network_and_data_that_do_not_fit(flags, said, tmp_path, capsys):
  flags = ["objective=classification()", *flags]
  code = main(["train", *(f"--config.{flag}" for flag in flags), f"--workdir={tmp_path}/run"])
  line = capsys.readouterr().err.strip().splitlines()[-1]
  assert code == 2 and line.startswith("seqlab: ")
  import re

  assert re.search(said.replace("()", r"\(\)").replace("(0,)", r"\(0,\)"), line), line
