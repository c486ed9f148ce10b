// Fuzz target: a stage's condition (daemon/pipeline/condition.hpp) against a document. The input is the
// condition, then a script that fills the document. An error has a place inside the condition and a
// message in UTF-8; what is accepted answers the same twice, and the laws of not, and, or hold for it;
// what it says that it reads stands where it says.
#include "daemon/pipeline/condition.hpp"

#include <algorithm>

#include "daemon/base/clock.hpp"
#include "daemon/base/error.hpp"
#include "daemon/text/utf8.hpp"
#include "tests/fuzz/script.hpp"

using namespace wiremill;  // NOLINT

namespace {

Flight flight_from(const uint8_t* data, size_t size) {
  Flight flight;
  v1::Result& result = flight.result;
  fuzz::run_script(data, size, [&](const fuzz::Command& command) {
    const std::string text = text::repair(command.argument);
    switch (command.what) {
      case 's': result.set_source(text); break;
      case 'u': result.set_uri(text); break;
      case 't': result.set_title(text); break;
      case 'x': result.set_text(text); break;
      case 'l': result.mutable_language()->set_code(text); break;
      case 'a':
        (*flight.document.mutable_attributes())[text.substr(0, text.find('='))] =
            text.substr(std::min(text.size(), text.find('=')));
        break;
      case 'p':
        if (const auto time_us = parse_time(text)) result.set_published_us(*time_us);
        break;
      case 'd':
        result.mutable_duplicate()->set_kind(static_cast<v1::Duplicate::Kind>(command.byte(0)));
        result.mutable_duplicate()->set_similarity(command.byte(1) / 100.0 - 1);
        break;
      case 'e': result.add_entities(); break;
      case 'v': flight.provided = command.byte(0) << 8 | command.byte(1); break;
      default: break;
    }
  });
  return flight;
}

size_t characters_of(std::string_view text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++i) count += text::is_boundary(text, i);
  return count;
}

// The truth of a condition made of `text`; where a limit refuses it, `otherwise`.
bool holds(const std::string& text, const Flight& flight, bool otherwise) {
  const auto made = StageCondition::parse(text);
  if (!made)
    WM_INVARIANT(made.error().message.starts_with("longer than") ||
                 made.error().message.starts_with("nested deeper"));
  return made ? made->holds(flight) : otherwise;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string text(input.substr(0, input.find('\xff')));
  const auto condition = StageCondition::parse(text);
  if (!condition) {
    const ConditionError& error = condition.error();
    WM_INVARIANT(error.character >= 1 && error.character <= characters_of(text) + 1);
    WM_INVARIANT(!error.message.empty() && text::is_valid(error.message));
    return 0;
  }
  for (const StageCondition::Read& read : condition->reads()) {
    size_t byte = 0;
    for (size_t left = read.character; left > 1 || !text::is_boundary(text, byte); ++byte)
      left -= text::is_boundary(text, byte + 1);
    WM_INVARIANT(std::string_view(text).substr(byte).starts_with(read.field));
  }
  const Flight flight = flight_from(data, size);
  const bool truth = condition->holds(flight);
  WM_INVARIANT(condition->holds(flight) == truth);
  WM_INVARIANT(holds("not (" + text + ")", flight, !truth) == !truth);
  WM_INVARIANT(holds("(" + text + ") and true", flight, truth) == truth);
  WM_INVARIANT(holds("false or (" + text + ")", flight, truth) == truth);
  WM_INVARIANT(!holds("(" + text + ") and not (" + text + ")", flight, false));
  WM_INVARIANT(holds("not (" + text + ") or " + text, flight, true));
  return 0;
}
