"""KaTrain's own engine and game classes, without its window, with a command as its engine.

    python tests/helpers/katrain_game.py COMMAND     with a Python that has KaTrain

Plays ten moves against itself, each the engine's best, then asks for what its window's buttons ask
for. Prints a JSON object: the moves with KaTrain's score, win rate and points lost of each.
"""

import json
import sys
import time
from types import SimpleNamespace

from katrain.core.ai import generate_ai_move
from katrain.core.base_katrain import KaTrainBase
from katrain.core.constants import AI_DEFAULT
from katrain.core.engine import KataGoEngine
from katrain.core.game import Game, Move

MOVES = 10
PATIENCE = 300  # seconds


def main(command: str) -> dict:
    katrain = KaTrainBase(force_package_config=True, debug_level=0)
    errors: list[str] = []
    katrain.controls = SimpleNamespace(set_status=lambda *args, **more: None)
    katrain.log = lambda message, level=0: errors.append(str(message)) if level <= -1 else None
    settings = katrain.config("engine") | {
        "backend": "custom", "altcommand": command, "max_visits": 60, "fast_visits": 4,
        "allow_recovery": False,
    }  # fmt: skip
    engine = KataGoEngine(katrain, settings)
    game = Game(katrain, engine, game_properties={"SZ": "9", "KM": "7", "RU": "chinese"})
    katrain.game = game

    def wait_for(node) -> None:
        end = time.monotonic() + PATIENCE
        while not node.analysis_complete:
            assert time.monotonic() < end and engine.check_alive(), errors
            time.sleep(0.02)

    def told(node) -> dict:
        return {
            "move": node.move.gtp() if node.move else "",
            "score": node.score,
            "winrate": node.winrate,
            "lost": node.points_lost,
            "owned": sum(node.ownership or ()),
        }

    def finish() -> None:
        end = time.monotonic() + PATIENCE
        time.sleep(0.5)  # until the questions are written
        while not engine.is_idle():
            assert time.monotonic() < end and engine.check_alive(), errors
            time.sleep(0.02)

    wait_for(game.root)
    played = [told(game.root)]
    for _ in range(MOVES):
        generate_ai_move(game, AI_DEFAULT, katrain.config(f"ai/{AI_DEFAULT}"))
        wait_for(game.current_node)
        played.append(told(game.current_node))
    node = game.current_node
    finish()
    game.analyze_extra("sweep")  # every legal move
    finish()
    game.analyze_extra("alternative")
    finish()
    swept = len(node.analysis["moves"])
    game.play(Move(None, player=node.next_player))
    wait_for(game.current_node)
    candidates = [found["move"] for found in game.current_node.candidate_moves]
    engine.shutdown(finish=True)
    return {"played": played, "swept": swept, "candidates": candidates, "errors": errors}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
