#include "tunnel-ssh/archive_upload.hpp"

#include <fmt/format.h>

#include <utility>

namespace pca::tunnel_ssh {

ArchiveUpload::ArchiveUpload(RemoteShell& shell, TarStream& archive, bool host_has_gzip,
                             TarUpload::Progress progress)
    : shell_(shell),
      level_(host_has_gzip ? compression_level(archive.entries(), shell.round_trip()) : 0),
      lanes_(shell, lanes_for(archive.size(), shell.round_trip())),
      upload_(archive, lanes_, level_, std::move(progress)) {}

Result<> ArchiveUpload::run(const Budget& budget, const std::string& code,
                            std::string_view before) {
  const RemoteInput first = text_input(before);
  bool is_first = !before.empty();
  const RemoteInput input = [&](std::span<char> into) -> Result<ByteStream::Read> {
    if (!is_first) return upload_.read(into);
    PCA_TRY(const ByteStream::Read got, first(into));
    is_first = !got.end;
    return ByteStream::Read{got.bytes, false};
  };
  PCA_CHECK(shell_.run(
      budget,
      fmt::format("unpack_archive={}\nupload_lanes='{}'\n{}", level_ == 0 ? "cat" : "'gzip -dc'",
                  lanes_.numbers(), code),
      input,
      [&](std::string_view said) -> Result<> {
        lanes_.hear(said);
        return {};
      },
      [&]() -> Result<bool> { return lanes_.step(); }));
  return {};
}

}  // namespace pca::tunnel_ssh
