#!/usr/bin/env bash
# Check the engine on a CUDA machine, in at most ten minutes: tests/gpu/check.py says what.
#
#   tests/gpu/check.sh             exit 0: all is well, 1: something is wrong, 2: no CUDA device
#   tests/gpu/check.sh --dry-run   without a device: the same work on tiny networks on the CPU
set -eu
cd "$(dirname "$0")/../.."
python=.venv/bin/python
[ -x "$python" ] || python=python3
exec "$python" -m tests.gpu.check "$@"
