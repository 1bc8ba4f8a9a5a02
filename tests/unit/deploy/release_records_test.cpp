#include "deploy/release_records.hpp"

#include <gtest/gtest.h>

namespace pca {
namespace {

const std::string held(40, 'b');
const std::string older(40, 'a');
const std::string other(40, 'c');

Json hold(const std::string& commit, const std::string& time = "2026-01-02T00:00:00Z") {
  Json json = Json::object();
  json.set("commit", commit).set("commit-time", time);
  return json;
}

Provenance of(const std::string& commit, const std::string& time = "") {
  Provenance from;
  from.commit = commit;
  from.commit_time = time;
  return from;
}

TEST(Hold, RefusesTheHeldCommitAndWhatCameBefore) {
  const std::vector<std::string> commits{older, held};
  EXPECT_TRUE(hold_refuses(hold(held), commits, of(held)));
  EXPECT_TRUE(hold_refuses(hold(held), commits, of(older, "2027-01-01T00:00:00Z")));
  EXPECT_TRUE(hold_refuses(hold(held), commits, of(other, "2026-01-02T00:00:00Z")));
  EXPECT_TRUE(hold_refuses(hold(held), commits, of(other, "2026-01-01T00:00:00Z")));
  EXPECT_FALSE(hold_refuses(hold(held), commits, of(other, "2026-01-02T00:00:01Z")));
  EXPECT_FALSE(hold_refuses(hold(held), commits, of(other)));
}

TEST(Hold, RefusesAllWhereItKnowsNoCommit) {
  EXPECT_TRUE(hold_refuses(hold(""), {}, of(other, "2030-01-01T00:00:00Z")));
  EXPECT_TRUE(hold_refuses(hold(held), {}, of("")));
}

TEST(ReleaseIds, AreSafeInAnyPathAndSayTheCommit) {
  EXPECT_TRUE(make_release_id(held, "").ends_with("Z-bbbbbbb"));
  const std::string of_content = make_release_id("", "content");
  EXPECT_TRUE(is_release_id(of_content)) << of_content;
  EXPECT_EQ(of_content.size(), 24U);
}

}  // namespace
}  // namespace pca
