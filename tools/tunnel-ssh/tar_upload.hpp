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
#include "tunnel-ssh/upload_lanes.hpp"

namespace pca::tunnel_ssh {

// `text` as what a block of code reads; borrowed.
[[nodiscard]] RemoteInput text_input(std::string_view text);

// How much to compress the content of `entries` for a connection with this round trip, by looking
// into some of the files: a level of gzip, 0 for not at all.
[[nodiscard]] int compression_level(const std::vector<TreeEntry>& entries,
                                    Clock::duration round_trip);

// An archive on its way to a host in pieces, so that nobody needs to know beforehand how small it
// gets, and so that some may go by lanes of their own (see upload_lanes.hpp for both).
// Not thread safe; the archive and the lanes outlive it.
class TarUpload {
 public:
  using Progress = std::function<void(std::uint64_t sent, std::uint64_t all)>;
  // `level` of gzip, 0 = as it is. `progress` may be empty; it hears of bytes of the archive.
  TarUpload(TarStream& archive, UploadLanes& lanes, int level, Progress progress);

  // The next bytes for the shell's own channel. Errors: those of the archive.
  Result<ByteStream::Read> read(std::span<char> into);
  // Whether all of it has been read, the line "end" included.
  [[nodiscard]] bool is_at_end() const { return stage_ == Stage::ended; }

 private:
  enum class Stage : std::uint8_t { pieces, last_piece_read, ended, broken };

  Result<bool> prepare();
  Result<std::string> next_piece();
  Result<> read_archive(std::string& text, std::size_t size);

  TarStream& archive_;
  UploadLanes& lanes_;
  std::unique_ptr<GzipStream> gzip_;
  const Progress progress_;
  Stage stage_ = Stage::pieces;
  std::string pending_;
  std::size_t taken_ = 0;  // of pending_
  std::uint64_t sent_ = 0;
  bool is_compressed_ = false;  // all of it
};

}  // namespace pca::tunnel_ssh
