"""Sequence to sequence: packed pairs, one step at a time as the whole, and the beam against brute
force.
"""

import functools
import gzip
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawn import drawn
from members import mixer
from scipy.special import log_softmax

from seqlab.beam import Beam
from seqlab.data.loader import Loader
from seqlab.errors import UserError
from seqlab.laws import same_on_a_mesh
from seqlab.models.encoder_decoder import EncoderDecoder
from seqlab.models.network import Network
from seqlab.nn.channel_mixers import Plain
from seqlab.nn.cross_attention import AdditiveAttention, CrossAttention
from seqlab.nn.mixers.bidirectional import both_ways
from seqlab.nn.stack import Layer
from seqlab.objectives import SequenceToSequence
from seqlab.prepare import documents, prepare

EOT, PAD, VOCAB = 6, 7, 8


def network(*specs, depth=2, attention="dot"):
  layers = both = tuple(Layer(mixer(spec), Plain(ratio=2)) for spec in specs)
  if attention != "none":
    both = tuple(Layer(both_ways(x.mixer), x.mlp) for x in layers)
  cross = dict(
    dot=CrossAttention(2, parent=None), additive=AdditiveAttention(parent=None), none=None
  )
  reading = tuple(Layer(x.mixer, x.mlp, cross=cross[attention]) for x in layers)
  return Network(
    EncoderDecoder(vocab=VOCAB, width=16, depth=depth, layers=reading, encoder_layers=both)
  )


def packed(sources, targets, length):
  """A batch of one row that holds these pairs."""
  names = ("source_BS", "source_pos_BS", "source_pair_BS", "tokens_BT", "pos_BT", "pair_BT")
  batch = {name: np.zeros((1, length), np.int32) for name in names}
  batch |= dict(labels_BT=np.zeros((1, length), np.int32), weight_BT=np.zeros((1, length), "f4"))
  batch["source_pair_BS"][:], batch["pair_BT"][:] = -2, -1
  for side, texts in (("source", sources), ("target", targets)):
    at = length - sum(len(ids) + 1 for ids in texts) if side == "source" else 0
    for number, ids in enumerate(texts):
      here, own = (0, slice(at, at + len(ids) + 1)), [EOT, *ids]
      tokens, pos, pair = names[:3] if side == "source" else names[3:]
      batch[tokens][here], batch[pos][here] = own, np.arange(len(own))
      batch[pair][here] = number
      if side == "target":
        batch["labels_BT"][here], batch["weight_BT"][here] = [*ids, EOT], 1
      at += len(own)
  return batch


SOURCES = ([1, 2, 3, 4], [5], [2, 2, 1])
TARGETS = ([3, 1], [0, 5, 5, 2], [4])


MODELS = {
  "attention(heads=2)": "dot",
  "lstm()": "dot",
  "min_gru() | attention(heads=2)": "dot",
  "gru()": "additive",
}


@functools.cache
def built(spec):
  """The network of a spec and its parameters; the last spec has no attention: a row is one pair."""
  net = network(*spec.split(" | "), attention=MODELS.get(spec, "none"))
  objective = SequenceToSequence(net)
  return net, drawn(objective.init, packed(SOURCES, TARGETS, 16))["model"]


@pytest.fixture(params=[*MODELS, "gru() | lstm()"])
def model(request):
  return built(request.param)


@functools.partial(jax.jit, static_argnums=0)
def _logits(net, params, batch):
  source = tuple(batch[f"source{part}_BS"] for part in ("", "_pos", "_pair"))
  x_BTD, _ = net(params, batch["tokens_BT"], batch["pos_BT"], None, batch["pair_BT"], source)
  return net(params, x_BTD, method="logits")


def logits(net, params, batch):
  return np.array(_logits(net, params, batch))


@functools.partial(jax.jit, static_argnums=0)
def step(net, params, tokens_BT, pos_BT, state, *more):
  x_BTD, state = net(params, tokens_BT, pos_BT, state, *more)
  return net(params, x_BTD, method="logits"), state


