"""Personal data out of text, by rule: best effort, no promise.

Names, addresses and whatever is written in words stay; a number that merely looks like one of these
goes. Text that must not hold personal data needs more than this.
"""

import re

from seqlab.data.cleaning.base import Step

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@(?:[\w-]+\.)+[^\W\d_]{2,}", re.ASCII)
_CHINESE_ID = re.compile(r"(?<![\dA-Za-z])\d{17}[\dXx](?![\dA-Za-z])")
_CARD = re.compile(r"(?<![\d.+])\d(?:[ -]?\d){12,18}(?![\d.]?\d)")
_PHONE = re.compile(
  r"(?<![\d.+-])(?:"
  r"(?:(?:\+|00)?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}"  # Chinese mobile
  r"|0\d{2,3}[- ]\d{7,8}"  # Chinese landline
  r"|\+\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){2,5}"  # with a country's code
  r"|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}"  # North American
  r")(?![\d-]|\.\d)"
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def pii(config_key: str) -> Step:
  """E-mail addresses, telephone numbers (Chinese, North American, or with a country's code),
  Chinese ID numbers and card numbers as `<EMAIL>`, `<PHONE>`, `<ID>` and `<CARD>`. Best effort.
  """
  return Step(_scrubbed)


def _scrubbed(text: str) -> str:
  text = _EMAIL.sub("<EMAIL>", text)
  text = _CHINESE_ID.sub(lambda found: "<ID>" if _is_id(found[0]) else found[0], text)
  text = _CARD.sub(lambda found: "<CARD>" if _is_card(found[0]) else found[0], text)
  return _PHONE.sub(lambda found: "<PHONE>" if _is_phone(found[0]) else found[0], text)


def _is_id(number: str) -> bool:
  """The check digit of GB 11643-1999."""
  total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number[:17], strict=True))
  return "10X98765432"[total % 11] == number[17].upper()


def _is_card(number: str) -> bool:
  """The check digit of ISO/IEC 7812 (Luhn)."""
  digits = [int(c) for c in reversed(number) if c.isdigit()]
  doubled = sum(digits[0::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
  return doubled % 10 == 0 and any(digits)


def _is_phone(number: str) -> bool:
  return 9 <= sum(c.isdigit() for c in number) <= 15
