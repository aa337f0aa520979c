"""Search policies: how a search chooses. Each is a module with four kernels of the same names.

    puct     AlphaZero's rule (Silver et al. 2018)
    gumbel   sequential halving at the root, improved policies below (Danihelka et al. 2022)
    rave     PUCT blended with the values of moves made later in playouts (Gelly and Silver 2011)

A policy is bound, not passed: kernels that need one import the names below, which stand in for its
kernels, and `bind_policy` makes a copy of such a *template* with the policy's own in their place.
A new policy is one more module here, with an entry in `POLICIES`.
Letters in shapes: A actions, M legal actions of the root.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from alphazero.config import SearchConfig
from alphazero.game.jit import bind
from alphazero.search.policies import gumbel, puct, rave

USES_AMAF = False  # True: the search fills in `Trees.amaf`
USES_SCHEDULE = False  # True: the policy fills in `Trees.schedule`


def prepare_root(trees: Any, t: Any) -> None:
    """Prepare an evaluated root for a search of `heads[t].budget` simulations: noise, schedule."""


def select(trees: Any, t: Any, index: Any) -> Any:
    """The slot of the edge that a simulation takes from an expanded node."""


def improved_policy(trees: Any, t: Any, rows: Any, priors: Any, policy: Any) -> None:
    """Fill policy float64 [M] with the training target: what the search made of the root's priors.

    rows float64 [A] says at which place among the root's actions, in ascending order, an action
    stands; priors float32 [M] are the evaluator's, before noise.
    """


def choose(trees: Any, t: Any, index: Any) -> Any:
    """The slot of the move to play from an expanded node."""


POLICIES: dict[str, ModuleType] = {"puct": puct, "gumbel": gumbel, "rave": rave}


def policy_name(config: SearchConfig) -> str:
    """The key in `POLICIES` of the policy that the settings ask for."""
    return "rave" if config.puct.rave_equivalence > 0 else config.policy


def bind_policy(template: Callable[..., Any], name: str, **names: Any) -> Callable[..., Any]:
    """A copy of a template with a policy's kernels, and with `names`, in place of its globals."""
    policy = POLICIES[name]
    own = {stub.__name__: getattr(policy, stub.__name__) for stub in STUBS}
    used = [kernel for stub, kernel in own.items() if stub in template.__code__.co_names]
    # Called after the modules of these kernels, so that policies share what does not differ.
    label = "_".join(sorted({kernel.__module__.rpartition(".")[2] for kernel in used}))
    return bind(template, label or name, USES_AMAF=policy.USES_AMAF, **own, **names)


STUBS = (prepare_root, select, improved_policy, choose)
