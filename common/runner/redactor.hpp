#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"

namespace pca {

// Knows every secret of this run and blanks each of its forms out of what is shown: the text, each
// of its lines of at least 4 characters (no PEM armour), base64 in its three alignments, percent-
// and JSON-escaped. main owns the only one; it outlives whoever borrows it.
// Thread safe.
class Redactor {
 public:
  Redactor();
  ~Redactor();
  Redactor(const Redactor&) = delete;
  Redactor& operator=(const Redactor&) = delete;

  // Registers `text` and wraps it. The given string is wiped.
  [[nodiscard]] Secret protect(std::string text);

  // `text` with every secret replaced by ***.
  [[nodiscard]] std::string redact(std::string_view text) const;

  // What the runner has to be told to mask (::add-mask::), for secrets protected since the last
  // call.
  [[nodiscard]] std::vector<std::string> take_new_masks();

 private:
  friend class RedactingStream;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Redacts text that comes in chunks: holds back just as much as could be the beginning of a secret.
// Not thread safe. `redactor` is borrowed.
class RedactingStream {
 public:
  explicit RedactingStream(const Redactor& redactor);
  [[nodiscard]] std::string feed(std::string_view chunk);
  [[nodiscard]] std::string finish();  // what was held back

 private:
  const Redactor& redactor_;
  std::string held_;
};

}  // namespace pca
