#include "runner/workflow_command.hpp"

namespace pca {

namespace {

// Encodes byte by byte, so '%' is never encoded twice; the runner decodes %25 last.
std::string escape(std::string_view text, std::string_view special) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (special.find(c) == std::string_view::npos) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
  }
  return out;
}

}  // namespace

std::string escape_command_data(std::string_view data) { return escape(data, "%\r\n"); }

std::string escape_command_property(std::string_view value) { return escape(value, "%\r\n:,"); }

std::string workflow_command(std::string_view name,
                             const std::vector<std::pair<std::string, std::string>>& properties,
                             std::string_view data) {
  std::string out = "::";
  out += name;
  char separator = ' ';
  for (const auto& [key, value] : properties) {
    if (value.empty()) continue;
    out += separator;
    out += key;
    out += '=';
    out += escape_command_property(value);
    separator = ',';
  }
  return out + "::" + escape_command_data(data);
}

}  // namespace pca
