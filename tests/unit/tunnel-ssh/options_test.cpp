#include "tunnel-ssh/options.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tunnel-ssh/pin.hpp"

namespace pca::tunnel_ssh {
namespace {

TEST(OptionsTest, EveryCommandHasEachNameOnceAndAGroupAndASentence) {
  const ToolSpec tool = tool_spec();
  for (const CommandSpec& command : tool.commands) {
    std::set<std::string> names;
    for (const Option& option : command.options) {
      EXPECT_TRUE(names.insert(option.name).second) << command.name << " " << option.name;
      EXPECT_FALSE(option.group.empty()) << option.name;
      EXPECT_FALSE(option.help.ends_with('.')) << option.name;
    }
    EXPECT_FALSE(command.examples.empty()) << command.name;
    for (const std::string& name : command.positionals) EXPECT_TRUE(names.contains(name)) << name;
  }
}

TEST(OptionsTest, WhatOnlyAsksFailsWithoutStdoutAndWhatChangesHostsDoesNot) {
  const std::set<std::string> questions{"release list", "release log",    "preview list",
                                        "guard status", "session status", "pin",
                                        "check"};
  std::set<std::string> found;
  for (const CommandSpec& command : tool_spec().commands) {
    if (command.stdout_use == StdoutUse::result) found.insert(command.name);
    EXPECT_EQ(command.stdout_use == StdoutUse::data, command.name == "stdio") << command.name;
  }
  EXPECT_EQ(found, questions);
}

TEST(PinTest, AsksForEachTypeOnceAndForNothingItCannotCheck) {
  EXPECT_EQ(methods_to_ask({"rsa-sha2-512", "rsa-sha2-256", "ecdsa-sha2-nistp256", "ssh-ed25519",
                            "ssh-ed25519-cert-v01@openssh.com", "ssh-dss", "evil\x1b"}),
            (std::vector<std::string>{"ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512"}));
  EXPECT_EQ(methods_to_ask({"rsa-sha2-256"}), std::vector<std::string>{"rsa-sha2-256"});
  EXPECT_TRUE(methods_to_ask({}).empty());
}

}  // namespace
}  // namespace pca::tunnel_ssh
