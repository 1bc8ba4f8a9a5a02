#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "sandbox/access_gate.hpp"

namespace pca::sandbox {

// Answers in GitHub's form and words.
[[nodiscard]] Answer github_answer(int status, const Json& body);
[[nodiscard]] Answer github_error(int status, const std::string& message);
// 422 about one field of a resource ("Status"); about all of it where the field is empty.
[[nodiscard]] Answer github_invalid(const std::string& resource, const std::string& field,
                                    const std::string& message);

[[nodiscard]] std::string github_time(std::int64_t seconds);  // 2026-01-02T03:04:05Z

// What is asked for behind the question mark.
class GithubQuery {
 public:
  explicit GithubQuery(std::string_view text) : text_(text) {}
  [[nodiscard]] std::optional<std::string> find(std::string_view name) const;
  // The part of a list that per_page and page ask for.
  struct Page {
    std::size_t first = 0;
    std::size_t end = 0;
  };
  [[nodiscard]] Page page_of(std::size_t size) const;

 private:
  [[nodiscard]] std::size_t number(std::string_view name, std::size_t otherwise) const;
  std::string text_;
};

// One part of a path or query without its percent-encoding.
[[nodiscard]] std::string percent_decoded(std::string_view part);

}  // namespace pca::sandbox
