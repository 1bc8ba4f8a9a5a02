#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pca::tunnel_ssh {

// Finds the line with which the launcher (program.hpp) says that the script starts, in a stream
// that may begin with what login files print. Not thread safe.
class StartMark {
 public:
  explicit StartMark(std::string token) : token_(std::move(token)) {}

  struct Split {
    std::string noise;        // came before the mark
    std::string_view output;  // came after it; points into the chunk
  };
  // Holds back what may be the beginning of the mark.
  [[nodiscard]] Split feed(std::string_view chunk);
  // What was held back when the stream ended without a mark: noise.
  [[nodiscard]] std::string finish();

  [[nodiscard]] bool found() const { return state_ == State::found; }
  // The rest of the mark's line, without the blank before it: "started 4711 bash".
  [[nodiscard]] const std::string& line() const { return line_; }

 private:
  enum class State : std::uint8_t { searching, reading_line, found };
  static constexpr std::size_t longest_line = 256;  // hostile text ends it

  std::string token_;
  State state_ = State::searching;
  std::string held_;
  std::string line_;
};

// What the mark on stdout says.
struct StartLine {
  bool complete = false;   // the whole program arrived and runs
  std::int64_t group = 0;  // its process group; 0 = the host could not tell
  std::string shell;       // "bash" or "sh"; empty = the host named neither
};
[[nodiscard]] StartLine parse_start_line(std::string_view line);

}  // namespace pca::tunnel_ssh
