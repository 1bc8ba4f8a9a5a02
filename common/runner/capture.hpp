#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "runner/redactor.hpp"

namespace pca {

// Keeps the beginning of a remote host's output, to hand it on as an output of the action: valid
// UTF-8 without NUL, at most `limit` bytes, cut between code points and marked when there was more.
// Memory is bounded by the limit. Not thread safe.
class Capture {
 public:
  explicit Capture(std::size_t limit) : limit_(limit) {}
  // Redacts on the way in: a secret that lies across the limit would not be recognised afterwards.
  // `redactor` is borrowed.
  Capture(std::size_t limit, const Redactor& redactor) : limit_(limit), redacting_(redactor) {}

  void feed(std::string_view chunk);
  [[nodiscard]] std::string text() const;  // what came so far; the mark is on a line of its own

 private:
  std::size_t limit_;
  std::optional<RedactingStream> redacting_;
  std::string kept_;         // at most one code point more than limit_
  bool overflowed_ = false;  // bytes were dropped
};

}  // namespace pca
