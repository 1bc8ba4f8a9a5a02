#include "deploy/resource_name.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/slug.hpp"
#include "deploy/hostname.hpp"

namespace pca::deploy_policy {
namespace {

std::string problem_of(ResourceType type, const std::string& name, const NameRules& rules = {}) {
  const auto parsed = parse_name(type, name, rules);
  if (parsed) return parsed->text() == name ? "none" : "becomes " + parsed->text();
  EXPECT_FALSE(parsed.error().hint.empty()) << name;
  return parsed.error().message;
}

TEST(ResourceName, TakesTheNamesOfTheStrategy) {
  const std::pair<ResourceType, const char*> names[] = {
      {ResourceType::worker, "allermedia-cuttingroom-prod-api"},
      {ResourceType::worker, "allermedia-cuttingroom-staging-api"},
      {ResourceType::pages, "allermedia-cuttingroom-prod-ui"},
      {ResourceType::d1, "allermedia-cuttingroom-prod-db"},
      {ResourceType::r2, "allermedia-cuttingroom-prod-assets"},
      {ResourceType::kv, "allermedia-cuttingroom-prod-cache"},
      {ResourceType::stack, "allermedia-cuttingroom-dev"},
      {ResourceType::stack, "allermedia-cuttingroom-dev-api"},
      {ResourceType::stack, "allermedia-cuttingroom-preview-feature-x-0123abcd"},
      {ResourceType::vm, "allermedia-cuttingroom-prod-api"},
      {ResourceType::vm, "allermedia-cuttingroom-preview-api-feature-x-0123abcd"},
  };
  for (const auto& [type, name] : names) EXPECT_EQ(problem_of(type, name), "none") << name;
}

TEST(ResourceName, SaysWhichPartIsWrong) {
  const auto worker = [](const std::string& name) {
    return problem_of(ResourceType::worker, name);
  };
  EXPECT_EQ(worker(""), "\"\" is empty");
  EXPECT_EQ(worker("api"), "\"api\" has 1 of the 4 segments");
  EXPECT_EQ(worker("acme-shop-prod"), "\"acme-shop-prod\" has 3 of the 4 segments");
  EXPECT_EQ(worker("acme-shop-prod-api-v2"),
            "\"acme-shop-prod-api-v2\" has 5 segments, more than the 4; no segment holds a \"-\"");
  EXPECT_EQ(worker("acme-shop-production-api"), "\"production\" is no environment");
  EXPECT_EQ(worker("Acme-shop-prod-api"), "the customer \"Acme\" is no segment of a name");
  EXPECT_EQ(worker("acme-9shop-prod-api"), "the project \"9shop\" is no segment of a name");
  EXPECT_EQ(worker("acme-shop-prod-"), "\"acme-shop-prod-\" has an empty segment");
  EXPECT_EQ(worker("acme-shop-preview-api"), "a Worker has no environment preview");
  EXPECT_EQ(problem_of(ResourceType::stack, "acme-shop-preview"),
            "the slug of the preview is missing");
  EXPECT_EQ(problem_of(ResourceType::stack, "acme-shop-preview-feature-x"),
            "\"feature-x\" is no slug of a branch");
}

TEST(ResourceName, KeepsTheLimitOfEachType) {
  const std::pair<ResourceType, std::size_t> limits[] = {
      {ResourceType::worker, 63}, {ResourceType::pages, 58}, {ResourceType::d1, 63},
      {ResourceType::r2, 63},     {ResourceType::kv, 63},    {ResourceType::queue, 63},
      {ResourceType::vm, 63},     {ResourceType::stack, 53},
  };
  ASSERT_EQ(std::size(limits), resource_table().size());
  for (const auto& [type, most] : limits) {
    const std::string start = "acme-shop-prod-";
    const std::string longest = start + std::string(most - start.size(), 'x');
    EXPECT_EQ(problem_of(type, longest), "none") << most;
    EXPECT_EQ(problem_of(type, longest + "x").substr(0, 25),
              "it has " + std::to_string(most + 1) + " characters, and");
  }
  EXPECT_EQ(resource_row(ResourceType::r2).least, 3U);
}

// A stack, "_" and the longest name of a service are 63 at most.
TEST(ResourceName, LeavesRoomBehindAStackForItsServices) {
  const auto stack = [](std::size_t size) {
    return "acme-" + std::string(size - 10, 'x') + "-prod";
  };
  const NameRules rules{.components = {"web", "api4"}};
  EXPECT_EQ(problem_of(ResourceType::stack, stack(58), rules), "none");
  EXPECT_EQ(problem_of(ResourceType::stack, stack(59), rules),
            "it has 59 characters, and a stack has 1 to 58, as \"_\" and a service's name of 4 "
            "stand behind it");
  EXPECT_EQ(problem_of(ResourceType::stack, stack(53)), "none");
  EXPECT_NE(problem_of(ResourceType::stack, stack(54)), "none");
  // Whose services nobody has looked at yet.
  EXPECT_TRUE(parse_name(ResourceType::stack, stack(61)));
  EXPECT_FALSE(parse_name(ResourceType::stack, stack(62)));
}

TEST(ResourceName, KeepsThePolicysParts) {
  const NameRules rules{"acme", "shop", {"api", "web"}};
  EXPECT_EQ(problem_of(ResourceType::worker, "acme-shop-prod-api", rules), "none");
  EXPECT_EQ(problem_of(ResourceType::worker, "other-shop-prod-api", rules),
            "the customer \"other\" is not acme, which the policy names");
  EXPECT_EQ(problem_of(ResourceType::worker, "acme-shop-prod-db", rules),
            "the component \"db\" is none of the policy's");
}

TEST(ResourceName, TellsTheRoomBehindAName) {
  EXPECT_EQ(room_behind(ResourceType::worker, "allermedia-cuttingroom-prod-api"), 31U);
  EXPECT_EQ(room_behind(ResourceType::worker, "allermedia-cuttingroom-staging-api"), 28U);
  EXPECT_EQ(room_behind(ResourceType::worker, "remoteproduction-cuttingroom-staging-assets"), 19U);
  EXPECT_EQ(room_behind(ResourceType::d1, "acme-shop-prod-db"), 46U);
  EXPECT_EQ(stack_slug_room({"acme", "shop", {}}), 63U - 1 - 9 - 18);
  EXPECT_EQ(stack_slug_room({"acme", "shop", {"web", "scheduler"}}), 63U - 1 - 9 - 18);
}

// What is built of any good parts is read again as the same parts.
TEST(ResourceName, IsReadAsItWasBuilt) {
  std::mt19937 random(3);  // NOLINT
  const auto segment = [&] {
    std::string text(1, static_cast<char>('a' + random() % 26));
    for (std::size_t i = random() % 8; i > 0; --i) text += "a0z9"[random() % 4];
    return text;
  };
  for (int i = 0; i < 5000; ++i) {
    const ResourceRow& row = resource_table()[random() % resource_table().size()];
    ResourceName name{segment(), segment(), "prod", segment(), {}};
    if (!row.is_edge && random() % 2 == 0) {
      name.environment = "preview";
      if (row.type == ResourceType::stack) name.component.clear();
      name.slug = *make_slug("a/b", segment() + "/" + segment(), 20);
    }
    if (!check_name(row.type, name)) continue;
    const auto parsed = parse_name(row.type, name.text());
    ASSERT_TRUE(parsed) << name.text() << ": " << parsed.error().message;
    ASSERT_EQ(parsed->text(), name.text());
    ASSERT_EQ(parsed->component, name.component);
    ASSERT_EQ(parsed->slug, name.slug);
  }
}

TEST(Hostname, TemplatesAreFilledWholeOrNotAtAll) {
  EXPECT_EQ(fill_hostname("{project}-{slug}.{domain}", {"c", "shop", "x", "example.com"}),
            "shop-x.example.com");
  EXPECT_EQ(fill_hostname("{project}-{slug}.{domain}", {"c", "", "x", "example.com"}), "");
  EXPECT_EQ(slug_room("{project}-{slug}.{domain}", {"c", "shop", "", "example.com"}), 58U);
  EXPECT_EQ(slug_room("{slug}.{domain}", {"c", "shop", "", "example.com"}), 63U);
}

TEST(Hostname, IsOfLegalLabels) {
  EXPECT_TRUE(check_hostname("a.example.com"));
  const std::vector<std::string> bad{
      "example", "-a.com", "a..com", "A.com", "a_b.com", "a.com.", std::string(64, 'a') + ".com"};
  for (const std::string& name : bad) {
    EXPECT_FALSE(check_hostname(name)) << name;
  }
  EXPECT_TRUE(check_hostname(std::string(63, 'a') + ".com"));
  EXPECT_NE(check_hostname(std::string(69, 'a') + ".com")
                .error()
                .message.find("has 69 characters between two dots, where 63 fit"),
            std::string::npos);
}

}  // namespace
}  // namespace pca::deploy_policy
