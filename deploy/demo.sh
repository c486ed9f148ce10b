#!/usr/bin/env bash
# `make demo`: a daemon on its embedded default in a folder of its own, the sample articles through it,
# their results, and what to try next. Stops the daemon that it started.
set -euo pipefail
bin=$(realpath "$1")
articles=$(realpath "$(dirname "$0")/../tests/data/articles")
state=$(mktemp -d)
daemon=
finish() {
  [[ -n $daemon ]] && kill -TERM "$daemon" 2>/dev/null && wait "$daemon" || true
  rm -rf "$state"
}
trap finish EXIT

echo "Starting wiremilld (embedded default configuration, state in $state)"
"$bin/wiremilld" --state "$state/state" --log-level warning &
daemon=$!
cd "$articles"
files=([0-9]*.*)
echo "Pushing ${#files[@]} articles"
"$bin/wiremill" push --source demo.example "${files[@]}" >"$state/acknowledged"
tail -n 3 "$state/acknowledged"
echo
"$bin/wiremill" tail --since first --count "${#files[@]}"
cat <<EOT

The daemon acknowledged each article once it was on disk, and every one has exactly one result.
Try next, with the daemon running ($bin/wiremilld --state DIR):
  $bin/wiremill tail --since first --format json      the whole results, one a line
  $bin/wiremill push --source example.org FILE…       your own articles (HTML, text, JSON lines)
  $bin/wiremill run FILE…                             the same stages without a daemon
  $bin/wiremill run --stages clean,language FILE…     only some of them
  $bin/wiremill validate config/wiremill.yaml         every error of a configuration at once
  $bin/wiremill status                                 how the daemon is; show, dead, cursor: see --help
  clients/python/push.py, subscribe.py                short Python clients
EOT
