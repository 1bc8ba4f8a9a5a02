#include "swarm-deploy/preview_inputs.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/slug.hpp"
#include "base/text.hpp"
#include "deploy/hostname.hpp"
#include "deploy/resource_name.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr const char* usual_hostname = "{project}-{slug}.{domain}";

// The stack that was named, if it can be this branch's.
ResourceName read_stack(const Inputs& inputs, const Provenance& from, BadInputs& bad) {
  const std::string& given = inputs.text("stack");
  const std::string cure =
      "Write {customer}-{project}-preview-{slug}, as deploy-policy says it, or leave it out and "
      "give customer and project.";
  auto name = parse_name(ResourceType::stack, given);
  if (!name) {
    bad.add("stack", name.error().message, cure);
    return {};
  }
  const std::string digest = slug_digest(from.repository, from.branch);
  if (name->environment != "preview") {
    bad.add("stack", fmt::format("{} is no name of a preview's stack", shown(given)), cure);
  } else if (!from.branch.empty() && !name->slug.ends_with("-" + digest)) {
    bad.add("stack",
            fmt::format("{} is no preview of branch {} of {}", shown(given), shown(from.branch),
                        visible(from.repository)),
            fmt::format("It must end in -{}: give the branch it is of as branch, or leave stack "
                        "out and give customer and project.",
                        digest));
  }
  return *std::move(name);
}

// What it is called when nobody says so.
ResourceName make_stack(const Inputs& inputs, const Provenance& from, const std::string& hostname,
                        BadInputs& bad) {
  ResourceName name{inputs.text("customer"), inputs.text("project"), "preview"};
  for (const auto& [input, value] :
       {std::pair{"customer", &name.customer}, std::pair{"project", &name.project}}) {
    const auto good = check_segment(*value);
    if (good) continue;
    bad.add(input, value->empty() ? "is missing, and so is stack" : good.error().message,
            value->empty() ? "Give both customer and project, or stack, for the stack's name."
                           : good.error().hint);
  }
  if (from.branch.empty() || !bad.empty()) return name;
  const HostnameParts parts{name.customer, name.project, {}, inputs.text("domain")};
  const std::size_t room =
      std::min(stack_slug_room({name.customer, name.project}), slug_room(hostname, parts));
  auto slug = make_slug(from.repository, from.branch, room);
  if (slug) {
    name.slug = *std::move(slug);
  } else {
    bad.add("project", slug.error().message, "Shorten customer, project or the hostname.");
  }
  return name;
}

std::string read_hostname(const Inputs& inputs, const ResourceName& name, BadInputs& bad) {
  const std::string& given = inputs.text("hostname");
  const std::string& domain = inputs.text("domain");
  if (given.empty() && domain.empty()) return {};
  const std::string text = given.empty() ? usual_hostname : given;
  const bool is_filled = text.find('{') == std::string::npos;
  const auto good = is_filled ? check_hostname(text) : check_hostname_template(text, true);
  if (!good) {
    bad.add("hostname", good.error());
    return {};
  }
  if (is_filled && text.find(name.slug) == std::string::npos) {
    bad.add("hostname", fmt::format("{} is the same for all previews", shown(text)),
            "Write it as {project}-{slug}.example.com.");
    return {};
  }
  std::string hostname =
      fill_hostname(text, HostnameParts{name.customer, name.project, name.slug, domain});
  if (hostname.empty()) {
    bad.add("domain", fmt::format("is missing for the hostname {}", shown(text)),
            "Give domain, or write it into hostname.");
  } else if (const auto whole = check_hostname(hostname); !whole) {
    bad.add(given.empty() ? "domain" : "hostname", whole.error());
  }
  return hostname;
}

void read_route(const Inputs& inputs, PreviewInputs& read, BadInputs& bad) {
  read.route.service = inputs.text("route-service");
  read.route.port = inputs.has("route-port") ? inputs.integer("route-port") : 0;
  read.route.labels = inputs.has("route-labels") ? inputs.list("route-labels") : traefik_labels();
  read.has_route = inputs.text("route") != "none";
  for (const char* name : {"route-service", "route-port", "route-labels"}) {
    if (!inputs.has(name)) continue;
    read.is_route_asked_for = true;
    if (!read.has_route) {
      bad.add(name, "is given, but route is none", "Leave one of them out.");
    } else if (read.plan.hostname.empty() && !bad.names("hostname") && !bad.names("domain")) {
      bad.add(name, "is given, but there is no hostname", "Give domain, or hostname.");
    }
  }
}

}  // namespace

