// "Did you mean": the nearest of the names that are known. Used where a configuration names
// something unknown. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wiremill {

// "unknown option 'treshold'; did you mean 'threshold'?", or, where nothing is near, with the list
// of the names that are known. `what` is the word for the thing: "key", "option", "value".
std::string describe_unknown(std::string_view what, std::string_view name,
                             const std::vector<std::string_view>& known);

}  // namespace wiremill
