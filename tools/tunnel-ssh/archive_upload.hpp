#pragma once

#include <string>
#include <string_view>

#include "tunnel-ssh/remote_shell.hpp"
#include "tunnel-ssh/tar_stream.hpp"
#include "tunnel-ssh/tar_upload.hpp"
#include "tunnel-ssh/upload_lanes.hpp"

namespace pca::tunnel_ssh {

// An archive for a block of code that calls unpack_pieces (see upload_lanes.hpp): compressed where
// that pays, over as many channels as the way there is worth. Not thread safe; the shell and the
// archive outlive it.
class ArchiveUpload {
 public:
  // `host_has_gzip`: whether the host can unpack what gzip packed. `progress` may be empty; it
  // hears of bytes of the archive.
  ArchiveUpload(RemoteShell& shell, TarStream& archive, bool host_has_gzip,
                TarUpload::Progress progress);

  // Runs `code`, which reads `before` from its input ahead of the archive. Once.
  // Errors: those of RemoteShell::run() and of the archive.
  Result<> run(const Budget& budget, const std::string& code, std::string_view before = {});
  // Whether the host may have all of it. Before that, nothing behind unpack_pieces has run.
  [[nodiscard]] bool is_at_end() const { return upload_.is_at_end(); }

 private:
  RemoteShell& shell_;
  const int level_;  // of gzip
  UploadLanes lanes_;
  TarUpload upload_;
};

}  // namespace pca::tunnel_ssh
