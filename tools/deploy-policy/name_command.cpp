#include "deploy-policy/name_command.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/github_repository.hpp"
#include "base/slug.hpp"
#include "base/text.hpp"
#include "deploy-policy/branch_pattern.hpp"
#include "deploy-policy/contract.hpp"
#include "deploy-policy/policy_input.hpp"
#include "deploy/resource_name.hpp"

namespace pca::deploy_policy {

namespace {

NameRules rules_of(const Policy& policy) {
  return {policy.customer, policy.project, policy.components};
}

std::string room_text(ResourceType type, std::size_t room) {
  const ResourceRow& row = resource_row(type);
  if (row.room_for.empty()) return fmt::format("{} more characters fit", room);
  return fmt::format("{} characters are left for {}", room, row.room_for);
}

// What is known of a name, as outputs, JSON and a text; exit code 1 for one that is not valid.
class Answer {
 public:
  Answer(ToolContext& context, ResourceType type) : context_(context), type_(type) {}

  Result<int> give(const std::string& text, const Result<ResourceName>& name) {
    const std::size_t room = room_behind(type_, text);
    set(contract::valid, name ? "true" : "false");
    set(contract::reason, name ? "" : name.error().message);
    set(contract::room, std::to_string(room));
    json_.set("valid", name.has_value())
        .set("name", text)
        .set("reason", name ? "" : name.error().message)
        .set("cure", name ? "" : name.error().hint)
        .set("room", static_cast<std::int64_t>(room));
    if (name) {
      set_parts(*name);
      context_.reporter.info(fmt::format("{}: {}", text, room_text(type_, room)));
    }
    context_.reporter.report(json_);
    if (name) return 0;
    return failed(fmt::format("{} is no name of {}: {}", shown(text), resource_row(type_).title,
                              name.error().message),
                  name.error().hint);
  }

 private:
  void set(const char* output, const std::string& value) {
    context_.reporter.output(output, value);
  }

  void set_parts(const ResourceName& name) {
    const std::pair<const char*, const std::string*> parts[] = {
        {contract::customer, &name.customer},
        {contract::project, &name.project},
        {contract::environment, &name.environment},
        {contract::component, &name.component},
        {contract::slug, &name.slug}};
    for (const auto& [output, value] : parts) {
      set(output, *value);
      json_.set(output, *value);
    }
  }

  ToolContext& context_;
  ResourceType type_;
  Json json_ = Json::object();
};

// The room for a slug behind the rest of a preview's name.
std::size_t room_for_slug(ResourceType type, const ResourceName& name, const NameRules& rules) {
  NameRules named = rules;
  named.customer = name.customer;
  named.project = name.project;
  if (type == ResourceType::stack) return stack_slug_room(named);
  return room_behind(type, name.text());
}

void read_slug(const Inputs& inputs, const NameRules& rules, ResourceType type, ResourceName& name,
               BadInputs& bad) {
  const bool is_preview = name.environment == "preview";
  for (const char* input : {"branch", "repository"}) {
    if (is_preview && !inputs.has(input)) {
      bad.add(input, "is needed for a preview, whose slug is made of it",
              fmt::format("Give --{}.", input));
    } else if (!is_preview && inputs.has(input)) {
      bad.add(input, "goes with the environment preview only", "Leave it out.");
    }
  }
  if (!is_preview || !bad.empty()) return;
  if (const auto good = check_branch_name(inputs.text("branch")); !good) {
    bad.add("branch", good.error());
  }
  if (const auto good = parse_github_repository(inputs.text("repository")); !good) {
    bad.add("repository", good.error());
  }
  if (!bad.empty()) return;
  auto slug =
      make_slug(inputs.text("repository"), inputs.text("branch"), room_for_slug(type, name, rules));
  if (slug) {
    name.slug = *std::move(slug);
  } else {
    bad.add("type", fmt::format("behind {} {}", shown(name.text()), slug.error().message),
            "Shorten customer, project or component.");
  }
}

Result<int> build(ToolContext& context, const Inputs& inputs, const Policy& policy,
                  BadInputs& bad) {
  const ResourceType type = resource_type(inputs.text("type"));
  ResourceName name{inputs.text("customer"), inputs.text("project"), inputs.text("environment"),
                    inputs.text("component")};
  if (name.customer.empty()) name.customer = policy.customer;
  if (name.project.empty()) name.project = policy.project;
  const std::pair<const char*, const std::string*> required[] = {{"customer", &name.customer},
                                                                 {"project", &name.project}};
  for (const auto& [input, value] : required) {
    if (value->empty()) {
      bad.add(input, "is named neither here nor by the policy", fmt::format("Give --{}.", input));
    }
  }
  read_slug(inputs, rules_of(policy), type, name, bad);
  if (!bad.empty()) return bad.to_error();
  if (const auto good = check_name(type, name, rules_of(policy)); !good) {
    bad.add("name", good.error());
    return bad.to_error();
  }
  context.reporter.output(contract::name, name.text());
  return Answer(context, type).give(name.text(), name);
}

}  // namespace

Result<int> run_name(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const ResourceType type = resource_type(inputs.text("type"));
  if (inputs.command() == "name parse") {
    if (!bad.empty()) return bad.to_error();
    return Answer(context, type)
        .give(inputs.text("name"), parse_name(type, inputs.text("name"), NameRules{}));
  }
  const Policy policy = read_policy(context, inputs, bad);
  if (inputs.command() == "name build") return build(context, inputs, policy, bad);
  if (!bad.empty()) return bad.to_error();
  return Answer(context, type)
      .give(inputs.text("name"), parse_name(type, inputs.text("name"), rules_of(policy)));
}

}  // namespace pca::deploy_policy
