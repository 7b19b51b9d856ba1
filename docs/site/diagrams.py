"""Draw the diagrams of the documentation as SVG: `python -m docs.site.diagrams` writes docs/images/diagrams.

Their colors are CSS variables: an SVG on its own follows the reader's system, in the site it follows the page
(docs/stylesheets/extra.css).
"""

from html import escape
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "images" / "diagrams"
STYLE = """
svg.diagram { --ink: #24292f; --soft: #d0d7de; --first: #1f6feb; --second: #bc4c00; --fill: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  svg.diagram { --ink: #e6edf3; --soft: #57606a; --first: #79b8ff; --second: #ffab70; --fill: #22272e; }
}
svg.diagram text { fill: var(--ink); font: 15px system-ui, sans-serif; }
svg.diagram text { text-anchor: middle; dominant-baseline: central; }
svg.diagram text.small { font-size: 12.5px; }
svg.diagram text.left { text-anchor: start; }
svg.diagram text.bold { font-weight: 600; }
svg.diagram rect { fill: var(--fill); stroke: var(--soft); stroke-width: 1.5; }
svg.diagram rect.first, svg.diagram circle.first { stroke: var(--first); }
svg.diagram rect.second, svg.diagram circle.second { stroke: var(--second); }
svg.diagram rect.off { stroke-dasharray: 5 4; fill: none; }
svg.diagram circle { fill: var(--fill); stroke: var(--soft); stroke-width: 2; }
svg.diagram path { stroke: var(--ink); stroke-width: 1.4; fill: none; opacity: .75; }
svg.diagram path.tip { fill: var(--ink); stroke: none; }
"""
Point = tuple[float, float]


