#pragma once

#include <functional>
#include <string>

#include "base/json.hpp"
#include "sandbox/access_gate.hpp"

namespace pca::sandbox {

// Writes one JSON line for each connection that ended, so that a test can say what must never have
// happened on the wire. Not thread safe.
class Recorder {
 public:
  // Appends to `file` (made readable to its owner only); empty = nothing is written.
  static Result<Recorder> open(const std::string& file);
  Recorder(Recorder&& other) noexcept;
  Recorder& operator=(Recorder&&) = delete;
  ~Recorder();
  void add(const Json& line);

 private:
  explicit Recorder(int fd) : fd_(fd) {}
  int fd_;
};

// Names as they were sent; the values of those that carry secrets become "(set)".
[[nodiscard]] Json record_headers(const Headers& headers);

}  // namespace pca::sandbox
