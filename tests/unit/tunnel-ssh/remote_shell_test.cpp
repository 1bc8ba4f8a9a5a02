#include "tunnel-ssh/remote_shell.hpp"

#include <gtest/gtest.h>

#include "support/fake_ssh.hpp"

namespace pca::tunnel_ssh {
namespace {

TEST(RemoteShellTest, SendsWhatComesInCrumbsInLargePackets) {
  constexpr int crumbs = 1000;
  const std::string crumb(500, 'x');
  const Budget budget = Budget::of(Milliseconds{10'000});
  test::ChannelScript script;
  test::FakeSession session;
  session.on_exec = [&](const std::string& command) {
    const std::string token = command.substr(command.rfind(' ') + 1);
    for (int block = 0; block < 2; ++block) {  // before the first one there is one too
      script.out.push_back(token + " 0 123\n");
      script.err.push_back(token + "\n");
    }
    return &script;
  };
  auto shell = RemoteShell::start(budget, session, "", "host");
  ASSERT_TRUE(shell);
  int left = crumbs;
  const auto done = shell->run(budget, "cat >/dev/null", [&](std::span<char> into) {
    const std::size_t count = left > 0 ? crumb.copy(into.data(), into.size()) : 0;
    if (count == crumb.size()) --left;
    return Result<ByteStream::Read>(ByteStream::Read{count, left == 0});
  });
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_GT(script.received.size(), crumbs * crumb.size());
  EXPECT_LE(script.writes, 4U);
}

}  // namespace
}  // namespace pca::tunnel_ssh
