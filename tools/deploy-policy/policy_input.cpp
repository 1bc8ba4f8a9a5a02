#include "deploy-policy/policy_input.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "base/text.hpp"
#include "cli/input_file.hpp"

namespace pca::deploy_policy {

namespace {

constexpr Milliseconds reading_limit{30'000};
constexpr std::uint64_t file_limit = 1024ULL * 1024;

bool is_there(const std::string& path) {
  std::error_code ignored;
  // A link that leads nowhere is there, and an error when it is read.
  return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

// Where the policy of `root` is. Without a root: of this folder, or of the nearest one above it in
// the same clone, because builds of a monorepo begin in a folder of it. Empty when there is none.
std::string usual_path(const std::string& root) {
  namespace fs = std::filesystem;
  if (!root.empty()) {
    const std::string path = fmt::format("{}/{}", root, policy_file);
    return is_there(path) ? path : std::string();
  }
  if (is_there(std::string(policy_file))) return std::string(policy_file);
  std::error_code ignored;
  std::string found;
  for (fs::path folder = fs::current_path(ignored); !folder.empty();
       folder = folder.parent_path()) {
    const std::string path = (folder / policy_file).string();
    if (found.empty() && is_there(path)) found = path;
    if (is_there((folder / ".git").string())) return found;
    if (folder == folder.parent_path()) break;
  }
  return {};
}

}  // namespace

Policy read_policy(ToolContext& context, const Inputs& inputs, BadInputs& bad,
                   const std::string& root) {
  const std::string path = inputs.has("policy") ? inputs.text("policy") : usual_path(root);
  if (path.empty()) return {};
  const auto text = read_input_file(Budget::of(reading_limit, context.stop), path, file_limit);
  if (!text) {
    bad.add("policy", text.error());
    return {};
  }
  ReadPolicy read = parse_policy(*text);
  for (PolicyMistake& mistake : read.mistakes) {
    bad.add("policy", fmt::format("{}:{}: {}", visible(path), mistake.line, mistake.problem),
            std::move(mistake.cure));
  }
  return std::move(read.policy);
}

}  // namespace pca::deploy_policy
