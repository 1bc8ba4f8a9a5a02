#pragma once

#include <string>
#include <string_view>

namespace pca {

// Makes a remote host's bytes safe to show as lines: \r\n and lone \r end a line, "##[" is broken
// up, C0/C1 and bidi controls and NUL become visible, broken UTF-8 becomes U+FFFD, lines are cut at
// 64 KiB with a note. Works across chunk borders, memory stays bounded. Not thread safe.
class RemoteTextFilter {
 public:
  // Gives complete lines only, each with its \n; the rest is held.
  [[nodiscard]] std::string feed(std::string_view chunk);
  [[nodiscard]] std::string finish();  // the last line, ended, if any

 private:
  std::string line_;
  bool cut_ = false;
  bool last_was_cr_ = false;
};

}  // namespace pca
