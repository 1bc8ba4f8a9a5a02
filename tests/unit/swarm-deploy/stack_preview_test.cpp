#include "swarm-deploy/stack_preview.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/slug.hpp"
#include "base/text.hpp"

namespace pca::swarm_deploy {
namespace {

const std::string slug = *make_slug("acme/shop", "feature/x");
const std::string stack_name = "acme-shop-preview-" + slug;

PreviewPlan plan_of(const std::string& hostname = "shop-" + slug + ".example.com") {
  return {.preview = {.slug = slug,
                      .repository = "acme/shop",
                      .branch = "feature/x",
                      .commit = "abc",
                      .stack = stack_name},
          .cap = 2,
          .hostname = hostname};
}

StackSpec stack_with(std::vector<std::string> services, const Json& labels = Json::object()) {
  StackSpec stack;
  stack.name = stack_name;
  for (const std::string& key : services) {
    Json spec = Json::object();
    spec.set("Name", stack_name + "_" + key).set("Labels", labels);
    stack.services.push_back(
        {.name = stack_name + "_" + key, .key = key, .image = "app", .spec = spec, .after = {}});
  }
  return stack;
}

// What the last service is labelled with, or the mistakes.
std::string route(StackSpec stack, const RouteRules& rules, const PreviewPlan& plan = plan_of(),
                  bool is_asked_for = false) {
  BadInputs bad;
  add_route(stack, plan, rules, is_asked_for, bad);
  std::string text;
  for (const BadInput& item : bad.items()) text += item.text() + "\n";
  return text.empty() ? stack.services.back().spec.find("Labels")->dump() : text;
}

TEST(StackPreview, LabelsOfTraefikLeadToTheOnlyService) {
  const std::string hostname = "shop-" + slug + ".example.com";
  const std::string rule =
      "\"traefik.http.routers." + stack_name + ".rule\":\"Host(`" + hostname + "`)\"";
  EXPECT_EQ(route(stack_with({"web"}), {.labels = traefik_labels()}),
            "{\"traefik.enable\":\"true\"," + rule + "}")
      << "the port is not known";
  EXPECT_EQ(route(stack_with({"web"}), {.port = 80, .labels = traefik_labels()}),
            "{\"traefik.enable\":\"true\"," + rule + ",\"traefik.http.services." + stack_name +
                ".loadbalancer.server.port\":\"80\"}");
  EXPECT_EQ(route(stack_with({"web"}), {.labels = traefik_labels()}, plan_of("")), "{}");
}

TEST(StackPreview, OfSeveralServicesOneIsNamed) {
  const std::vector<std::string> labels{"to={service}"};
  EXPECT_NE(route(stack_with({"api", "web"}), {.labels = labels})
                .find("route-service: is missing, and the files have several services: api, web"),
            std::string::npos);
  EXPECT_EQ(route(stack_with({"api", "web"}), {.service = "web", .labels = labels}),
            "{\"to\":\"web\"}");
  EXPECT_NE(route(stack_with({"api", "web"}), {.service = "webb", .labels = labels})
                .find("the files have no service \"webb\". Did you mean web?"),
            std::string::npos);
}

TEST(StackPreview, FilesThatNameTheHostnameNeedNothingMore) {
  const Json labels = Json::object().set("rule", "Host(`" + plan_of().hostname + "`)");
  const std::vector<std::string> more{"a=b"};
  EXPECT_EQ(route(stack_with({"api", "web"}, labels), {.labels = more}), labels.dump());
  EXPECT_NE(route(stack_with({"web"}, labels), {.labels = more}, plan_of(), true), labels.dump());
}

TEST(StackPreview, LabelsThatAreNoneAreToldTogether) {
  const std::string text =
      route(stack_with({"web"}), {.labels = {"no value", "=x", "a={host}", "{b}=c"}});
  for (const char* part : {"\"no value\" does not begin", "\"=x\" does not begin",
                           "\"a={host}\": there is no {host}. Write one of: {stack}, {slug}",
                           "\"{b}=c\": there is no {b}"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(StackPreview, OtherBracesAreLeftAlone) {
  const LabelValues values{{"slug", "x"}};
  const auto filled = [&](const char* text) { return fill_label(text, values).value_or("bad"); };
  EXPECT_EQ(filled("HostRegexp(`{sub:[a-z]+}.{slug}`)"), "HostRegexp(`{sub:[a-z]+}.x`)");
  EXPECT_EQ(filled("{}{slug"), "{}{slug");
  EXPECT_EQ(filled("{{slug}}"), "{x}");
  EXPECT_EQ(filled("{slugs}"), "bad");
  EXPECT_EQ(filled(""), "");
}

std::string shared(const StackSpec& stack) { return join(shared_things(stack, plan_of()), "\n"); }

TEST(StackPreview, WhatHasANameOfItsOwnIsShared) {
  StackSpec stack = stack_with({"web"});
  stack.networks = {{stack_name + "_front", {}}, {"shop_front", {}}, {"front-" + slug, {}}};
  stack.secrets = {{"password", {}}};
  stack.configs = {{stack_name + "_c_0123456789ab", {}}};
  const Json mounts = *parse_json(
      R"([{"Type":"volume","Source":"shop_data","VolumeOptions":{"Labels":{}}},)"
      R"({"Type":"volume","Source":"external","VolumeOptions":{}},{"Type":"bind","Source":"/x"},)"
      R"({"Type":"volume","VolumeOptions":{"Labels":{}}}])");
  stack.services[0].spec.set(
      "TaskTemplate", Json::object().set("ContainerSpec", Json::object().set("Mounts", mounts)));
  const auto found = shared_things(stack, plan_of());
  ASSERT_EQ(found.size(), 3U) << join(found, "\n");
  EXPECT_TRUE(found[0].starts_with("the network \"shop_front\" has a name of its own"));
  EXPECT_TRUE(found[1].starts_with("the secret \"password\""));
  EXPECT_TRUE(found[2].starts_with("the volume \"shop_data\""));
}

TEST(StackPreview, RoutesOfOtherStacksAreNotTaken) {
  const auto with = [](const std::string& key, const std::string& value) {
    return shared(stack_with({"web"}, Json::object().set(key, value)));
  };
  EXPECT_NE(with("traefik.http.routers.web.rule", "Host(`shop.example.com`)")
                .find("services.web.deploy.labels.traefik.http.routers.web.rule: Traefik knows the "
                      "name \"web\" from all stacks"),
            std::string::npos);
  EXPECT_NE(with("traefik.HTTP.services.web.loadbalancer.server.port", "80"), "");
  EXPECT_NE(with("traefik.tcp.middlewares.limit.inflightconn.amount", "10"), "");
  EXPECT_NE(with("traefik.http.routers." + slug + ".rule", "Host(`shop.example.com`)")
                .find("takes what is another stack's"),
            std::string::npos);
  EXPECT_EQ(
      with("traefik.http.routers." + stack_name + ".rule", "Host(`" + plan_of().hostname + "`)"),
      "");
  EXPECT_EQ(with("traefik.http.routers." + stack_name + ".middlewares", "auth@file"), "");
  EXPECT_EQ(with("traefik.docker.network", "public"), "");
  EXPECT_EQ(with("traefik.enable", "true"), "");
}

TEST(StackPreview, LabelsNeverChangeFromDeployToDeploy) {
  StackSpec one = stack_with({"web"});
  StackSpec two = one;
  label_stack(one, plan_of().preview);
  Preview later = plan_of().preview;
  later.commit = "def";
  later.expires = "2126-01-01T00:00:00Z";
  label_stack(two, later);
  EXPECT_EQ(one.services[0].spec.dump(), two.services[0].spec.dump());
  const auto preview = preview_in(one.services[0].spec);
  ASSERT_TRUE(preview);
  EXPECT_TRUE(preview->is_of("acme/shop", "feature/x"));
}

Json record(const Preview& preview, const std::string& stack) {
  Json label = label_of(preview);
  label.set("deployed", preview.deployed);
  return Json::object().set("ID", "c").set("Spec",
                                           record_config(stack, "preview", "preview", label));
}

TEST(StackPreview, AllAreFoundOnceFromTheOldest) {
  Preview x = plan_of().preview;
  x.deployed = "2026-01-02T00:00:00Z";
  Preview y{.slug = *make_slug("acme/shop", "y"),
            .repository = "acme/shop",
            .branch = "y",
            .deployed = "2026-01-01T00:00:00Z"};
  Json configs = Json::array();
  configs.push(record(x, stack_name)).push(record(y, "acme-shop-preview-" + y.slug));
  configs.push(record(y, "acme-shop-prod"));  // a stack that cannot be its
  configs.push(Json("no config")).push(Json::object());
  StackSpec only_services = stack_with({"web"});
  label_stack(only_services, x);
  Json spec = only_services.services[0].spec;
  Json labels = *spec.find("Labels");
  spec.set("Labels", labels.set(stack_label, stack_name));
  Json services = Json::array();
  services.push(Json::object().set("ID", "s").set("Spec", spec));
  spec.set("Labels", labels.set(stack_label, "acme-other-preview-" + slug)).set("Name", "other");
  services.push(Json::object().set("ID", "t").set("Spec", spec));
  const auto all = parse_previews(configs, services);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].stack, "acme-other-preview-" + slug) << "nobody knows when it was deployed";
  EXPECT_EQ(all[1].branch, "y");
  EXPECT_EQ(all[2].stack, stack_name);
  EXPECT_TRUE(parse_previews(Json("x"), Json()).empty());
}

TEST(StackPreview, TheCapCountsThoseOfTheRepository) {
  const auto is_refused = [](const std::vector<Preview>& there) {
    return !check_cap(plan_of(), there);
  };
  const Preview a{.repository = "acme/shop", .branch = "a", .stack = "a"};
  const Preview theirs{.repository = "acme/other", .branch = "b", .stack = "b"};
  Preview ours = plan_of().preview;
  EXPECT_FALSE(is_refused({a, theirs}));
  EXPECT_TRUE(is_refused({a, a, theirs}));
  EXPECT_FALSE(is_refused({a, a, ours})) << "it is there already";
  ours.stack = "acme-api-preview-" + slug;
  EXPECT_TRUE(is_refused({a, ours})) << "of another project";
}

// Several first deploys at once, in all orders: each writes its record, then reads all, and takes
// it back when it was refused.
class Claims {
 public:
  Claims(std::size_t cap, std::size_t count) : cap_(cap), steps_(count), orders_(0) {}

  std::size_t run() {
    go({}, 0, 0);
    return orders_;
  }

 private:
  void go(std::vector<Preview> there, std::int64_t version, std::size_t admitted) {
    bool is_over = true;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const int step = steps_[i];
      if (step == 2) continue;
      is_over = false;
      const std::string branch = std::to_string(i);
      auto then = there;
      PreviewPlan plan = plan_of();
      plan.cap = cap_;
      plan.preview = {.repository = "acme/shop", .branch = branch, .stack = branch};
      std::size_t more = 0;
      ++steps_[i];
      if (step == 0) {
        then.push_back(plan.preview);
        then.back().is_claim = true;
        then.back().version = version + 1;
      } else if (check_cap(plan, there)) {
        more = 1;  // and is healthy a moment later
        for (Preview& one : then) {
          if (one.stack != branch) continue;
          one.is_claim = false;
          one.version = version + 1;
        }
      } else {
        std::erase_if(then, [&](const Preview& one) { return one.stack == branch; });
      }
      go(std::move(then), version + 1, admitted + more);
      steps_[i] = step;
    }
    if (!is_over) return;
    ++orders_;
    EXPECT_LE(admitted, cap_);
    EXPECT_GE(admitted, 1U) << "the first one is never refused";
    EXPECT_EQ(admitted, there.size());
  }

  const std::size_t cap_;
  std::vector<int> steps_;
  std::size_t orders_;
};

TEST(StackPreview, TheCapIsNeverExceededInWhateverOrderTheyCome) {
  EXPECT_EQ(Claims(1, 2).run(), 6U);
  for (const std::size_t cap : {1U, 2U, 3U}) EXPECT_EQ(Claims(cap, 4).run(), 2520U) << cap;
}

TEST(StackPreview, WhatIsGoneButForVolumesHoldsNoPlace) {
  Preview gone{.repository = "acme/shop", .branch = "a", .stack = "a"};
  gone.is_gone = true;
  const Preview b{.repository = "acme/shop", .branch = "b", .stack = "b"};
  Preview ours = plan_of().preview;
  ours.is_gone = true;
  EXPECT_TRUE(check_cap(plan_of(), {gone, gone, b}));
  EXPECT_TRUE(check_cap(plan_of(), {gone, b, ours}));
  EXPECT_FALSE(check_cap(plan_of(), {b, b, ours})) << "it has its own no more";
}

TEST(StackPreview, ARecordComesBack) {
  Preview preview = plan_of().preview;
  preview.deployed = "2026-01-02T00:00:00Z";
  preview.is_gone = true;
  preview.volume_nodes = {"n1", "n2"};
  const Json config =
      Json::object()
          .set("ID", "c")
          .set("Version", Json::object().set("Index", 7))
          .set("Spec", record_config(stack_name, "preview", "preview", record_of(preview)));
  const auto all = parse_previews(Json::array().push(config), Json());
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(all[0].is_gone);
  EXPECT_FALSE(all[0].is_claim);
  EXPECT_EQ(all[0].version, 7);
  EXPECT_EQ(all[0].volume_nodes, preview.volume_nodes);
  EXPECT_EQ(all[0].deployed, preview.deployed);
  // Where a service is, it is not gone.
  StackSpec stack = stack_with({"web"});
  label_stack(stack, preview);
  Json spec = stack.services[0].spec;
  Json labels = *spec.find("Labels");
  spec.set("Labels", labels.set(stack_label, stack_name));
  const Json services = Json::array().push(Json::object().set("ID", "s").set("Spec", spec));
  const auto live = parse_previews(Json::array().push(config), services);
  ASSERT_EQ(live.size(), 1U);
  EXPECT_FALSE(live[0].is_gone);
  preview.is_gone = false;
  preview.is_claim = true;
  EXPECT_TRUE(preview_of_record(record_of(preview))->is_claim);
}

}  // namespace
}  // namespace pca::swarm_deploy
