#include "swarm-deploy/object_removal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/text.hpp"
#include "swarm-deploy/swarm_state.hpp"
#include "swarm-deploy/swarm_watch.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds answer_limit{30'000};
constexpr Milliseconds pause_between{300};

// Tasks that stop still use it, or the Engine is busy with something else. A service that uses it
// is another stack's, and does so for longer than we wait.
bool may_pass(const Result<EngineAnswer>& answer) {
  const auto says = [&](std::string_view text) {
    return answer->body.find(text) != std::string::npos;
  };
  if (!answer) return answer.error().kind == ErrorKind::unreachable;
  return answer->status == 503 ||
         (says("in use") && !says("in use by service") && !says("in use by the following service"));
}

bool has_any(const Json& list, const std::vector<NamedObject>& objects) {
  if (list.as_array() == nullptr) return false;
  return std::any_of(list.as_array()->begin(), list.as_array()->end(), [&](const Json& one) {
    return std::any_of(objects.begin(), objects.end(),
                       [&](const NamedObject& object) { return one.text_of("Id") == object.id; });
  });
}

EngineRequest removal_of(const NamedObject& object) {
  return {.method = "DELETE",
          .path = fmt::format("/{}/{}", object.kind, percent_encoded(object.id))};
}

}  // namespace

std::set<std::string> used_by(const Json& spec) {
  std::set<std::string> used;
  for (const std::string& target : targets_of(spec)) used.insert(target);
  for (const std::string_view kind : {"Secret", "Config"}) {
    const std::string list = fmt::format("{}s", kind);
    for (const Json& reference : list_at(spec, {"TaskTemplate", "ContainerSpec", list})) {
      used.insert(reference.text_of(fmt::format("{}ID", kind)));
      used.insert(reference.text_of(fmt::format("{}Name", kind)));
    }
  }
  const Json* credential =
      member(spec, {"TaskTemplate", "ContainerSpec", "Privileges", "CredentialSpec"});
  if (credential != nullptr) used.insert(credential->text_of("Config"));
  used.erase("");
  return used;
}

Error joined(std::vector<Error> errors) {
  Error all = std::move(errors.front());
  for (std::size_t i = 1; i < errors.size(); ++i) {
    if (errors[i].message != all.message) all.message += "; " + errors[i].message;
  }
  return all;
}

Result<> remove_objects(const Budget& budget, Engine& engine, std::vector<NamedObject> objects) {
  std::vector<Error> errors;  // of those that stay whatever we do
  while (!objects.empty()) {
    std::vector<EngineRequest> requests;
    for (const NamedObject& object : objects) requests.push_back(removal_of(object));
    const auto answers = engine.ask_all(budget.at_most(answer_limit), requests);
    std::vector<NamedObject> left;
    std::vector<Error> last;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (answers[i] && (answers[i]->is_good() || answers[i]->status == 404)) continue;
      Error error = answers[i] ? engine_error(requests[i], *answers[i]) : answers[i].error();
      error.message =
          fmt::format("{} could not be removed: {}", visible(objects[i].name), error.message);
      if (may_pass(answers[i])) {
        left.push_back(std::move(objects[i]));
        last.push_back(std::move(error));
      } else {
        errors.push_back(std::move(error));
      }
    }
    objects = std::move(left);
    if (!objects.empty() && (budget.is_over() || !wait_a_moment(budget, pause_between))) {
      std::move(last.begin(), last.end(), std::back_inserter(errors));
      break;
    }
  }
  if (!errors.empty()) return joined(std::move(errors));
  return {};
}

Result<> wait_for_networks(const Budget& budget, Engine& engine,
                           const std::vector<NamedObject>& objects) {
  std::vector<std::pair<std::string, std::string>> ids;
  for (const NamedObject& object : objects) {
    if (object.kind == "networks" && !object.id.empty()) ids.emplace_back("id", object.id);
  }
  if (ids.empty()) return {};
  const std::string path = "/networks?" + engine_filter(ids);
  while (true) {
    const auto list = engine.json(budget.at_most(answer_limit), {.path = path});
    const bool may_pass =
        list || list.error().kind == ErrorKind::unreachable || list.error().transient;
    if (!may_pass) return list.error();
    if (list && !has_any(*list, objects)) return {};
    PCA_CHECK(budget.check("waiting for networks to end"));
    PCA_CHECK(wait_a_moment(budget, pause_between));
  }
}

}  // namespace pca::swarm_deploy
