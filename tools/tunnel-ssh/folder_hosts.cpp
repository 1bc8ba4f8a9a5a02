#include "tunnel-ssh/folder_hosts.hpp"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "tunnel-ssh/contract.hpp"

namespace pca::tunnel_ssh {

namespace {

Result<Json> on_host(ToolContext& context, const Budget& budget, const FolderPlace& place,
                     const HostAddress& address, const std::string& host, const OnFolder& work) {
  PCA_TRY(const auto session,
          connect_ssh(connect_budget(place.connection, context.stop), place.connection, address,
                      log_observer(context.reporter, place.connection)));
  PCA_TRY(Json answer, in_folder(budget, *session, place, place.path, host, work));
  (void)session->close(farewell());
  return answer;
}

}  // namespace

Result<Json> in_folder(const Budget& budget, SshSession& session, const FolderPlace& place,
                       const std::string& path, const std::string& host, const OnFolder& work) {
  PCA_TRY(RemoteShell shell, RemoteShell::start(budget, session, place.become, host));
  ReleaseFolder folder(shell, path, place.timeout);
  PCA_TRY(Json answer, work(budget, HostFolder{host, session, folder}));
  PCA_CHECK(shell.end(budget));
  return answer;
}

Result<int> for_each_folder(ToolContext& context, const FolderPlace& place,
                            std::string_view command, const OnFolder& work,
                            const std::function<std::string()>& summary) {
  const Budget budget = Budget::of(place.timeout, context.stop);
  const std::size_t count = place.connection.hosts.size();
  Json hosts = Json::array();
  std::optional<Error> worst;
  std::vector<std::string> failed_ones;
  for (const HostAddress& address : place.connection.hosts) {
    const std::string host = address.text();
    auto answer = on_host(context, budget, place, address, host, work);
    Json entry = Json::object();
    entry.set("host", host);
    if (answer) {
      entry.set("answer", *std::move(answer));
    } else {
      Error error = std::move(answer).error();
      entry.set("error", error.message);
      if (count > 1) {
        context.reporter.info(fmt::format("{}: failed: {}", host, visible(error.message)));
      }
      failed_ones.push_back(host);
      if (!worst) worst = std::move(error);
    }
    hosts.push(std::move(entry));
  }
  Json report = Json::object();
  report.set("command", command);
  report.set("hosts", std::move(hosts));
  context.reporter.output(contract::report, write_report(context, report));
  context.reporter.report(report);
  if (summary) context.reporter.summary(summary());
  if (!worst) return 0;
  if (count > 1) {
    worst->message = fmt::format("{} ({} of {} hosts: {})", worst->message, failed_ones.size(),
                                 count, join(failed_ones, ", "));
  }
  return *std::move(worst);
}

}  // namespace pca::tunnel_ssh
