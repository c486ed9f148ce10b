#include "cli/pretty.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/base/clock.hpp"

namespace wiremill::cli {
namespace {

constexpr int kEntitiesShown = 6;

bool has(const v1::Result& result, v1::Result::Annotation annotation) {
  return std::find(result.provided().begin(), result.provided().end(), annotation) !=
         result.provided().end();
}

std::string first_line(const v1::Result& result, const Style& style) {
  std::string line = style.bold(fmt::format("{:>6}", result.sequence()));
  if (has(result, v1::Result::LANGUAGE))
    line += "  " + style.cyan(fmt::format("{:<3}", result.language().code()));
  const std::string& heading = result.title().empty() ? result.id() : result.title();
  line += "  " + style.bold(shortened(heading, style.width() > 50 ? style.width() - 36 : 14));
  if (result.has_published_us())
    line += "  " + style.dim(format_time(result.published_us()).substr(0, 10));
  if (result.status() == v1::Result::DROPPED) line += "  " + style.yellow("DROPPED");
  if (result.status() == v1::Result::DEAD) line += "  " + style.red("DEAD");
  return line + "\n";
}

std::string entities_line(const v1::Result& result) {
  std::string line;
  int shown = 0;
  for (const v1::Entity& entity : result.entities()) {
    if (shown++ == kEntitiesShown) {
      line += fmt::format(" +{}", result.entities_size() - kEntitiesShown);
      break;
    }
    line += fmt::format("{}{} {}", line.empty() ? "" : " · ", entity.type(), entity.name());
  }
  return line;
}

}  // namespace

std::string pretty_result(const v1::Result& result, const Style& style) {
  const size_t width = style.width() - 8;
  std::string out = first_line(result, style);
  const auto add = [&](const std::string& text) { out += "        " + text + "\n"; };
  if (result.has_failure())
    add(style.red(shortened(fmt::format("{} in {}: {}", result.failure().code(),
                                        result.failure().stage(), result.failure().message()),
                            width)));
  const v1::Duplicate& duplicate = result.duplicate();
  if (duplicate.kind() != v1::Duplicate::NONE)
    add(style.yellow(shortened(
        fmt::format("{} duplicate of {} ({:.2f})", v1::Duplicate::Kind_Name(duplicate.kind()),
                    duplicate.of(), duplicate.similarity()),
        width)));
  if (result.entities_size() > 0) add(style.green(shortened(entities_line(result), width)));
  if (!result.summary().text().empty()) add(shortened(result.summary().text(), width));
  for (const v1::Extension& extension : result.extensions())
    add(style.dim(shortened(extension.name() + " " + extension.json(), width)));
  for (const v1::Timing& timing : result.timings())
    add(style.dim(fmt::format("{:<12} process {:>7} us  settle {:>7} us", timing.stage(),
                              timing.process_us(), timing.settle_us())));
  return out;
}

}  // namespace wiremill::cli
