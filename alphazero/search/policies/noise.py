"""Dirichlet noise on the priors of the root, with which self-play explores (AlphaZero)."""

import math

import numpy as np

from alphazero.game.jit import borrowing, random_float
from alphazero.search.layout import ROOT, bring_best_forward
from alphazero.search.stats import encode_prior


@borrowing
def add_dirichlet_noise(trees, t):
    """Mix Dirichlet noise into the evaluator's priors of the root. The concentration is spread over
    the legal moves (KataGo: 10.83 in all, which is AlphaZero's 0.03 each on 19x19)."""
    root, edges, settings = trees.nodes[t, ROOT], trees.edges[t], trees.settings[0]
    count = np.int64(root.num_edges)
    total = 0.0
    for slot in range(count):
        concentration = settings.dirichlet_total_concentration / count
        trees.scratch[slot] = sample_gamma(trees.heads["rng"], t, concentration)
        total += trees.scratch[slot]
    if total <= 0.0:
        return
    for slot in range(count):
        edge = edges[root.first_edge + slot]
        noise = trees.scratch[slot] / total
        prior = math.exp(np.float64(trees.root_actions[t, edge.action].logit))
        weight = settings.dirichlet_noise_weight
        edge.prior = encode_prior((1.0 - weight) * prior + weight * noise)
    bring_best_forward(edges, root.first_edge + root.num_children, root.first_edge + count)


@borrowing
def sample_gamma(rng, t, shape):
    """A sample of the gamma distribution with scale 1 (Marsaglia and Tsang 2000)."""
    raised = shape + 1.0 if shape < 1.0 else shape
    d = raised - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        u = np.float64(random_float(rng, t)) + 2.0**-25
        angle = 2.0 * math.pi * random_float(rng, t)
        x = math.sqrt(-2.0 * math.log(u)) * math.cos(angle)  # Box-Muller
        v = (1.0 + c * x) ** 3
        if v <= 0.0:
            continue
        u = np.float64(random_float(rng, t)) + 2.0**-25
        if math.log(u) < 0.5 * x * x + d - d * v + d * math.log(v):
            break
    sample = d * v
    if shape < 1.0:
        u = np.float64(random_float(rng, t)) + 2.0**-25
        sample *= u ** (1.0 / shape)
    return sample