std::vector<Option> preview_options() {
  const std::string group = "Preview";
  return {
      {.name = "stack",
       .help =
           "The preview's stack, as deploy-policy says it: {customer}-{project}-preview-{slug}; "
           "default: made of customer, project and branch. A name in the files is not used",
       .placeholder = "NAME",
       .group = group},
      {.name = "customer",
       .help = "First part of the stack's name where stack is not given",
       .placeholder = "NAME",
       .group = group},
      {.name = "project",
       .help = "Second part of the stack's name where stack is not given",
       .placeholder = "NAME",
       .group = group},
      preview_branch_option(group),
      preview_ttl_option(group),
      {.name = "preview-cap",
       .type = OptionType::integer,
       .default_value = "10",
       .help = "How many previews GITHUB_REPOSITORY may have in the swarm: one more is refused, "
               "those that are there are still deployed to",
       .least = 1,
       .most = 1000,
       .group = group},
      {.name = "domain",
       .help = "Where previews have their hostnames; without it and hostname they have none",
       .placeholder = "DOMAIN",
       .group = group},
      {.name = "hostname",
       .help = "The preview's hostname, as deploy-policy says it, or with {slug}, {project}, "
               "{customer} and {domain} in place of what changes; default: "
               "{project}-{slug}.{domain}",
       .placeholder = "HOSTNAME",
       .group = group},
      {.name = "route",
       .type = OptionType::choice,
       .default_value = "traefik",
       .help = "Which proxy is led to the hostname by labels of a service; labels of the files "
               "that name ${PREVIEW_HOSTNAME} do it, too, and then none are added",
       .choices = {"traefik", "none"},
       .group = group},
      {.name = "route-service",
       .help = "The service that answers at the hostname; default: the only one",
       .placeholder = "SERVICE",
       .group = group},
      {.name = "route-port",
       .type = OptionType::integer,
       .help = "The port that it listens on",
       .least = 1,
       .most = 65535,
       .group = group},
      {.name = "route-labels",
       .type = OptionType::list,
       .help = "Labels for it in place of Traefik's usual ones, one a line, with {stack}, {slug}, "
               "{hostname}, {service} and {port} in place of what changes; a line with {port} is "
               "left out where there is no route-port",
       .placeholder = "NAME=VALUE",
       .group = group},
  };
}

PreviewInputs read_preview_inputs(const Inputs& inputs, Provenance& from, BadInputs& bad) {
  PreviewInputs read;
  if (inputs.has("branch")) from.branch = inputs.text("branch");
  if (from.branch.empty() || from.repository.empty()) {
    bad.add("branch", "nothing says whose preview it is",
            "Give branch, and the repository in GITHUB_REPOSITORY.");
  }
  const std::string& given = inputs.text("hostname");
  const ResourceName name =
      inputs.has("stack") ? read_stack(inputs, from, bad)
                          : make_stack(inputs, from, given.empty() ? usual_hostname : given, bad);
  read.plan.preview = {.slug = name.slug,
                       .repository = from.repository,
                       .branch = from.branch,
                       .commit = from.commit,
                       .stack = name.text()};
  read.plan.lifetime = read_preview_ttl(inputs, bad);
  read.plan.cap = static_cast<std::size_t>(inputs.integer("preview-cap"));
  if (!name.slug.empty()) read.plan.hostname = read_hostname(inputs, name, bad);
  read_route(inputs, read, bad);
  read.variables = {{"PREVIEW_STACK", name.text()},
                    {"PREVIEW_SLUG", name.slug},
                    {"PREVIEW_BRANCH", from.branch},
                    {"PREVIEW_HOSTNAME", read.plan.hostname}};
  if (read.plan.hostname.empty()) read.variables.erase("PREVIEW_HOSTNAME");
  return read;
}

void make_preview(StackSpec& stack, const PreviewInputs& preview, BadInputs& bad) {
  for (const std::string& problem : shared_things(stack, preview.plan)) bad.add("files", problem);
  if (preview.has_route) {
    add_route(stack, preview.plan, preview.route, preview.is_route_asked_for, bad);
  }
  label_stack(stack, preview.plan.preview);
}

}  // namespace pca::swarm_deploy
