#!/usr/bin/env bash
# run.sh BUILD DATA [--short], called by `make bench-peers`: installs the tools of requirements.txt and
# package.json from PyPI and npm into build/peers, each only if it can be had without compiling, and
# measures them beside the stages. Where the data or Debian's python3-venv is absent it says so and
# ends with 0.
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILD=$1 DATA=$2 PEERS=build/peers
shift 2
if ! [ -d "$DATA" ]; then
  echo "bench-peers: skipped, there is no $DATA"
  exit 0
fi
if ! /usr/bin/python3 -m venv "$PEERS/venv"; then
  echo "bench-peers: skipped, it needs python3-venv"
  exit 0
fi
while read -r PACKAGE; do
  "$PEERS/venv/bin/pip" install -q --disable-pip-version-check --only-binary :all: "$PACKAGE" ||
    echo "bench-peers: $PACKAGE cannot be had" >&2
done <bench/peers/requirements.txt
cp bench/peers/package.json "$PEERS/"
npm install --prefix "$PEERS" --silent --no-audit --no-fund --ignore-scripts ||
  echo "bench-peers: Readability.js and linkedom cannot be had" >&2
PYTHONDONTWRITEBYTECODE=1 exec "$PEERS/venv/bin/python" bench/peers/peers.py "$BUILD" "$DATA" "$PEERS" "$@"
