#pragma once

#include <memory>
#include <string>

#include "runner/reporter.hpp"
#include "tunnel-ssh/host_tree.hpp"
#include "tunnel-ssh/sftp_client.hpp"

namespace pca::tunnel_ssh {

// A folder of a host and what was found in it.
struct LookedAt {
  std::unique_ptr<HostTree> tree;
  FileTree found;
};

// The files of one host: by its shell, or by SFTP where that cannot (it runs no commands for this
// user, as a forced internal-sftp does, or has no tar and no GNU tools). Which of them it is shows
// when it is first looked at, so a host with a shell costs no round trip for the question.
// Not thread safe; outlives the trees it gives, and what it was started with outlives it.
class HostFiles {
 public:
  // `who` names the host in messages. With `become` it is the shell or nothing: SFTP can become
  // nobody.
  static Result<std::unique_ptr<HostFiles>> start(const Budget& budget, SshSession& session,
                                                  const std::string& become, std::string who,
                                                  Reporter& reporter);
  // `path` and `only` as RemoteTree has them. Errors: those of the tree; where neither way goes,
  // what the shell said.
  Result<LookedAt> look(const Budget& budget, const std::string& path, const std::string& only,
                        const FileTree& ours);

 private:
  HostFiles(SshSession& session, RemoteShell shell, bool may_use_sftp, std::string who,
            Reporter& reporter);
  [[nodiscard]] bool is_without_shell(const Error& error) const;
  [[nodiscard]] std::unique_ptr<HostTree> tree(const std::string& path, const std::string& only);

  SshSession& session_;
  RemoteShell shell_;
  std::unique_ptr<SftpClient> sftp_;
  const bool may_use_sftp_;
  const std::string who_;
  Reporter& reporter_;
};

}  // namespace pca::tunnel_ssh
