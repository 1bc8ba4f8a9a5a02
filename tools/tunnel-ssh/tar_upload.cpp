#include "tunnel-ssh/tar_upload.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "net/file_descriptor.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t read_size = std::size_t{256} * 1024;
constexpr std::size_t piece_size = std::size_t{1} << 20U;  // one head(1) on the host for each

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
  return [text](std::span<char> into) mutable -> Result<std::size_t> {
    const std::size_t count = text.copy(into.data(), into.size());
    text.remove_prefix(count);
    return count;
  };
}

int compression_level(const std::vector<TreeEntry>& entries, Clock::duration round_trip) {
  std::uint64_t size = 0;
  for (const TreeEntry& entry : entries) size += entry.size;
  if (size <= small_size) return small_level;
  if (round_trip < near_by || !can_be_made_small(entries)) return 0;
  return fast_level;
}

TarUpload::TarUpload(TarStream& archive, int level, Progress progress)
    : archive_(archive), progress_(std::move(progress)) {
  if (level > 0) {
    gzip_ = std::make_unique<GzipStream>(level);
  } else {
    pending_ = fmt::format("{}\n", archive.size());
  }
}

// As much as there is room for: a packet for each small file would cost more than its content.
Result<std::size_t> TarUpload::read(std::span<char> into) {
  std::size_t filled = 0;
  while (filled < into.size()) {
    if (taken_ < pending_.size()) {
      const std::size_t count = pending_.copy(into.data() + filled, into.size() - filled, taken_);
      taken_ += count;
      filled += count;
    } else if (is_ended_) {
      break;
    } else if (gzip_ != nullptr) {
      PCA_CHECK(compress_piece());
    } else {
      PCA_TRY(const std::size_t count, archive_.read(into.subspan(filled)));
      if (count == 0) end_with("");
      filled += count;
      sent_ += count;
    }
  }
  if (progress_ && gzip_ == nullptr) progress_(sent_, archive_.size());
  return filled;
}

Result<> TarUpload::compress_piece() {
  std::string piece;
  std::string buffer(read_size, '\0');
  while (piece.size() < piece_size) {
    PCA_TRY(const std::size_t count, archive_.read({buffer.data(), buffer.size()}));
    if (count == 0) {
      gzip_->finish(piece);
      end_with(piece);
      return {};
    }
    gzip_->feed({buffer.data(), count}, piece);
    sent_ += count;
    if (progress_) progress_(sent_, archive_.size());
  }
  pending_ = fmt::format("{}\n{}", piece.size(), piece);
  taken_ = 0;
  return {};
}

void TarUpload::end_with(const std::string& piece) {
  if (!piece.empty())
    pending_ = fmt::format("{}\n{}", piece.size(), piece);
  else
    pending_.clear();
  pending_ += "end\n";
  taken_ = 0;
  is_ended_ = true;
}

}  // namespace pca::tunnel_ssh