class Board:
    """A drawing surface; all coordinates are pixels from the upper left corner."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self.parts: list[str] = []

    def text(self, at: Point, words: str, kind: str = "") -> None:
        """Draw text centered at a point; `_x` sets one letter as a subscript."""
        pieces = escape(words).split("_")
        spans = [pieces[0], *(_index(piece) for piece in pieces[1:])]
        self.parts.append(f'<text class="{kind}" x="{at[0]}" y="{at[1]}">{"".join(spans)}</text>')

    def box(self, at: Point, size: Point, words: str = "", below: str = "", kind: str = "") -> None:
        """Draw a box around a center, with a line of text and a smaller line below it."""
        x, y = at[0] - size[0] / 2, at[1] - size[1] / 2
        self.parts.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{size[0]}" height="{size[1]}" rx="6"/>')
        if words:
            self.text((at[0], at[1] - (9 if below else 0)), words)
        if below:
            self.text((at[0], at[1] + 11), below, "small")

    def node(self, at: Point, words: str, kind: str = "", radius: float = 17) -> None:
        """Draw a circle with a symbol in it."""
        self.parts.append(f'<circle class="{kind}" cx="{at[0]}" cy="{at[1]}" r="{radius}"/>')
        self.text(at, words)

    def arrow(self, *points: Point) -> None:
        """Draw a line through points with an arrowhead at its end."""
        (x0, y0), (x, y) = points[-2:]
        length = max(((x - x0) ** 2 + (y - y0) ** 2) ** 0.5, 1e-9)
        dx, dy = (x - x0) / length, (y - y0) / length
        path = " L ".join(f"{px} {py}" for px, py in points)
        left, right = (
            (x - 9 * dx - side * 4.5 * dy, y - 9 * dy + side * 4.5 * dx) for side in (1, -1)
        )  # corners of the arrowhead
        self.parts.append(f'<path d="M {path}"/>')
        self.parts.append(
            f'<path class="tip" d="M {x} {y} L {left[0]:.1f} {left[1]:.1f} L {right[0]:.1f} {right[1]:.1f} Z"/>'
        )

    def svg(self) -> str:
        """Return the picture."""
        width, height = self.size
        head = (
            f'<svg class="diagram" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}">'
        )
        return "\n".join([head, f"<style>{STYLE}</style>", *self.parts, "</svg>\n"])


def _index(piece: str) -> str:
    return f'<tspan dy="4" font-size="70%">{piece[0]}</tspan><tspan dy="-4">{piece[1:] or "&#8203;"}</tspan>'


def gmf() -> Board:
    """GMF: the element-wise product of two embeddings."""
    board = Board(720, 330)
    _output(board, (360, 35), (360, 100))
    board.box((360, 120), (250, 40), "h · φ + b", "")
    board.text((505, 120), "eq. 9", "small left")
    board.arrow((360, 186), (360, 141))
    board.node((360, 204), "⊙", "first")
    board.text((375, 168), "φ = p_u ⊙ q_i, element-wise: eq. 8", "small left")
    _embeddings(board, 268, (240, 480), "first", "D factors")
    board.arrow((240, 244), (240, 204), (342, 204))
    board.arrow((480, 244), (480, 204), (378, 204))
    return board


def mlp() -> Board:
    """MLP: a tower over two embeddings."""
    board = Board(720, 445)
    _output(board, (360, 35), (360, 100))
    board.box((360, 120), (120, 40), "h · z_L + b")
    for y, width, words in ((190, 150, "ReLU layer, 8"), (245, 210, "ReLU layer, 16"), (300, 270, "ReLU layer, 32")):
        board.box((360, y), (width, 36), words, kind="second")
        board.arrow((360, y - 19), (360, y - (49 if y == 190 else 36)))
    board.text((515, 245), "z_l = relu(W_l z + b): eq. 10", "small left")
    board.text((515, 300), "of z_1 = [p_u ; q_i]", "small left")
    _embeddings(board, 378, (255, 465), "second", "half of z_1")
    board.arrow((255, 354), (320, 319))
    board.arrow((465, 354), (400, 319))
    return board


def neumf() -> Board:
    """NeuMF: both halves under one output, each with its own embeddings."""
    board = Board(780, 435)
    _output(board, (380, 35), (380, 100))
    board.box((380, 120), (300, 40), "h · [φ_G ; φ_M] + b")
    board.text((545, 120), "eq. 12", "small left")
    board.node((200, 250), "⊙", "first")
    board.text((110, 205), "GMF's half", "bold")
    board.arrow((200, 232), (200, 165), (290, 141))
    for y, width in ((190, 120), (235, 165), (280, 210)):
        board.box((560, y), (width, 32), "ReLU", kind="second")
    board.arrow((560, 264), (560, 252))
    board.arrow((560, 219), (560, 207))
    board.arrow((560, 173), (560, 160), (470, 141))
    board.text((705, 190), "MLP's half", "bold")
    _embeddings(board, 368, (110, 290), "first", "D factors", 160)
    _embeddings(board, 368, (470, 650), "second", "half of z_1", 160)
    board.arrow((110, 344), (110, 250), (182, 250))
    board.arrow((290, 344), (290, 250), (218, 250))
    board.arrow((470, 344), (520, 297))
    board.arrow((650, 344), (600, 297))
    return board


def _output(board: Board, at: Point, below: Point) -> None:
    board.box(at, (230, 36), "ŷ_u_i = sigmoid(logit)")
    board.arrow(below, (at[0], at[1] + 19))


def _embeddings(board: Board, y: float, xs: Point, kind: str, below: str, width: float = 170) -> None:
    for x, sign, whose in ((xs[0], "p_u", "user"), (xs[1], "q_i", "item")):
        board.box((x, y), (width, 48), f"{whose} embedding {sign}", below, kind)
        board.text((x, y + 50), f"{whose} {sign[-1]}", "small")
        board.arrow((x, y + 41), (x, y + 25))


def holdouts() -> Board:
    """Leave-one-out: which interactions of a user are train, validation and test."""
    board = Board(820, 210)
    for y, whose, number in ((50, "user 1", 8), (100, "user 2", 5), (150, "user 3", 2)):
        board.text((30, y), whose, "left")
        for index in range(number):
            back = number - index
            kind = {1: "first", 2: "second"}.get(back, "") if number > 2 else ""
            board.node((130 + 50 * index, y), "", kind, 13)
    board.arrow((110, 185), (560, 185))
    board.text((572, 185), "time", "small left")
    for y, kind, words in ((50, "first", "test: the newest"), (88, "second", "validation: the second newest")):
        board.node((585, y), "", kind, 9)
        board.text((603, y), words, "small left")
    board.node((585, 126), "", "", 9)
    board.text((603, 126), "train", "small left")
    return board


def job() -> Board:
    """The job, from the log to the recommendations."""
    board = Board(800, 300)
    steps = (("log", "files, database"), ("prepared data", "checked, split"), ("models", "GMF, MLP, NeuMF"),
             ("comparison", "same test holdout"), ("champion", "if clearly better"))  # fmt: skip
    for number, (words, below) in enumerate(steps):
        x = 75 + 162 * number
        board.box((x, 90), (132, 56), words, below, {2: "first", 4: "second"}.get(number, ""))
        if number:
            board.arrow((x - 95, 90), (x - 67, 90))
    for x, words, below in ((561, "recommendations", "file or table"), (723, "HTTP service", "one user at a time")):
        board.box((x, 240), (140, 50), words, below)
    board.arrow((723, 119), (723, 214))
    board.arrow((700, 119), (700, 165), (561, 165), (561, 214))
    board.box((318, 240), (160, 50), "monitor", "has the data changed?")
    board.arrow((690, 119), (690, 150), (340, 150), (340, 214))
    board.arrow((75, 119), (75, 240), (237, 240))
    board.arrow((300, 214), (300, 172), (237, 172), (237, 119))
    board.text((272, 188), "retrain", "small")
    board.box((399, 25), (160, 34), "tuning", kind="off")
    board.arrow((399, 43), (399, 61))
    return board


DIAGRAMS = {"gmf": gmf, "mlp": mlp, "neumf": neumf, "holdouts": holdouts, "job": job}


def main() -> None:
    """Draw all diagrams."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, draw in DIAGRAMS.items():
        (FOLDER / f"{name}.svg").write_text(draw().svg())


if __name__ == "__main__":
    main()