@pytest.mark.parametrize("model", MODELS, indirect=True)
def test_packed_pairs_are_read_as_if_alone(model):
  whole, at = logits(*model, packed(SOURCES, TARGETS, 16)), 0
  for source, target in zip(SOURCES, TARGETS, strict=True):
    size = len(target) + 1
    alone = logits(*model, packed([source], [target], 7))
    np.testing.assert_allclose(whole[0, at : at + size], alone[0, :size], atol=3e-5)
    at += size


@pytest.mark.parametrize("model", MODELS, indirect=True)
def test_the_source_is_read_and_told_apart(model):
  other = logits(*model, packed(([1, 2, 3, 0], *SOURCES[1:]), TARGETS, 16))
  whole = logits(*model, packed(SOURCES, TARGETS, 16))
  assert (abs(other - whole).max(-1)[0, :3] > 1e-4).all(), "its own target sees the change"
  np.testing.assert_array_equal(other[0, 3:10], whole[0, 3:10])


def test_token_by_token_is_the_whole(model):
  """The splitting law, with the memory given once."""
  net, params = model
  batch = packed(SOURCES[:1], [[3, 1, 4, 4, 0]], 7)
  source = tuple(jnp.asarray(batch[f"source{part}_BS"]) for part in ("", "_pos", "_pair"))
  state, pieces = net.init_state(1, 8), []
  for t in range(6):
    more = (batch["pair_BT"][:, :1], source) if t == 0 else ()
    here = slice(t, t + 1)
    now = batch["tokens_BT"][:, here], batch["pos_BT"][:, here]
    piece, state = step(net, params, *now, state, *more)
    pieces.append(piece)
  whole = logits(net, params, batch)
  np.testing.assert_allclose(np.concatenate(pieces, 1), whole[:, :6], atol=3e-5)


def test_without_attention_padding_before_the_source_is_not_read():
  net = network("gru()", "lstm()", attention="none")
  short, long = (packed(SOURCES[2:], TARGETS[2:], n) for n in (5, 9))
  params = drawn(SequenceToSequence(net).init, short)["model"]
  np.testing.assert_allclose(
    logits(net, params, short)[0, :2], logits(net, params, long)[0, :2], atol=1e-6
  )
  other = logits(net, params, packed([[2, 2, 0]], TARGETS[2:], 5))
  assert abs(other - logits(net, params, short))[0, :2].max() > 1e-3, "the source is read"


def test_label_smoothing_is_its_formula():
  net, batch = network("attention(heads=2)"), packed(SOURCES, TARGETS, 16)
  params = drawn(SequenceToSequence(net).init, batch)
  loss = jax.jit(functools.partial(SequenceToSequence(net, 0.2).loss, "model"))
  scalar, metrics, _ = loss(params, batch, None, {})
  logp = log_softmax(logits(net, params["model"], batch), axis=-1)
  nll = -np.take_along_axis(logp, batch["labels_BT"][..., None], 2)[..., 0]
  smooth = 0.8 * nll - 0.2 * logp.mean(-1)
  weight = batch["weight_BT"]
  np.testing.assert_allclose(scalar, (smooth * weight).sum() / weight.sum(), rtol=1e-5)
  np.testing.assert_allclose(metrics["loss"][0], (nll * weight).sum(), rtol=1e-5)


def test_losses_are_the_same_on_a_mesh():
  net, batch = network("lstm()", depth=1), packed(SOURCES, TARGETS, 16)
  batch = {name: np.repeat(x, 8, 0) for name, x in batch.items()}
  batch["labels_BT"][4:] = batch["labels_BT"][4:] % 5  # rows that differ
  same_on_a_mesh(SequenceToSequence(net, 0.1), batch, dict(data=2, fsdp=2, tensor=2))


def source_rows(sources, length=6):
  ids = np.full((len(sources), length), PAD, np.int32)
  inside = np.zeros(ids.shape, bool)
  for row, source in enumerate(sources):
    ids[row, -len(source) - 1 :], inside[row, -len(source) - 1 :] = [EOT, *source], True
  pos = np.cumsum(inside, 1) - 1
  return ids, np.where(inside, pos, 0), np.where(inside, 0, -2)


