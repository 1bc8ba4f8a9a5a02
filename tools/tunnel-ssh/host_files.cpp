#include "tunnel-ssh/host_files.hpp"

#include <fmt/format.h>

#include <utility>

#include "tunnel-ssh/remote_tree.hpp"
#include "tunnel-ssh/sftp_tree.hpp"

namespace pca::tunnel_ssh {

HostFiles::HostFiles(SshSession& session, RemoteShell shell, bool may_use_sftp, std::string who,
                     Reporter& reporter)
    : session_(session),
      shell_(std::move(shell)),
      may_use_sftp_(may_use_sftp),
      who_(std::move(who)),
      reporter_(reporter) {}

Result<std::unique_ptr<HostFiles>> HostFiles::start(const Budget& budget, SshSession& session,
                                                    const std::string& become, std::string who,
                                                    Reporter& reporter) {
  PCA_TRY(RemoteShell shell, RemoteShell::start(budget, session, become, who));
  return std::unique_ptr<HostFiles>(
      new HostFiles(session, std::move(shell), become.empty(), std::move(who), reporter));
}

// Anything else that a shell says is true by SFTP, too; but its home need not be where SFTP starts.
bool HostFiles::is_without_shell(const Error& error) const {
  if (error.kind != ErrorKind::failed) return false;
  return !shell_.has_begun() || error.message.find(no_gnu_tools) != std::string::npos ||
         error.message.find(no_tar) != std::string::npos;
}

std::unique_ptr<HostTree> HostFiles::tree(const std::string& path, const std::string& only) {
  if (sftp_ != nullptr) return std::make_unique<SftpTree>(*sftp_, path, only);
  return std::make_unique<RemoteTree>(shell_, path, only);
}

Result<LookedAt> HostFiles::look(const Budget& budget, const std::string& path,
                                 const std::string& only, const FileTree& ours) {
  LookedAt looked{tree(path, only), {}};
  auto found = looked.tree->look(budget, ours);
  if (found || !may_use_sftp_ || sftp_ != nullptr || !is_without_shell(found.error())) {
    PCA_TRY(looked.found, std::move(found));
    return looked;
  }
  auto client = SftpClient::start(budget, session_, who_);
  if (!client && client.error().kind == ErrorKind::failed) return found.error();
  PCA_TRY(sftp_, std::move(client));
  looked.tree = tree(path, only);
  reporter_.info(
      shell_.has_begun()
          ? fmt::format("{}; by SFTP then", found.error().message)
          : fmt::format("{}: the host runs no commands for this user; by SFTP then", who_));
  PCA_TRY(looked.found, looked.tree->look(budget, ours));
  return looked;
}

}  // namespace pca::tunnel_ssh
