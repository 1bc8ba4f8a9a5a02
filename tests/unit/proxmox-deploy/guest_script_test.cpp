#include "proxmox-deploy/guest_script.hpp"

#include <gtest/gtest.h>

#include "base/digest.hpp"

namespace pca::proxmox_deploy {
namespace {

std::string news(const std::string& state, const std::string& out, const std::string& err) {
  const auto encoded = [](const std::string& text) {
    return text.empty()
               ? ""
               : base64_encode({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}) +
                     "\n";
  };
  return state + "\n" + encoded(out) + ".\n" + encoded(err) + ".\n";
}

TEST(ScriptNewsTest, IsReadBack) {
  using State = ScriptNews::State;
  const auto running = parse_script_news(news("running 17", "a\n", ""));
  ASSERT_TRUE(running);
  EXPECT_EQ(running->state, State::running);
  EXPECT_EQ(running->out, "a\n");
  EXPECT_EQ(running->beat, "17");
  const auto ended = parse_script_news(news("137", "", std::string("\0\xff", 2)));
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->state, State::ended);
  EXPECT_EQ(ended->code, 137);
  EXPECT_EQ(ended->err, std::string("\0\xff", 2));
  EXPECT_EQ(parse_script_news(news("absent", "", ""))->state, State::absent);
}

TEST(ScriptNewsTest, WhatIsNoneIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("0"), std::string("0\n"), std::string("0\n.\n"),
        std::string("0\n.\n."), news("256", "", ""), news("-1", "", ""), news("", "", ""),
        news("0", std::string(news_limit + 1, 'x'), ""), std::string("0\n!!\n.\n.\n")}) {
    EXPECT_FALSE(parse_script_news(text)) << text.substr(0, 40);
  }
}

}  // namespace
}  // namespace pca::proxmox_deploy
