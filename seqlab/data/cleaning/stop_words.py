"""Words that say little of what a text is about, left out for models that only count words.

The lists are our own and short: words of closed classes (articles, pronouns, prepositions,
auxiliaries, conjunctions, particles) and nothing else, so that "not" and 不 go but "good" never.
"""

from seqlab.data.cleaning.base import Step
from seqlab.errors import UserError, nearest

_ENGLISH = """
a an the this that these those each every either neither some any all both few many much more most
other another such same own i me my mine myself you your yours yourself yourselves he him his
himself she her hers herself it its itself we us our ours ourselves they them their theirs
themselves who whom whose which what whoever one ones am is are was were be been being do does did
doing done have has had having will would shall should can could may might must ought not no nor
n't 's 're 've 'll 'd 'm ca wo and or but if then else because since although though while whereas
unless until so as than whether of at by for with about against between among into through during
before after above below to from up down in out on off over under upon within without along across
around behind beside besides toward towards near per via again once here there when where why how
very too also just only ever quite rather
"""
_CHINESE = """
的 地 得 了 着 过 们 吗 呢 吧 啊 呀 嘛 哦 哈 哎 我 你 您 他 她 它 我们 你们 他们 她们 它们 咱们
自己 人家 大家 这 那 这个 那个 这些 那些 这里 那里 这儿 那儿 这样 那样 这么 那么 哪 哪个 哪些
哪里 谁 什么 怎么 怎样 如何 为什么 多少 几 某 各 每 是 有 在 也 都 就 还 又 再 才 很 太 更 最 只
不 没 没有 别 被 把 给 让 使 对 对于 关于 从 到 向 往 由 以 用 于 与 和 同 跟 及 以及 或 或者 而
而且 并 并且 但 但是 可是 不过 然而 因为 所以 因此 由于 如果 假如 要是 虽然 尽管 即使 只要 只有
除了 除非 不但 不仅 那么 于是 然后 之 其 此 所 则 且 若 个 些 一个 一些 一样 等 等等 能 能够 会
可以 可能 应该 应当 必须 要 想 将 已 已经 正在 曾经 比 比较 非常 十分 当 时 时候 上 下 中 里 這
這個 這些 這裡 這樣 這麼 個 們 嗎 麼 什麼 怎麼 為什麼 還 過 與 對 對於 從 給 讓 會 沒 沒有 於 則
將 已經 時候 當
"""
_LISTS = {"english": frozenset(_ENGLISH.split()), "chinese": frozenset(_CHINESE.split())}


def stop_words(config_key: str, language: str = "auto") -> Step:
  """Words of a list left out, whatever their case: "english", "chinese", or both with "auto".
  Words are what white space separates, so words() is to come before.
  """
  if language != "auto" and language not in _LISTS:
    known = ["auto", *_LISTS]
    raise UserError(
      f"{config_key}: language={language!r} of stop_words() must be one of {', '.join(known)}"
      f"{nearest(language, known)}"
    )
  stops = frozenset[str]().union(*(_LISTS[n] for n in _LISTS if language in ("auto", n)))
  return Step(lambda text: " ".join(w for w in text.split() if w.lower() not in stops))
