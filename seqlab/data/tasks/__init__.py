"""Synthetic tasks: `config.data.source = "mqar(pairs=8)"`. They read no file; an example is a pure
function of the task, the split and its index.
"""

from seqlab.data.tasks.arithmetic import Modular
from seqlab.data.tasks.base import Task
from seqlab.data.tasks.chomsky import (
  BucketSort,
  CycleNavigation,
  DuplicateString,
  EvenPairs,
  ModularArithmetic,
  OddsFirst,
  Parity,
  ReverseString,
)
from seqlab.data.tasks.groups import WordProblem
from seqlab.data.tasks.grown import Dyck, Listops, ModularArithmeticBrackets, SolveEquation
from seqlab.data.tasks.mad import Compression, FuzzyRecall, InContextRecall, Memorization
from seqlab.data.tasks.recall import Copying, InductionHeads, Mqar, SelectiveCopying
from seqlab.data.tasks.stacks import (
  BinaryAddition,
  BinaryMultiplication,
  ComputeSqrt,
  MissingDuplicate,
  StackManipulation,
)

TASKS: dict[str, type[Task]] = dict(
  mqar=Mqar,
  induction_heads=InductionHeads,
  selective_copying=SelectiveCopying,
  copying=Copying,
  even_pairs=EvenPairs,
  parity=Parity,
  cycle_navigation=CycleNavigation,
  modular_arithmetic=ModularArithmetic,
  reverse_string=ReverseString,
  duplicate_string=DuplicateString,
  odds_first=OddsFirst,
  bucket_sort=BucketSort,
  modular_arithmetic_brackets=ModularArithmeticBrackets,
  solve_equation=SolveEquation,
  stack_manipulation=StackManipulation,
  missing_duplicate=MissingDuplicate,
  binary_addition=BinaryAddition,
  binary_multiplication=BinaryMultiplication,
  compute_sqrt=ComputeSqrt,
  word_problem=WordProblem,
  dyck=Dyck,
  listops=Listops,
  in_context_recall=InContextRecall,
  fuzzy_recall=FuzzyRecall,
  memorization=Memorization,
  compression=Compression,
  modular=Modular,
)
