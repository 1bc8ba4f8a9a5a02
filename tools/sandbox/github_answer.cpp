#include "sandbox/github_answer.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/text.hpp"

namespace pca::sandbox {

Answer github_answer(int status, const Json& body) {
  return {status, {{"Content-Type", "application/json; charset=utf-8"}}, body.dump()};
}

Answer github_error(int status, const std::string& message) {
  Json body = Json::object();
  body.set("message", message).set("documentation_url", "https://docs.github.com/rest");
  return github_answer(status, body.set("status", std::to_string(status)));
}

Answer github_invalid(const std::string& resource, const std::string& field,
                      const std::string& message) {
  Json error = Json::object();
  error.set("resource", resource).set("code", "custom");
  if (!field.empty()) error.set("field", field);
  error.set("message", message);
  Json body = Json::object();
  body.set("message", "Validation Failed").set("errors", Json::array().push(error));
  body.set("documentation_url", "https://docs.github.com/rest");
  return github_answer(422, body.set("status", "422"));
}

std::string github_time(std::int64_t seconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

std::optional<std::string> GithubQuery::find(std::string_view name) const {
  for (const std::string& pair : split(text_, '&')) {
    const std::size_t equals = pair.find('=');
    if (equals != std::string::npos && std::string_view(pair).substr(0, equals) == name) {
      std::string value = pair.substr(equals + 1);
      std::replace(value.begin(), value.end(), '+', ' ');
      return percent_decoded(value);
    }
  }
  return std::nullopt;
}

std::size_t GithubQuery::number(std::string_view name, std::size_t otherwise) const {
  const auto number = parse_integer(find(name).value_or(""), 1, 100);
  return number ? static_cast<std::size_t>(*number) : otherwise;
}

GithubQuery::Page GithubQuery::page_of(std::size_t size) const {
  const std::size_t page_size = number("per_page", 30);
  const std::size_t first = std::min((number("page", 1) - 1) * page_size, size);
  return {first, std::min(first + page_size, size)};
}

std::string percent_decoded(std::string_view part) {
  std::string out;
  for (std::size_t i = 0; i < part.size(); ++i) {
    const auto digit = [&](std::size_t at) {
      return std::string_view("0123456789ABCDEF").find(to_upper(part.substr(at, 1)));
    };
    if (part[i] == '%' && i + 2 < part.size() && digit(i + 1) < 16 && digit(i + 2) < 16) {
      out += static_cast<char>(digit(i + 1) * 16 + digit(i + 2));
      i += 2;
    } else {
      out += part[i];
    }
  }
  return out;
}

}  // namespace pca::sandbox
