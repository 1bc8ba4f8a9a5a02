#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "cli/tool_main.hpp"
#include "tunnel-ssh/connection.hpp"
#include "tunnel-ssh/release_folder.hpp"

namespace pca::tunnel_ssh {

// Where folders of releases are, and how to come to them.
struct FolderPlace {
  ConnectionSettings connection;
  std::string path;
  std::string become;
  Milliseconds timeout{};
};

// A host's folder of releases, while its session lasts.
struct HostFolder {
  const std::string& host;
  SshSession& session;
  ReleaseFolder& folder;
};
using OnFolder = std::function<Result<Json>(const Budget&, const HostFolder&)>;

// Does `work` on one host after the other; what failed on one does not keep the others from it.
// Reports all answers, and one error for all hosts. `summary` is for the job summary, when all is
// done.
Result<int> for_each_folder(ToolContext& context, const FolderPlace& place,
                            std::string_view command, const OnFolder& work,
                            const std::function<std::string()>& summary = {});

// In another folder than `place.path`, by the same session.
Result<Json> in_folder(const Budget& budget, SshSession& session, const FolderPlace& place,
                       const std::string& path, const std::string& host, const OnFolder& work);

}  // namespace pca::tunnel_ssh
