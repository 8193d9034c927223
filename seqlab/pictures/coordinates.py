"""How far features move in the first steps, against width."""

from collections.abc import Mapping, Sequence

from seqlab.pictures.figures import figure, png


def coordinates(widths: Sequence[int], moved: Mapping[str, Sequence[Sequence[float]]]) -> bytes:
  """A panel for each name, a line for each step over the widths, on logarithmic axes.

  moved: by name, for each width the size after each step.
  """
  with figure(3.6 * len(moved), 3.2) as drawn:
    panels = drawn.subplots(1, len(moved), squeeze=False)[0]
    for panel, (name, of) in zip(panels, moved.items(), strict=True):
      steps = len(of[0])
      for step in range(steps):
        shade = 0.85 * (1 - (step + 1) / steps)
        sizes = [each[step] for each in of]
        panel.plot(widths, sizes, "o-", color=(shade, shade, 1.0), label=f"step {step + 1}")
      panel.set(title=name.replace("_", " "), xlabel="width", xscale="log", yscale="log")
      panel.set_xticks(widths, [str(width) for width in widths])
      panel.minorticks_off()
      panel.grid(alpha=0.3)
    drawn.axes[0].set_ylabel("moved since the beginning")
    drawn.axes[-1].legend(fontsize=7)
    return png(drawn)
