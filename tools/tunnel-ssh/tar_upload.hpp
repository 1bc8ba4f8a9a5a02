#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.hpp"
#include "base/gzip.hpp"
#include "tunnel-ssh/remote_shell.hpp"
#include "tunnel-ssh/tar_stream.hpp"

namespace pca::tunnel_ssh {

// `text` as what a block of code reads; borrowed.
[[nodiscard]] RemoteInput text_input(std::string_view text);

// How much to compress the content of `entries` for a connection with this round trip, by looking
// into some of the files: a level of gzip, 0 for not at all.
[[nodiscard]] int compression_level(const std::vector<TreeEntry>& entries,
                                    Clock::duration round_trip);

// An archive on its way to a host in pieces, so that nobody needs to know beforehand how small it
// gets: a line with the number of bytes before each, and the line "end" behind the last.
// Not thread safe; the archive outlives it.
class TarUpload {
 public:
  using Progress = std::function<void(std::uint64_t sent, std::uint64_t all)>;
  // `level` of gzip, 0 = as it is. `progress` may be empty; it hears of bytes of the archive.
  TarUpload(TarStream& archive, int level, Progress progress);

  // The next bytes; 0 only at the end. Errors: those of the archive.
  Result<std::size_t> read(std::span<char> into);
  [[nodiscard]] bool is_at_end() const { return is_ended_; }

 private:
  Result<> compress_piece();
  void end_with(const std::string& piece);

  TarStream& archive_;
  std::unique_ptr<GzipStream> gzip_;
  const Progress progress_;
  std::string pending_;
  std::size_t taken_ = 0;  // of pending_
  std::uint64_t sent_ = 0;
  bool is_ended_ = false;
};

}  // namespace pca::tunnel_ssh
