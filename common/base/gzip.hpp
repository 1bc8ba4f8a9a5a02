#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pca {

// Compresses to the gzip format (RFC 1952) piece by piece. Not thread safe.
class GzipStream {
 public:
  explicit GzipStream(int level);  // 1 is fast, 9 is small
  ~GzipStream();
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  // What is ready to be sent is appended to `out`.
  void feed(std::string_view data, std::string& out);
  void finish(std::string& out);  // once, at the end

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

[[nodiscard]] std::string gzip(std::string_view data, int level);
// Errors: failed (not gzip, cut short, longer than `most` bytes).
[[nodiscard]] Result<std::string> gunzip(std::string_view data, std::size_t most);

}  // namespace pca
