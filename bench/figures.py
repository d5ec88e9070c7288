"""The result of a measurement, and the table of all results."""

from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    `limit` is what the same machine could do in the same run, named by `limit_name`, in the same
    unit; `bar` is the goal: at least or at most so many times the limit (`least`, `most`). `note`
    holds other observations.
    """

    name: str
    value: float
    unit: str
    limit_name: str = ""
    limit: float | None = None
    bar: str = ""
    reached: bool | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.value / self.limit if self.limit else None

    def to_json(self) -> dict[str, object]:
        return {**asdict(self), "ratio": self.ratio}


@dataclass
class Sheet:
    """The figures of one run."""

    figures: list[Figure] = field(default_factory=list)

    def add(self, figure: Figure) -> None:
        self.figures.append(figure)
        print(_line(figure), flush=True)


HEAD = ("measurement", "figure", "limit of the same run", "ratio", "bar", "")


def _line(figure: Figure) -> str:
    ratio = f" = {figure.ratio:.2f} of {figure.limit_name}" if figure.ratio else ""
    bar = f" [{figure.bar}: {_verdict(figure)}]" if figure.bar else ""
    return f"  {figure.name}: {number(figure.value)} {figure.unit}{ratio}{bar}"


def rows(figures: list[Figure]) -> list[tuple[str, ...]]:
    """Return the cells of the table, in the order of HEAD."""
    return [
        (
            each.name + (f" ({each.note})" if each.note else ""),
            f"{number(each.value)} {each.unit}",
            f"{number(each.limit)} {each.unit}, {each.limit_name}" if each.limit else "",
            f"{each.ratio:.2f}" if each.ratio else "",
            each.bar,
            _verdict(each),
        )
        for each in figures
    ]


def markdown(figures: list[Figure]) -> str:
    lines = [HEAD, tuple("---" for _ in HEAD), *rows(figures)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def plain(figures: list[Figure]) -> str:
    cells = [HEAD, *rows(figures)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _verdict(figure: Figure) -> str:
    if figure.reached is None:
        return ""
    return "reached" if figure.reached else "missed"
