#!/usr/bin/env bash
# install_test.sh BUILD_FOLDER SOURCE_FOLDER [SANITIZERS]: installs a build into an empty folder, then does what
# an author of plugins does with nothing but that: builds two (C++ and C), loads them by path beside
# the built-in ones, and looks for what they add; and what the author of a client does: builds one and
# runs it against the installed daemon. Run by ctest.
set -euo pipefail
build=$1
here=$2/tests/install
work=$(mktemp -d)
daemon=
trap '[[ -z $daemon ]] || kill "$daemon"; rm -rf "$work"' EXIT
prefix=$work/prefix
warnings="-Wall -Wextra -Wpedantic -Werror"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

cmake --install "$build" --prefix "$prefix" >"$work/install.log"

echo "== the contract is C11 and C++11"
for language in "c -std=c11" "c++ -std=c++11"; do
  cc -x $language $warnings -fsyntax-only "$prefix/include/wiremill/plugin.h"
done
c++ -std=c++20 $warnings -fsyntax-only -I "$prefix/include" -x c++ \
  - <<<'#include <wiremill/testing.hpp>'

echo "== plugins from outside the tree"
for plugin in plugin plugin_c; do
  CFLAGS="-std=c11 $warnings" CXXFLAGS=$warnings \
    cmake -S "$here/$plugin" -B "$work/$plugin" -DCMAKE_PREFIX_PATH="$prefix" \
    >"$work/$plugin.log" 2>&1 &&
    cmake --build "$work/$plugin" >>"$work/$plugin.log" 2>&1 || fail "$(cat "$work/$plugin.log")"
  if grep -q "CMake Warning" "$work/$plugin.log"; then fail "$(cat "$work/$plugin.log")"; fi
done

echo "== a client from outside the tree"
CXXFLAGS="$warnings ${3:+-fsanitize=$3}" cmake -S "$here/client" -B "$work/client" -DCMAKE_PREFIX_PATH="$prefix" \
  >"$work/client.log" 2>&1 &&
  cmake --build "$work/client" >>"$work/client.log" 2>&1 || fail "$(cat "$work/client.log")"

echo "== each plugin shows one symbol and lacks none"
for library in "$prefix"/lib/wiremill/plugins/*.so "$work"/plugin*/*.so; do
  shown=$(nm -D --defined-only "$library" | awk '{print $NF}')
  [[ $shown == wiremill_plugin ]] || fail "$library exports: $shown"
  missing=$(ldd -r "$library" 2>&1 | grep -E "undefined symbol|not found" || true)
  # The runtime of a sanitizer comes with the program.
  missing=$(grep -vE "__(asan|ubsan|lsan|tsan|sanitizer)_" <<<"$missing" || true)
  [[ -z $missing ]] || fail "$library: $missing"
done
for stage in clean language entities duplicates summary; do
  [[ -f $prefix/lib/wiremill/plugins/$stage.so ]] || fail "$stage.so is not installed"
done

echo "== they keep to the contract"
for library in "$work"/plugin*/*.so; do
  "$prefix/bin/wiremill" plugin check "$library" >"$work/check.log" || fail "$(cat "$work/check.log")"
done

echo "== the installed programs load them"
cat >"$work/wiremill.yaml" <<'YAML'
stages:
  - name: clean
  - name: language
  - name: entities
  - name: reading_time
    plugin: ./plugin/reading_time.so
    options:
      words_per_minute: 4
  - name: nth_of_source
    plugin: ./plugin_c/nth_of_source.so
  - name: duplicates
  - name: summary
YAML
cat >"$work/input.jsonl" <<'JSONL'
{"id":"a","source":"one.example","body":"The ferry left at dawn. Nobody saw it go."}
{"id":"b","source":"two.example","body":"A new bridge opened in Porto on Monday."}
{"id":"c","source":"one.example","body":""}
JSONL
cd /
"$prefix/bin/wiremill" validate "$work/wiremill.yaml"
"$prefix/bin/wiremilld" --check --config "$work/wiremill.yaml"
"$prefix/bin/wiremill" run --config "$work/wiremill.yaml" --input jsonl --format json \
  "$work/input.jsonl" >"$work/results.jsonl"
python3 - "$work/results.jsonl" <<'PYTHON'
import json, sys
found = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
wanted = [("a", 9, 3, 1), ("b", 8, 2, 1), ("c", 0, 0, 2)]  # id, words, minutes, nth of its source
for result, (id, words, minutes, nth) in zip(found, wanted, strict=True):
    assert (result["id"], result["status"]) == (id, "PROCESSED"), result
    extensions = {"org.example.nth_of_source": {"nth": nth},
                  "org.example.reading_time": {"words": words, "minutes": minutes}}
    assert result["extensions"] == extensions, result["extensions"]
    assert all(key in result for key in ("language", "entities", "duplicate", "summary")), result
PYTHON

echo "== the outside client pushes to the installed daemon and follows it"
for room in intake feed replay firehose; do
  echo "$room: {endpoint: 'ipc://$work/$room'}"
done >"$work/daemon.yaml"
echo "admin: {endpoint: ''}" >>"$work/daemon.yaml"
"$prefix/bin/wiremilld" --config "$work/daemon.yaml" --state "$work/state" 2>"$work/daemon.log" &
daemon=$!
"$work/client/push_and_follow" "ipc://$work/intake" "ipc://$work/replay" 3 >"$work/followed" ||
  fail "$(cat "$work/daemon.log")"
kill "$daemon"
wait "$daemon" || fail "wiremilld ended with $?: $(cat "$work/daemon.log")"
daemon=
diff - "$work/followed" <<'TEXT'
1 ferry-1 The ferry left the harbour at dawn on Tuesday.
2 ferry-2 The ferry left the harbour at dawn on Tuesday.
3 ferry-3 The ferry left the harbour at dawn on Tuesday.
the cursor is at 3
TEXT

echo "== an option that is not in the table is refused, with its place"
sed 's/words_per_minute: 4/words_a_minute: 4/' "$work/wiremill.yaml" >"$work/wrong.yaml"
code=0
said=$("$prefix/bin/wiremilld" --check --config "$work/wrong.yaml" 2>&1) || code=$?
[[ $code == 78 && $said == *wrong.yaml:8:*words_a_minute* ]] || fail "exit $code: $said"
echo "passed"
