#include "swarm-deploy/swarm_previews.hpp"

#include "base/utc_time.hpp"
#include "swarm-deploy/stack_preview.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds answer_limit{30'000};

EngineRequest with_label(const std::string& path, const std::string& label) {
  const std::vector<std::pair<std::string, std::string>> terms{{"label", label}};
  return {.path = path + "?" + engine_filter(terms)};
}

}  // namespace

Result<Previews> read_previews(const Budget& budget, Engine& engine, Milliseconds age) {
  const std::vector<EngineRequest> requests{with_label("/configs", own_label("kind") + "=preview"),
                                            with_label("/services", own_label("preview")),
                                            {.path = "/info"}};
  auto answers = engine.json_all(budget.at_most(answer_limit), requests);
  for (auto& answer : answers) {
    if (!answer) return std::move(answer).error().within("reading the previews");
  }
  const UtcTime now = parse_utc(answers[2]->text_of("SystemTime")).value_or(utc_now());
  const auto in_seconds = [](UtcTime time) {
    return utc_text(std::chrono::floor<std::chrono::seconds>(time));
  };
  return Previews{in_seconds(now), in_seconds(now - age), parse_previews(*answers[0], *answers[1])};
}

}  // namespace pca::swarm_deploy
