// Addresses that a page states, made absolute. Called by html_metadata.cpp. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace wiremill::clean {

// `reference` as an absolute http or https address: itself where it is one, else resolved against
// `base` (RFC 3986, 5.2), the address of its page. Empty where it is of another scheme, says nothing
// but the page itself, holds a blank, or is relative and `base` no such address.
std::string absolute_address(std::string_view reference, std::string_view base);

}  // namespace wiremill::clean
