"""Smart Game Format (FF[4]): games of Go as files.

    game = read_sgf("game.sgf")             the position at the end of the main line
    game = read_sgf("game.sgf", move=12)    the position before move 12
    game.position, game.info                a Position; players, rules, result …
    text = write_sgf(position, info)        to be encoded as UTF-8

`tree` reads and writes the syntax, `reader` and `writer` what it means in Go.
"""

from alphazero.formats.sgf.reader import SgfGame, read_sgf
from alphazero.formats.sgf.writer import SgfInfo, result_text, write_sgf

__all__ = ["SgfGame", "SgfInfo", "read_sgf", "result_text", "write_sgf"]
