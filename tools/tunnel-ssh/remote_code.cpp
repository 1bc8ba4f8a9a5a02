#include "tunnel-ssh/remote_code.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace pca::tunnel_ssh {

std::string assignment(const char* name, const std::string& value) {
  return fmt::format("{}={}\n", name, shell_quote(value));
}

std::string as_words(const std::vector<std::string>& items) {
  std::string words;
  for (const std::string& item : items) words += " " + shell_quote(item);
  return words;
}

std::string as_records(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) (text += item) += '\0';
  return text;
}

Result<std::string_view> take_record(std::string_view& rest) {
  const std::size_t end = rest.find('\0');
  if (end == std::string_view::npos) return failed("what the host says ends in the middle");
  const std::string_view record = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return record;
}

}  // namespace pca::tunnel_ssh
