// Hosts of other ABI minors.
#include "cli/check/checks.hpp"
#include "cli/check/child.hpp"

namespace wiremill::check {
namespace {

constexpr size_t kDocuments = 16, kBatch = 8;

Status runs_in(const Subject& subject, HostAge age, std::string_view host) {
  const std::vector<Sample> samples = articles(kDocuments);
  WM_CHECK_GET(today, Trial::make(subject));
  WM_CHECK_GET(expected, today->run(samples, kBatch));
  WM_TRY(none_failed(expected));
  today.reset();
  note_doing(host);
  auto other = Trial::make(subject, age);
  if (!other) return red("create refuses {}: {}", host, other.error().message);
  WM_CHECK_GET(found, (*other)->run(samples, kBatch));
  WM_TRY(none_failed(found));
  return same(expected, found, fmt::format("in {}", host));
}

}  // namespace

Result<std::string> check_older_host(const Request& request) {
  WM_CHECK_GET(subject, load(request));
  WM_TRY(runs_in(subject, HostAge::Minor2, "a host of ABI 1.2"));
  WM_TRY(runs_in(subject, HostAge::Minor1, "a host of ABI 1.1"));
  WM_TRY(runs_in(subject, HostAge::Minor0, "a host of ABI 1.0"));
  return "hosts of ABI 1.0, 1.1 and 1.2";
}

Result<std::string> check_newer_host(const Request& request) {
  WM_CHECK_GET(subject, load(request));
  WM_TRY(runs_in(subject, HostAge::Newer, "a host of a later minor"));
  return "tables that are larger";
}

}  // namespace wiremill::check
