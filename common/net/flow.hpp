#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "net/byte_stream.hpp"

namespace pca {

// One direction of a connection: a buffer between a source and a sink, neither of which blocks. The
// end of the source is passed on once everything before it has gone. Not thread safe.
class Flow {
 public:
  explicit Flow(std::size_t size = std::size_t{64} * 1024) : buffer_(size) {}

  // Text that goes to the sink first. Only before the first step; longer than the buffer is fine.
  void prepend(std::string_view text) {
    if (text.size() > buffer_.size()) buffer_.resize(text.size());
    end_ = text.copy(buffer_.data(), text.size());
  }

  // Moves as much as goes now. `read(span<char>)` gives Result<ByteStream::Read>,
  // `write(span<const char>)` Result<size_t>, `end()` Result<bool> (false: call again). True when
  // anything moved.
  template <typename Read, typename Write, typename End>
  Result<bool> step(const Read& read, const Write& write, const End& end) {
    bool moved = false;
    if (is_empty() && !source_ended_) {
      PCA_TRY(const ByteStream::Read got, read(std::span<char>(buffer_)));
      begin_ = 0;
      end_ = got.bytes;
      source_ended_ = got.end && got.bytes == 0;
      moved = got.bytes > 0 || source_ended_;
    }
    if (!is_empty()) {
      PCA_TRY(const std::size_t taken,
              write(std::span<const char>(buffer_).subspan(begin_, end_ - begin_)));
      begin_ += taken;
      moved = moved || taken > 0;
    }
    if (is_empty() && source_ended_ && !sink_ended_) {
      PCA_TRY(sink_ended_, end());
      moved = moved || sink_ended_;
    }
    return moved;
  }

  [[nodiscard]] bool wants_source() const { return is_empty() && !source_ended_; }
  [[nodiscard]] bool wants_sink() const { return !is_empty() || (source_ended_ && !sink_ended_); }
  [[nodiscard]] bool source_ended() const { return source_ended_; }
  [[nodiscard]] bool is_done() const { return sink_ended_; }

 private:
  [[nodiscard]] bool is_empty() const { return begin_ == end_; }

  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool source_ended_ = false;
  bool sink_ended_ = false;
};

}  // namespace pca
