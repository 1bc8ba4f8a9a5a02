#include "proxmox-deploy/preview_name.hpp"

#include "base/slug.hpp"
#include "deploy/preview.hpp"
#include "deploy/provenance.hpp"
#include "deploy/resource_name.hpp"
#include "proxmox-deploy/guest_spec.hpp"

namespace pca::proxmox_deploy {

std::vector<Option> preview_options() {
  const std::string group = "Preview";
  return {{.name = "customer",
           .help = "First part of the guests' name",
           .placeholder = "NAME",
           .required = true,
           .group = group},
          {.name = "project",
           .help = "Second part of it",
           .placeholder = "NAME",
           .required = true,
           .group = group},
          {.name = "component",
           .help = "What the guests are of it",
           .placeholder = "NAME",
           .required = true,
           .group = group},
          preview_branch_option(group)};
}

std::string read_preview_name(ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  const Provenance from = read_provenance(context);
  const std::string branch = inputs.has("branch") ? inputs.text("branch") : from.branch;
  ResourceName name{inputs.text("customer"), inputs.text("project"), "preview",
                    inputs.text("component")};
  for (const auto& [input, value] :
       {std::pair{"customer", &name.customer}, std::pair{"project", &name.project},
        std::pair{"component", &name.component}}) {
    if (value->empty()) continue;  // it is required, and told so
    if (const auto good = check_segment(*value); !good) bad.add(input, good.error());
  }
  if (branch.empty() || from.repository.empty()) {
    bad.add("branch", "nothing says whose preview it is",
            "Give branch, and the repository in GITHUB_REPOSITORY.");
    return {};
  }
  require_own_branch(context, from.repository, branch, bad);
  const std::size_t taken = name.text().size() + 1;
  auto slug = make_slug(from.repository, branch, taken < longest_app ? longest_app - taken : 0);
  if (!slug) {
    bad.add("project", slug.error().message, "Shorten customer, project or component.");
    return {};
  }
  name.slug = *std::move(slug);
  return name.text();
}

}  // namespace pca::proxmox_deploy
