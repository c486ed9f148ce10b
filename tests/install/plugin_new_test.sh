#!/usr/bin/env bash
# plugin_new_test.sh BUILD_FOLDER SOURCE_FOLDER: what `wiremill plugin new` writes, built with nothing but
# the installed package: in each language its test passes, it keeps to the contract, and it runs on a
# sample article. Run by ctest.
set -euo pipefail
build=$1
article=$2/tests/data/articles/01-geneva-water-talks.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH=$work/prefix/bin:$PATH
export CFLAGS="-Wpedantic -Wconversion -Werror" CXXFLAGS="-Wpedantic -Werror"
unset CMAKE_PREFIX_PATH

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
cd "$work"
for language in cpp c python; do
  echo "== $language"
  name=words-in-$language
  wiremill plugin new --lang $language $name $language
  if [[ $language == python ]]; then
    # As its README says it.
    (cd python && bash -eux <(sed -n '/^    export/,/stage_test/s/^    //p' README.md)) \
      >python.log 2>&1 || fail "$(cat python.log)"
    grep -q "^Ran 2 tests" python.log || fail "$(cat python.log)"
  else
    (cmake -S $language -B $language/build && cmake --build $language/build &&
      ctest --test-dir $language/build --no-tests=error) >$language.log 2>&1 || fail "$(cat $language.log)"
    if grep -q "CMake Warning" $language.log; then fail "$(cat $language.log)"; fi
    wiremill plugin list --plugin-dir $language/build
    wiremill plugin check "$language/build/$name.so"
  fi
  wiremill validate $language/config.yaml
  wiremill run --config $language/config.yaml --format json "$article" >$language.json
  python3 - $language.json org.example.$name <<'PYTHON'
import json, sys
result = json.load(open(sys.argv[1], encoding="utf-8"))
assert result["status"] == "PROCESSED", result
words = result["extensions"][sys.argv[2]]["words"]
assert abs(words - len(result["text"].split())) < 0.1 * words, (words, result["text"])
PYTHON
done
for language in c python; do
  [[ $(sed s/words-in-cpp/NAME/ cpp.json) == "$(sed s/words-in-$language/NAME/ $language.json)" ]] ||
    fail "$(cat ./*.json)"
done
echo "passed"
