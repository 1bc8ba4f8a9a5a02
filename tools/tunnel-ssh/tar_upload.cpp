#include "tunnel-ssh/tar_upload.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "net/file_descriptor.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t read_size = std::size_t{256} * 1024;
// A piece costs the host one head(1), so they are large; where lanes share them, half a window.
constexpr std::size_t piece_size = std::size_t{8} << 20U;
constexpr std::size_t shared_piece_size = std::size_t{1} << 20U;

constexpr std::uint64_t small_size = std::uint64_t{1} << 20U;
constexpr int small_level = 9;
constexpr int fast_level = 1;
// Nearer hosts are in the same building: their network is faster than a compressor.
constexpr Milliseconds near_by{3};

constexpr std::size_t most_samples = 16;
constexpr std::size_t sample_size = std::size_t{16} * 1024;
constexpr double worth_it = 0.8;  // of the size; below it the time is well spent

std::string beginning_of(const std::string& path) {
  std::string text(sample_size, '\0');
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const ssize_t got = file.is_open() ? ::read(file.get(), text.data(), text.size()) : 0;
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

bool can_be_made_small(const std::vector<TreeEntry>& entries) {
  const std::size_t step = std::max<std::size_t>(1, entries.size() / most_samples);
  std::size_t before = 0;
  std::size_t after = 0;
  for (std::size_t i = 0; i < entries.size(); i += step) {
    if (entries[i].kind != EntryKind::file) continue;
    const std::string sample = beginning_of(entries[i].source);
    before += sample.size();
    after += gzip(sample, fast_level).size();
  }
  return static_cast<double>(after) < worth_it * static_cast<double>(before);
}

}  // namespace

RemoteInput text_input(std::string_view text) {
  return [text](std::span<char> into) mutable -> Result<ByteStream::Read> {
    const std::size_t count = text.copy(into.data(), into.size());
    text.remove_prefix(count);
    return ByteStream::Read{count, text.empty()};
  };
}

int compression_level(const std::vector<TreeEntry>& entries, Clock::duration round_trip) {
  std::uint64_t size = 0;
  for (const TreeEntry& entry : entries) size += entry.size;
  if (size <= small_size) return small_level;
  if (round_trip < near_by || !can_be_made_small(entries)) return 0;
  return fast_level;
}

TarUpload::TarUpload(TarStream& archive, UploadLanes& lanes, int level, Progress progress)
    : archive_(archive),
      lanes_(lanes),
      gzip_(level > 0 ? std::make_unique<GzipStream>(level) : nullptr),
      progress_(std::move(progress)) {}

// As much as there is room for: a packet for each small file would cost more than its content.
Result<ByteStream::Read> TarUpload::read(std::span<char> into) {
  std::size_t filled = 0;
  while (filled < into.size()) {
    if (taken_ == pending_.size()) {
      PCA_TRY(const bool has_more, prepare());
      if (!has_more) break;
    }
    const std::size_t count = pending_.copy(into.data() + filled, into.size() - filled, taken_);
    taken_ += count;
    filled += count;
  }
  if (progress_) progress_(sent_, archive_.size());
  const bool is_over = stage_ == Stage::ended || stage_ == Stage::broken;
  return ByteStream::Read{filled, is_over && taken_ == pending_.size()};
}

// Puts into pending_ what comes next. False: nothing, now or ever.
Result<bool> TarUpload::prepare() {
  pending_.clear();
  taken_ = 0;
  if (stage_ == Stage::ended || stage_ == Stage::broken) return false;
  if (lanes_.is_broken()) {
    stage_ = Stage::broken;
    pending_ = "broken\n";
    return true;
  }
  if (stage_ == Stage::pieces) {
    PCA_TRY(std::string piece, next_piece());
    if (!piece.empty()) {
      pending_ = lanes_.carry(std::move(piece));
      return true;
    }
    stage_ = Stage::last_piece_read;
    lanes_.finish();
  }
  if (!lanes_.is_through()) return false;
  stage_ = Stage::ended;
  pending_ = "end\n";
  return true;
}

// Empty when there are no more.
Result<std::string> TarUpload::next_piece() {
  std::string piece;
  if (gzip_ == nullptr) {
    PCA_CHECK(read_archive(piece, lanes_.numbers().empty() ? piece_size : shared_piece_size));
    return piece;
  }
  std::string text;
  while (piece.size() < shared_piece_size && !is_compressed_) {
    text.clear();
    PCA_CHECK(read_archive(text, read_size));
    if (text.empty()) {
      gzip_->finish(piece);
      is_compressed_ = true;
    } else {
      gzip_->feed({text.data(), text.size()}, piece);
    }
  }
  return piece;
}

// Appends up to `size` bytes of the archive; fewer only at its end.
Result<> TarUpload::read_archive(std::string& text, std::size_t size) {
  std::size_t filled = 0;
  text.resize(size);
  while (filled < size) {
    PCA_TRY(const std::size_t count, archive_.read(std::span(text).subspan(filled)));
    if (count == 0) break;
    filled += count;
  }
  text.resize(filled);
  sent_ += filled;
  return {};
}

}  // namespace pca::tunnel_ssh
