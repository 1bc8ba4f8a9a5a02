#include "swarm-deploy/registry_logins.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/digest.hpp"
#include "base/json.hpp"

namespace pca::swarm_deploy {
namespace {

// What the header says.
Json decoded(const Secret* header) {
  if (header == nullptr) return {};
  std::string text(header->expose());
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  const auto json = base64_decode(text);
  return json ? parse_json(*json).value_or(Json()) : Json();
}

TEST(RegistryOfTest, IsTheHostOrDockerHub) {
  for (const auto& [image, registry] : {std::pair{"app", "docker.io"},
                                        {"team/app:v1", "docker.io"},
                                        {"docker.io/app", "docker.io"},
                                        {"index.docker.io/team/app", "docker.io"},
                                        {"ghcr.io/team/app@sha256:0", "ghcr.io"},
                                        {"localhost/app", "localhost"},
                                        {"registry:5000/app", "registry:5000"},
                                        {"10.0.0.1:5000/a/b/c", "10.0.0.1:5000"}}) {
    EXPECT_EQ(registry_of(image), registry) << image;
  }
}

TEST(RegistryLoginsTest, ThereIsAHeaderForEachRegistry) {
  Redactor redactor;
  const auto logins = RegistryLogins::parse(
      "ghcr.io  deploy canary-token-1\n\n  https://index.docker.io/v1/ me canary>>>token??? \r\n",
      redactor);
  ASSERT_TRUE(logins) << logins.error().message;
  const Json github = decoded(logins->of_image("ghcr.io/team/app:v1"));
  EXPECT_EQ(github.text_of("username"), "deploy");
  EXPECT_EQ(github.text_of("password"), "canary-token-1");
  EXPECT_EQ(github.text_of("serveraddress"), "ghcr.io");
  const Json docker = decoded(logins->of_image("app"));
  EXPECT_EQ(docker.text_of("password"), "canary>>>token???");
  EXPECT_EQ(docker.text_of("serveraddress"), "https://index.docker.io/v1/");
  EXPECT_EQ(logins->of_image("quay.io/app"), nullptr);
  EXPECT_TRUE(logins->warnings().empty());
  // No form of a password is shown.
  EXPECT_EQ(redactor.redact("a canary-token-1 b"), "a *** b");
  EXPECT_EQ(redactor.redact(logins->of_image("app")->expose()), "***");
}

TEST(RegistryLoginsTest, MistakesNameTheLineAndNothingOfIt) {
  Redactor redactor;
  for (const auto& [lines, number] : {std::pair{"ghcr.io deploy", "line 1"},
                                      {"\nghcr.io deploy pass word", "line 2"},
                                      {"ghcr.io a canary1\nGHCR.io b canary2", "line 2"}}) {
    const auto logins = RegistryLogins::parse(lines, redactor);
    ASSERT_FALSE(logins) << lines;
    EXPECT_EQ(logins.error().kind, ErrorKind::bad_input);
    EXPECT_NE(logins.error().message.find(number), std::string::npos) << logins.error().message;
    for (const char* word : {"deploy", "pass", "canary"}) {
      EXPECT_EQ(logins.error().message.find("\"" + std::string(word)), std::string::npos);
    }
  }
}

TEST(RegistryLoginsTest, APasswordThatEndsSoonIsAWarning) {
  Redactor redactor;
  const auto logins = RegistryLogins::parse(
      "ghcr.io bot ghs_canary123456\n1.dkr.ecr.eu-west-1.amazonaws.com AWS canary-ecr\nquay.io AWS "
      "x-y",
      redactor);
  ASSERT_TRUE(logins) << logins.error().message;
  ASSERT_EQ(logins->warnings().size(), 2U);
  EXPECT_NE(logins->warnings()[0].find("ghcr.io"), std::string::npos);
  EXPECT_NE(logins->warnings()[1].find("ecr"), std::string::npos);
}

}  // namespace
}  // namespace pca::swarm_deploy
