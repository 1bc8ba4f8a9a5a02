#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deploy/preview.hpp"
#include "swarm-deploy/stack_spec.hpp"
#include "swarm-deploy/swarm_state.hpp"

namespace pca::swarm_deploy {

// A branch's stack of its own. What never changes of whose it is stands in the labels of all that
// it is made of: branch, repository and slug. What each deploy changes, its commit and when it
// expires, stands in the labels of one config beside it ("STACK.preview"), so that a deploy of the
// same code writes no service: a service that is written forgets what it could be rolled back to.
// That record is there first, and holds the preview's place under the cap; it goes last, once no
// volume is left.

struct PreviewPlan {
  Preview preview;  // as it is when the release is well, but for its times
  Milliseconds lifetime = {};
  std::size_t cap = 0;        // how many the repository may have in the swarm
  std::string hostname = {};  // empty = none
};

// Puts the labels on services, networks, secrets, configs, and volumes of the stack's own.
void label_stack(StackSpec& stack, const Preview& preview);

// How a proxy learns of the preview's hostname.
struct RouteRules {
  std::string service = {};              // its key in the files; empty = the only one
  std::int64_t port = 0;                 // in its container; 0 = not known
  std::vector<std::string> labels = {};  // "name=value", see fill_label()
};
// What Traefik wants to know.
[[nodiscard]] const std::vector<std::string>& traefik_labels();
// Puts the labels on the service. Nothing to do where labels of the files name the hostname
// themselves, unless `is_asked_for`.
void add_route(StackSpec& stack, const PreviewPlan& plan, const RouteRules& rules,
               bool is_asked_for, BadInputs& bad);

using LabelValues = std::vector<std::pair<std::string_view, std::string>>;
// `text` with the values in place of {name}. bad_input for {another}; braces with anything but
// small letters in them are left alone.
[[nodiscard]] Result<std::string> fill_label(std::string_view text, const LabelValues& values);

// What a preview would share with other stacks because the files give it a name of its own, or take
// from them: each an entry, for people.
[[nodiscard]] std::vector<std::string> shared_things(const StackSpec& stack,
                                                     const PreviewPlan& plan);

// What the labels of a record say, and what they are made of.
[[nodiscard]] std::optional<Preview> preview_of_record(const Json& record);
[[nodiscard]] Json record_of(const Preview& preview);
// What objects of a swarm or their specs say of whose preview they are; of a record all of it.
// Hostile: nothing for what is no preview's.
[[nodiscard]] std::optional<Preview> preview_in(const Json& labelled);
// Whether a stack of this name can be that preview.
[[nodiscard]] bool is_stack_of(std::string_view stack, const Preview& preview);
// All of a swarm, by the records and the services that have our labels. Hostile.
[[nodiscard]] std::vector<Preview> parse_previews(const Json& configs, const Json& services);

// conflict when the stack is a branch's preview, by its record or by the labels of a service: what
// deploys other stacks leaves it alone.
[[nodiscard]] Result<> check_no_preview(const std::string& stack, const SwarmState& state);
// conflict when the stack is there as another branch's preview, or as none.
[[nodiscard]] Result<> check_owner(const std::string& stack, const Preview& ours,
                                   const SwarmState& state);
// failed when a new preview would be one too many. Of those that hold a place and were never
// healthy only the earlier ones count once it holds one itself, so of several at once as many go on
// as the cap allows.
[[nodiscard]] Result<> check_cap(const PreviewPlan& plan, const std::vector<Preview>& there);

}  // namespace pca::swarm_deploy
