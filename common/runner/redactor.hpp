#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"

namespace pca {

// Knows every secret of this run and blanks each of its forms out of what is shown: the text and
// each of its lines of at least 4 characters (no PEM armour), both also as base64 in its three
// alignments (standard and URL alphabet, also broken into lines), percent- and JSON-escaped.
// Shorter ones stay: blanking every "1" out of a log ruins it and still tells the secret. main owns
// the only one; it outlives whoever borrows it. Thread safe.
class Redactor {
 public:
  Redactor();
  ~Redactor();
  Redactor(const Redactor&) = delete;
  Redactor& operator=(const Redactor&) = delete;

  // Registers `text` and wraps it. The given string is wiped.
  [[nodiscard]] Secret protect(std::string text);

  // `text` with every secret replaced by ***; forms that overlap share one.
  [[nodiscard]] std::string redact(std::string_view text) const;

  // What the runner has to be told to mask (::add-mask::), for secrets protected since the last
  // call: lines, because older runners mask a text with line breaks only as a whole. Each only
  // once, however often it is protected.
  [[nodiscard]] std::vector<std::string> take_new_masks();

  // True once, when a secret came that is too short to blank: the user should know.
  [[nodiscard]] bool take_short_secret_notice();

 private:
  friend class RedactingStream;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Redacts text that comes in chunks: holds back just as much as could be the beginning of a secret,
// so all outputs together are what redact() gives for all chunks together. Not thread safe.
// `redactor` is borrowed.
class RedactingStream {
 public:
  explicit RedactingStream(const Redactor& redactor);
  [[nodiscard]] std::string feed(std::string_view chunk);
  [[nodiscard]] std::string finish();  // what was held back

 private:
  const Redactor& redactor_;
  std::string held_;
  std::size_t covered_ = 0;  // of held_: bytes that a *** already given stands for
};

}  // namespace pca