def everything(net, params, source, most):
  """(log-probability, text) of every text of at most `most` tokens, one that ends counting its
  end.
  """
  ids = [i for i in range(VOCAB) if i not in (EOT, PAD)]
  texts = [list(t) for n in range(most + 1) for t in itertools.product(ids, repeat=n)]
  source_BS, pos_BS, pair_BS = (np.repeat(x, len(texts), 0) for x in source_rows([source]))
  tokens = np.full((len(texts), most + 1), EOT, np.int32)
  labels = tokens.copy()
  for row, text in enumerate(texts):
    tokens[row, 1 : len(text) + 1] = labels[row, : len(text)] = text
  pos = np.broadcast_to(np.arange(most + 1, dtype=np.int32), tokens.shape)
  batch = dict(source_BS=source_BS, source_pos_BS=pos_BS, source_pair_BS=pair_BS)
  batch |= dict(tokens_BT=tokens, pos_BT=pos, pair_BT=np.zeros_like(tokens))
  scores = logits(net, params, batch)
  scores[..., PAD] = -np.inf
  logp = log_softmax(scores, axis=-1)
  told = np.take_along_axis(logp, labels[..., None], 2)[..., 0]
  return [(told[i, : min(len(text) + 1, most)].sum(), text) for i, text in enumerate(texts)]


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_of_all_texts(model, penalty):
  net, params = model
  most = 3
  search = Beam(net, EOT, VOCAB, silent=(PAD,), beams=40, penalty=penalty)
  free_BT = np.full((len(SOURCES), most), -1, np.int32)
  tokens_BKT, length_BK, score_BK = search(params, free_BT, source_rows(SOURCES))
  for row, source in enumerate(SOURCES):
    every = everything(net, params, source, most)
    score = lambda s, text: s / ((5 + min(len(text) + 1, most)) / 6) ** penalty  # noqa: E731
    ranked = sorted(((score(s, text), text) for s, text in every), reverse=True)
    for place in range(5):
      found = tokens_BKT[row, place, : length_BK[row, place]].tolist()
      np.testing.assert_allclose(score_BK[row, place], ranked[place][0], atol=1e-4)
      assert found == ranked[place][1]


def test_one_beam_without_penalty_takes_the_likeliest_token_each_time(model):
  net, params = model
  most = 5
  search = Beam(net, EOT, VOCAB, silent=(PAD,), beams=1, penalty=0.0)
  free_BT = np.full((3, most), -1, np.int32)
  tokens_BKT, length_BK, _ = search(params, free_BT, source_rows(SOURCES))
  for row, source in enumerate(SOURCES):
    text = []
    while len(text) < most:
      scores = logits(net, params, packed([source], [text], 8))[0, len(text)]
      scores[PAD] = -np.inf
      if (token := int(scores.argmax())) == EOT:
        break
      text.append(token)
    assert tokens_BKT[row, 0, : length_BK[row, 0]].tolist() == text


def test_forced_beginnings_and_rows_of_other_length_change_no_row(model):
  net, params = model
  search = Beam(net, EOT, VOCAB, silent=(PAD,), beams=3)
  forced_BT = np.full((3, 5), -1, np.int32)
  forced_BT[1, :2] = [4, 0]
  together = jax.device_get(search(params, forced_BT, source_rows(SOURCES)))
  assert (together[0][1, :, :2] == [4, 0]).all()
  for row, source in enumerate(SOURCES):
    alone = search(params, forced_BT[row : row + 1], source_rows([source]))
    np.testing.assert_array_equal(together[0][row], alone[0][0])
    np.testing.assert_allclose(together[2][row], alone[2][0], atol=1e-4)


@pytest.fixture(scope="module")
def translations(tmp_path_factory):
  folder = tmp_path_factory.mktemp("pairs")
  german = [f"ein {w} {'sehr ' * (i % 4)}schnell" for i, w in enumerate("abcdefghij" * 3)]
  english = [f"a {w} {'very ' * (i % 3)}快" for i, w in enumerate("abcdefghij" * 3)]
  (folder / "de.txt").write_text("\n".join(german) + "\n")
  with gzip.open(folder / "en.txt.gz", "wt", encoding="utf-8") as stream:
    stream.write("\n".join(english) + "\n")
  source = f"parallel(path='{folder}/en.txt.gz', source='{folder}/de.txt')"
  return folder, source, german, english


