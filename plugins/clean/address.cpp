// Resolving of references; see address.hpp.
#include "plugins/clean/address.hpp"

#include <algorithm>

#include "plugins/clean/lines.hpp"

namespace wiremill::clean {
namespace {

constexpr std::string_view kPathEnds = "?#";

bool is_http(std::string_view address) {
  return starts_with_ignoring_case(address, "http://") ||
         starts_with_ignoring_case(address, "https://");
}

// Whether a scheme stands before the first of the marks that may follow one.
bool has_scheme(std::string_view reference) {
  const size_t end = reference.find_first_of(":/?#");
  return end != std::string_view::npos && reference[end] == ':';
}

// An absolute path without its "." and ".." (RFC 3986, 5.2.4).
std::string without_dots(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/', 1), path.size());
    const std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    const bool is_up = segment == "/..";
    if (is_up) out.erase(std::min(out.rfind('/'), out.size()));
    if (!is_up && segment != "/.")
      out += segment;
    else if (path.empty())
      out += '/';
  }
  return out;
}

}  // namespace

std::string absolute_address(std::string_view reference, std::string_view base) {
  const std::string tidied = tidy(reference);
  if (tidied.find(' ') != std::string::npos) return {};
  if (is_http(tidied)) return tidied;
  if (tidied.empty() || tidied[0] == '#' || has_scheme(tidied) || !is_http(base)) return {};

  const size_t scheme_end = base.find(':') + 1, host = scheme_end + 2;
  const size_t host_end = std::min(base.find_first_of("/?#", host), base.size());
  if (host_end == host) return {};
  if (tidied.starts_with("//"))
    return tidied.size() > 2 && tidied[2] != '/' ? std::string(base.substr(0, scheme_end)) + tidied
                                                 : std::string();
  std::string_view base_path = base.substr(host_end);
  base_path = base_path.substr(0, base_path.find_first_of(kPathEnds));
  const size_t path_end = std::min(tidied.find_first_of(kPathEnds), tidied.size());
  std::string path;
  if (path_end == 0)
    path = base_path;
  else if (tidied[0] != '/')
    path = base_path.substr(0, base_path.rfind('/') + 1);
  path.append(tidied, 0, path_end);
  if (!path.starts_with('/')) path.insert(0, 1, '/');
  return std::string(base.substr(0, host_end)) + without_dots(path) + tidied.substr(path_end);
}

}  // namespace wiremill::clean
