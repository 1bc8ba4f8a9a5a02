#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pca {

// Makes a remote host's bytes safe to show as lines: \r\n and lone \r end a line (the runner reads
// them so), "##[" is broken up (the runner takes it for a command anywhere in a line), C0/C1 and
// bidi controls and NUL become visible, broken UTF-8 becomes U+FFFD, lines are cut at 64 KiB with a
// note. A line that begins with "::" stays as it is: only stop-commands makes it harmless. Works
// across chunk borders, memory stays bounded. Not thread safe.
class RemoteTextFilter {
 public:
  static constexpr std::size_t line_limit = std::size_t{64} * 1024;  // bytes, as shown

  // A lower limit than that is for lines that pass here again, with the note of a cut.
  explicit RemoteTextFilter(std::size_t limit = line_limit) : limit_(limit) {}

  // Gives complete lines only, each with its \n; the rest is held.
  [[nodiscard]] std::string feed(std::string_view chunk);
  [[nodiscard]] std::string finish();  // the last line, ended, if any

 private:
  void take(char32_t code_point, std::string& out);
  void append(std::string_view shown, std::string& out);  // all of it, or the line ends here
  void end_line(std::string& out);

  std::size_t limit_;
  std::string line_;
  std::string partial_;  // the beginning of a UTF-8 sequence
  int hashes_ = 0;       // '#' seen in a row, up to 2
  bool cut_ = false;     // the line was given, with a note; its rest is dropped
  bool last_was_cr_ = false;
};

}  // namespace pca