@pytest.mark.parametrize("rows", ["pairs", "pairs(layout='alone')"])
def test_a_store_of_pairs_gives_each_pair_once(translations, rows):
  folder, source, german, english = translations
  corpus = prepare(source, "bytes()", "hash(fraction=0.2)", str(folder / "store"))
  found = []
  for split in ("train", "valid"):
    loader = Loader(corpus, split, length=48, batch=2, rows=rows, train=False)
    for step in range(loader.steps_per_epoch):
      batch = loader(step)
      for row in range(2):
        for pair in range(batch["pair_BT"][row].max() + 1):
          here, there = batch["pair_BT"][row] == pair, batch["source_pair_BS"][row] == pair
          labels = batch["labels_BT"][row][here]
          assert labels[-1] == corpus.eot and batch["tokens_BT"][row][here][0] == corpus.eot
          assert batch["pos_BT"][row][here].tolist() == list(range(here.sum()))
          assert batch["source_pos_BS"][row][there].tolist() == list(range(there.sum()))
          if "alone" in rows:
            assert pair == 0 and there[-1]
          decode = corpus.tokenizer.decode
          found.append((decode(batch["source_BS"][row][there]), decode(labels)))
        assert (batch["weight_BT"][row] == (batch["pair_BT"][row] >= 0)).all()
  assert sorted(found) == sorted(zip(german, english, strict=True))
  told = [(d.source, d.text) for d in documents(source, "hash(fraction=0.2)", "valid")]
  assert told and set(told) < set(found)
  assert corpus.size("train")["documents"] + corpus.size("valid")["documents"] == len(german)


def test_globs_of_pairs_go_file_by_file(tmp_path):
  for number in range(3):
    for side in ("en", "de"):
      lines = [f"{side} {number} {line}\n" for line in range(number + 1)]
      (tmp_path / f"part{number}.{side}").write_text("".join(lines))
  source = f"parallel(path='{tmp_path}/part*.en', source='{tmp_path}/part*.de')"
  found = list(documents(source, "hash(fraction=0)", "train"))
  assert len(found) == 6 == len({document.id for document in found})
  assert all(d.text[2:] == d.source[2:] and d.text[:2] == "en" for d in found)


def test_pairs_that_cannot_be(translations, tmp_path):
  folder, source, *_ = translations
  store = str(tmp_path / "store")
  (tmp_path / "short.txt").write_text("eins\nzwei\n")
  (tmp_path / "hole.txt").write_text("eins\n\n")
  two = f"path='{tmp_path}/short.txt'"
  with pytest.raises(UserError, match=r"gives 1 files and .* 2; the two must go file by file"):
    prepare(f"parallel({two}, source='{tmp_path}/*.txt')", store=store)
  with pytest.raises(UserError, match="ends after 2 lines"):
    prepare(f"parallel({two}, source='{folder}/de.txt')", store=store)
  with pytest.raises(UserError, match=r"line 2 of .*hole.txt is empty"):
    prepare(f"parallel({two}, source='{tmp_path}/hole.txt')", store=store)
  with pytest.raises(UserError, match="would cut a pair"):
    prepare(source, valid="tail(fraction=0.1)", store=store)
  corpus = prepare(source, "bytes()", "hash(fraction=0.2)", store)
  with pytest.raises(UserError, match=r"config.length=8: the longest side of a pair has"):
    Loader(corpus, length=8, batch=2, rows="pairs")
  with pytest.raises(UserError, match="it holds pairs"):
    Loader(corpus, length=8, batch=2)
  plain = prepare(f"text({two})", "bytes()", "hash(fraction=0)", store)
  with pytest.raises(UserError, match="needs pairs"):
    Loader(plain, length=8, batch=2, rows="pairs")
