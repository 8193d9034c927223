"""Sentences and reviews told apart by three networks: Kim's convolutions, an LSTM that reads both
ways, and an encoder that was a masked language model before.

Data:     sst: Stanford's sentences, two opinions (6,920; its own validation sentences). trec: 5,452
          questions of six kinds. waimai, hotels: Chinese reviews, two opinions (11,987; 7,766).
          titles: 10,000 Chinese headlines of ten sections to train on, 10,000 others to validate.
          Of trec, waimai and hotels a fifth is held out. The masked language models read, of
          English, 25,000 reviews of films (IMDB), of Chinese all three.
Command:  seqlab train --config=experiments/classify.py:english --workdir=runs/classify/english
          (and :chinese) pretrains; then
          scripts/seeds --runs=runs/classify --metric=accuracy experiments/classify.py:sst-text_cnn
          (or -lstm, -masked; for two of them the difference is printed too)
Time:     on 2 CPU cores
Expected: accuracy on what is held out
"""

from ml_collections import ConfigDict

DATA = "../shared/data"
SENTENCES, CHINESE = f"{DATA}/sentence_cls", f"{DATA}/chinese_cls"
TITLES = "columns=('text', 'label'), delimiter='\t'"
WAIMAI = f"csv(path='{CHINESE}/waimai_10k.csv.xz', field='review'"
HOTELS = f"csv(path='{CHINESE}/ChnSentiCorp_htl_all.csv.xz', field='review'"
# Source, validation split, tokens of a row, language.
SETS = dict(
  sst=(
    f"labelled(path='{SENTENCES}/stsa.binary.train.xz', encoding='latin-1')",
    f"labelled(path='{SENTENCES}/stsa.binary.dev.xz', encoding='latin-1')",
    64,
    "english",
  ),
  trec=(
    f"labelled(path='{SENTENCES}/TREC.train.all.xz', encoding='latin-1')",
    "hash(fraction=0.2)",
    40,
    "english",
  ),
  waimai=(f"{WAIMAI}, label='label')", "hash(fraction=0.2)", 64, "chinese"),
  hotels=(f"{HOTELS}, label='label')", "hash(fraction=0.2)", 128, "chinese"),
  titles=(
    f"csv(path='{CHINESE}/thucnews_title_dev.txt.xz', {TITLES}, label='label')",
    f"csv(path='{CHINESE}/thucnews_title_test.txt.xz', {TITLES}, label='label')",
    32,
    "chinese",
  ),
)
TEXTS = dict(
  english=f"jsonl(path='{DATA}/imdb/imdb_train.jsonl.xz')",
  chinese=f"{HOTELS}) | {WAIMAI}) | csv(path='{CHINESE}/thucnews_title_dev.txt.xz', {TITLES})",
)


def get_config(what="sst-text_cnn"):
  config = ConfigDict()
  config.optimizer, config.batch = "adamw(b2=0.99)", 32
  if what in TEXTS:
    config.objective, config.length = "masked_language_model(rate=0.2)", 64
    config.data = ConfigDict(dict(tokenizer="bpe(vocab=8192)", clean="lower()", rows="packed"))
    config.data.source = TEXTS[what]
    config.steps, config.lr, config.schedule = 3000, 2e-3, "cosine(warmup=200, final=0.05)"
    config.model = ConfigDict(dict(name="encoder", width=128, depth=2, mlp="gated()"))
    config.model.mixer = "attention(heads=4)"
    config.evaluate = ConfigDict(dict(every=1000, batches=50))
    config.checkpoint = ConfigDict(dict(every=1000))
    return config
  of, network = what.split("-")
  source, valid, config.length, language = SETS[of]
  config.objective, config.steps = "classification()", 600
  config.lr, config.schedule = 1e-3, "cosine(warmup=60, final=0.05)"
  config.data = ConfigDict(dict(source=source, valid=valid, tokenizer="words(min_count=2)"))
  config.data.clean = "lower() | words()" if language == "chinese" else "lower()"
  config.evaluate = config.checkpoint = ConfigDict(dict(every=0))
  if network == "text_cnn":
    config.model = ConfigDict(dict(name="text_cnn()", width=128, dropout=0.5))
    config.steps = 1500
  elif network == "lstm":
    config.model = ConfigDict(
      dict(name="encoder", width=128, depth=1, mixer="lstm()", mlp="none()")
    )
    config.model.dropout = 0.3
  elif network == "masked":
    config.model = ConfigDict(dict(name="encoder", width=128, depth=2, mlp="gated()", dropout=0.1))
    config.model.mixer, config.lr = "attention(heads=4)", 5e-4
    config.data.tokenizer, config.data.clean = (
      f"file(path='runs/classify/{language}/tokenizer')",
      "lower()",
    )
    config.init = ConfigDict(dict(path=f"runs/classify/{language}"))
  else:
    raise ValueError(f"network {network!r}: text_cnn, lstm or masked")
  return config
