"""What every test runs under: one thread per process, reproducible examples."""

import os

# Before torch or numba are imported: two test processes share the cores, and spinning threads of
# both would slow each other down many times.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import signal

import hypothesis
import pytest

# A shell starts a background job, and nohup any job, with signals that children inherit as ignored;
# the tests send them to children.
for _name, _handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    if hasattr(signal, _name) and signal.getsignal(getattr(signal, _name)) == signal.SIG_IGN:
        signal.signal(getattr(signal, _name), _handler)

hypothesis.settings.register_profile(
    "reproducible", derandomize=True, deadline=None, max_examples=50, database=None
)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "reproducible"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--regen-golden",
        action="store_true",
        help="write the golden files anew from what the code does now; explain the difference",
    )


@pytest.fixture
def regen_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--regen-golden"))
