#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tunnel-ssh/host_tree.hpp"
#include "tunnel-ssh/sftp_client.hpp"

namespace pca::tunnel_ssh {

// A folder of a host that gives no shell, looked at and changed by SFTP alone.
//
// Nobody there can tell digests, so the host keeps an index of those that were sent, as
// RemoteTree's does (in .tunnel-ssh-index in the folder of the login): a file whose
// size and time are those of the index has that content, and any other is sent again. Everything in
// it can be lost at any time, and where it cannot be written everything is sent each time. Not
// thread safe; the client outlives it.
class SftpTree : public HostTree {
 public:
  // As for RemoteTree.
  SftpTree(SftpClient& client, const std::string& path, std::string only = {});

  Result<FileTree> look(const Budget& budget, const FileTree& ours) override;
  [[nodiscard]] bool is_there() const override { return is_there_; }
  Result<> fetch(const Budget& budget, const std::vector<std::string>& paths,
                 const RemoteSink& sink) override;
  // A server without posix-rename@openssh.com cannot put a file into the place of another: there
  // the old one is moved away first, and for a moment neither is there.
  Result<> apply(const Budget& budget, const SyncPlan& plan, const SendProgress& progress) override;

 private:
  struct Listed {
    std::string path;  // from the folder that was listed
    SftpAttributes attributes;
    std::string target;  // of a link
  };
  using ListedTree = std::vector<Listed>;

  [[nodiscard]] std::string at(std::string_view path) const;
  [[nodiscard]] Error problem(std::string_view doing, std::string_view path,
                              const SftpAnswer& answer) const;
  // Hears an answer that has to be "ok".
  [[nodiscard]] SftpClient::Then must_succeed(std::string doing, std::string path) const;

  // All that is below `folder`, a path for the server; of folders like staging_ only themselves.
  Result<ListedTree> list(const Budget& budget, const std::string& folder) const;
  Result<> make_folders(const Budget& budget, const std::string& path) const;
  Result<> check_room(const Budget& budget, const std::string& folder, std::uint64_t bytes) const;
  Result<> send(const Budget& budget, const SyncPlan& plan, const SendProgress& progress);
  void move_away(const std::string& path);
  bool put_back(const Budget& budget);
  Result<> move_into_place(const Budget& budget, const SyncPlan& plan);
  Result<> remove_others(const Budget& budget, const SyncPlan& plan);
  Result<> remove_tree(const Budget& budget, const std::string& folder) const;
  Result<> carry_out(const Budget& budget, const SyncPlan& plan, const SendProgress& progress);

  Result<> read_index(const Budget& budget);
  void write_index(const Budget& budget) const;

  // What is known of a file there.
  struct Known {
    std::uint64_t size = 0;
    std::uint32_t mtime = 0;
    std::uint32_t permissions = 0;
    std::string digest = {};  // empty: nobody knows
  };

  SftpClient& client_;
  const std::string root_;  // for the server
  const std::string only_;
  const std::string staging_;  // likewise
  const std::string index_;    // likewise
  std::map<std::string, Known> known_;
  std::vector<std::string> abandoned_;  // folders like staging_ of runs that were cut off long ago
  bool is_there_ = false;
  std::vector<std::string> away_;  // what was moved to staging_/old, by its number there
  bool is_moving_ = false;         // from the first rename on
};

// The index as text, and back: records "size mtime digest" and, behind a byte 1, the path; each
// ends with NUL. What cannot be read of hostile text is left out.
struct IndexRecord {
  std::uint64_t size = 0;
  std::uint32_t mtime = 0;
  std::string digest;
};
using SftpIndex = std::map<std::string, IndexRecord, std::less<>>;
[[nodiscard]] std::string index_text(const SftpIndex& index);
[[nodiscard]] SftpIndex parse_index(std::string_view text);

}  // namespace pca::tunnel_ssh
