#include "swarm-deploy/stack_inputs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "cli/script_inputs.hpp"
#include "swarm-deploy/env_file.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds reading_limit{30'000};
constexpr std::uint64_t file_limit = 1024ULL * 1024;
constexpr std::size_t most_files = 50;
constexpr std::size_t largest_shown_secret =
    std::size_t{16} * 1024;  // larger ones are no passwords

bool is_stack_name(std::string_view name) {
  const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return name.size() <= 63 && is_plain(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_plain(c) || c == '-' || c == '_'; });
}

class StackInputs {
 public:
  StackInputs(ToolContext& context, const Inputs& inputs, BadInputs& bad, std::string name = {},
              Variables own_variables = {})
      : context_(context),
        inputs_(inputs),
        bad_(bad),
        budget_(Budget::of(reading_limit, context.stop)),
        name_(std::move(name)),
        own_variables_(std::move(own_variables)) {}

  Compose compose() {
    read_variables();
    std::vector<ComposeText> files;
    const std::vector<std::string>& names = inputs_.list("files");
    if (names.size() > most_files) bad_.add("files", fmt::format("are more than {}", most_files));
    for (const std::string& name : names) {
      if (files.size() == most_files) break;
      auto text = read_input_file(budget_, name, file_limit);
      if (text) {
        files.push_back({name, *std::move(text)});
      } else {
        bad_.add("files", text.error());
      }
    }
    const std::string& unset = inputs_.text("unset-variables");
    const std::vector<std::string>& profiles = inputs_.list("profiles");
    const ComposeSources sources{variables_,
                                 unset == "empty"  ? UnsetVariables::empty
                                 : unset == "warn" ? UnsetVariables::warn
                                                   : UnsetVariables::error,
                                 folder_of(names.empty() ? std::string() : names.front()),
                                 reader(),
                                 {profiles.begin(), profiles.end()}};
    Compose compose = read_compose_files(files, sources);
    protect_variables_of_secrets(compose);
    tell(compose.problems);
    return compose;
  }

  StackSpec stack() {
    const Compose read = compose();
    const std::string name = name_.empty() ? stack_name(read) : name_;
    if (!bad_.empty()) return {};
    protect_files_of_secrets(read);
    ConvertedStack converted =
        convert_stack(name, read, reader(), variables_, inputs_.flag("rotate"));
    tell(converted.problems);
    return std::move(converted.spec);
  }

 private:
  // The input's, else the one at the top of the files.
  [[nodiscard]] std::string stack_name(const Compose& read) {
    const bool is_given = inputs_.has("stack");
    const std::string name = is_given ? inputs_.text("stack") : read.config.text_of("name");
    if (name.empty() && read.problems.mistakes.empty()) {
      bad_.add("stack", "is missing, and so is a name in the files",
               "Give --stack NAME, or write name: NAME at the top of a file.");
    } else if (!name.empty() && !is_stack_name(name)) {
      bad_.add(is_given ? "stack" : "files", fmt::format("{} is no name of a stack", shown(name)),
               "Write lower case letters, digits, - and _, a letter or digit first, 63 at most.");
    }
    return name;
  }

  // What a secret holds is never shown, wherever else it stands: in a file that is printed, or in
  // the log of a service that tells its password.
  void protect_variables_of_secrets(const Compose& read) {
    for_each_secret(read, [&](const Json& secret) {
      const auto variable = variables_.find(secret.text_of("environment"));
      if (variable != variables_.end()) (void)context_.redactor.protect(variable->second);
    });
  }

  // Not for what only prints the files, which say no more than their paths.
  void protect_files_of_secrets(const Compose& read) {
    for_each_secret(read, [&](const Json& secret) {
      const std::string file = secret.text_of("file");
      auto content = file.empty() ? Result<std::string>(std::string()) : reader()(file);
      if (content && !content->empty() && content->size() <= largest_shown_secret)
        (void)context_.redactor.protect(*std::move(content));
    });
  }

  static void for_each_secret(const Compose& read, const std::function<void(const Json&)>& action) {
    const Json* secrets = read.config.find("secrets");
    if (secrets == nullptr || secrets->as_object() == nullptr) return;
    for (const auto& [key, secret] : *secrets->as_object()) action(secret);
  }

  [[nodiscard]] ReadFile reader() const {
    return [budget = budget_](const std::string& path) {
      return read_input_file(budget, path, file_limit);
    };
  }

  static std::string folder_of(const std::string& file) {
    std::error_code ignored;
    const auto path = std::filesystem::absolute(file == "-" ? "x" : file, ignored);
    return path.parent_path().lexically_normal().string();
  }

  void read_variables() {
    // Of the process: what the docker CLI sees as well, but for the inputs of the step.
    for (const auto& [name, value] : context_.environment) {
      if (!name.starts_with("INPUT_")) variables_.emplace(name, value);
    }
    for (const std::string& file : inputs_.list("env-file")) {
      const auto text = read_input_file(budget_, file, file_limit);
      if (!text) {
        bad_.add("env-file", text.error());
        continue;
      }
      const auto pairs = parse_env_file(*text, variables_);
      if (!pairs) {
        bad_.add("env-file", fmt::format("{}: {}", visible(file), pairs.error().message),
                 pairs.error().hint);
        continue;
      }
      for (const auto& [name, value] : *pairs) {
        // A later file wins over an earlier one, the environment over both.
        if (!context_.environment.contains(name)) variables_[name] = value;
      }
    }
    for (const std::string& line : inputs_.list("vars")) {
      const std::size_t equals = line.find('=');
      const std::string name = line.substr(0, equals);
      if (equals == std::string::npos || !is_variable_name(name)) {
        bad_.add("vars", fmt::format("{} does not begin with a name and a =", shown(name)),
                 "Write NAME=value, one a line.");
      } else {
        variables_[name] = line.substr(equals + 1);
      }
    }
    for (const auto& [name, value] : own_variables_) variables_[name] = value;
  }

  void warn(const Problem& problem) {
    context_.reporter.warning(
        Warning{"Compose file",
                problem.message() + "." + (problem.cure.empty() ? "" : " " + problem.cure)});
  }

  void tell(Problems& problems) {
    problems.sort();
    for (const Problem& problem : problems.mistakes) {
      bad_.add("files", problem.message(), problem.cure);
    }
    for (const Problem& problem : problems.warnings) {
      if (inputs_.flag("strict")) {
        bad_.add("files", problem.message(), problem.cure);
      } else {
        warn(problem);
      }
    }
    for (const Problem& problem : problems.differences) warn(problem);
  }

  ToolContext& context_;
  const Inputs& inputs_;
  BadInputs& bad_;
  Budget budget_;
  const std::string name_;
  const Variables own_variables_;
  Variables variables_;
};

}  // namespace

std::string read_stack_name(const Inputs& inputs, BadInputs& bad) {
  const std::string& name = inputs.text("stack");
  if (!name.empty() && !is_stack_name(name)) {
    bad.add("stack", fmt::format("{} is no name of a stack", shown(name)),
            "Write lower case letters, digits, - and _, a letter or digit first, 63 at most.");
  }
  return name;
}

Compose read_compose_inputs(ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  return StackInputs(context, inputs, bad).compose();
}

StackSpec read_stack_inputs(ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  return StackInputs(context, inputs, bad).stack();
}

StackSpec read_stack_inputs(ToolContext& context, const Inputs& inputs, const std::string& name,
                            const Variables& variables, BadInputs& bad) {
  return StackInputs(context, inputs, bad, name, variables).stack();
}

}  // namespace pca::swarm_deploy
