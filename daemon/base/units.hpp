// Quantities as people write them in configurations: "10MiB", "250ms", "24h". Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wiremill {

// "0", "512", "512B", "64KiB", "10MiB", "1GiB", "1TiB" (and KB, MB, GB as powers of 1000) to bytes.
std::optional<int64_t> parse_bytes(std::string_view text);

// "250ms", "10s", "5m", "24h", "7d", and a bare "0" to milliseconds.
std::optional<int64_t> parse_duration_ms(std::string_view text);

std::string format_bytes(int64_t bytes);           // "10MiB", exact
std::string format_duration_ms(int64_t duration);  // "24h", exact

}  // namespace wiremill
