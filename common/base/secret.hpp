#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace pca {

class Redactor;

// A text that must never be seen: key, passphrase, password, token. Move-only; cannot be printed,
// formatted or copied; its memory is wiped on destruction. Made only by Redactor::protect(), so
// every Secret that exists is also blanked out of everything the Reporter prints.
// Not thread safe; reading from several threads is fine.
class Secret {
 public:
  Secret() = default;  // an empty secret: nothing to hide
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  [[nodiscard]] bool empty() const { return text_.empty(); }
  [[nodiscard]] std::size_t size() const { return text_.size(); }

  // A second Secret with the same text, by name because each one is another place to wipe: for
  // settings that several hosts share.
  [[nodiscard]] Secret clone() const { return Secret(text_); }

  // The text itself, for the one call that hands it to a library or puts it on the wire. The view
  // lives as long as this object is neither moved nor destroyed.
  [[nodiscard]] std::string_view expose() const { return text_; }

 private:
  friend class Redactor;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  void wipe();

  std::string text_;
};

// Overwrites `text` before freeing it. For buffers that held a secret on the way to a Secret.
void wipe(std::string& text);

// A text that is wiped at the end of its scope.
struct WipedText {
  std::string text;
  explicit WipedText(std::string from = {}) : text(std::move(from)) {}
  WipedText(const WipedText&) = delete;
  WipedText& operator=(const WipedText&) = delete;
  ~WipedText() { wipe(text); }
};

}  // namespace pca
