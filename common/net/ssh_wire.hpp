#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pca {

// Reads the data types of RFC 4251 section 5 from hostile bytes. Nothing is copied: what it gives
// points into the text it was made from. Empty once anything did not fit.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  std::optional<std::string_view> bytes(std::size_t count) {
    if (rest_.size() < count) return std::nullopt;
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::optional<std::uint8_t> byte() {
    const auto taken = bytes(1);
    if (!taken) return std::nullopt;
    return static_cast<std::uint8_t>((*taken)[0]);
  }
  std::optional<std::uint32_t> number() {
    const auto taken = bytes(4);
    if (!taken) return std::nullopt;
    std::uint32_t value = 0;
    for (const char c : *taken) value = value << 8U | static_cast<std::uint8_t>(c);
    return value;
  }
  std::optional<std::string_view> string() {
    const auto size = number();
    return size ? bytes(*size) : std::nullopt;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

inline void append_wire_number(std::string& out, std::size_t value) {
  for (const unsigned shift : {24U, 16U, 8U, 0U}) out += static_cast<char>(value >> shift & 0xFFU);
}
inline void append_wire_string(std::string& out, std::string_view value) {
  append_wire_number(out, value.size());
  out += value;
}

}  // namespace pca
