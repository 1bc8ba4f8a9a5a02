#include "net/host_address.hpp"

#include <gtest/gtest.h>

namespace pca {
namespace {

TEST(HostAddress, EverySpellingIsReadAndWrittenBack) {
  struct Case {
    const char* text;
    const char* user;
    const char* name;
    std::uint16_t port;
    const char* written;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"web1", "", "web1", 22, "web1"},
           {" web1 ", "", "web1", 22, "web1"},
           {"web1:22", "", "web1", 22, "web1"},
           {"deploy@web1.example.com:2222", "deploy", "web1.example.com", 2222,
            "deploy@web1.example.com:2222"},
           {"user@corp.example@web1", "user@corp.example", "web1", 22, "user@corp.example@web1"},
           {"web_1.", "", "web_1.", 22, "web_1."},
           {"10.0.0.5:65535", "", "10.0.0.5", 65535, "10.0.0.5:65535"},
           {"::1", "", "::1", 22, "::1"},
           {"[::1]", "", "::1", 22, "::1"},
           {"root@[2001:db8::1]:2222", "root", "2001:db8::1", 2222, "root@[2001:db8::1]:2222"},
           {"fe80::1%eth0", "", "fe80::1%eth0", 22, "fe80::1%eth0"},
       }) {
    const auto address = parse_host_address(c.text);
    ASSERT_TRUE(address) << c.text << ": " << address.error().message;
    EXPECT_EQ(address->user, c.user) << c.text;
    EXPECT_EQ(address->name, c.name) << c.text;
    EXPECT_EQ(address->port, c.port) << c.text;
    EXPECT_EQ(address->text(), c.written) << c.text;
    EXPECT_EQ(*parse_host_address(address->text()), *address) << c.text;
  }
}

TEST(HostAddress, AnAddressWithoutAPortGetsTheGivenOne) {
  EXPECT_EQ(parse_host_address("web1", 2222)->port, 2222);
  EXPECT_EQ(parse_host_address("::1", 2222)->port, 2222);
  EXPECT_EQ(parse_host_address("[::1]", 2222)->port, 2222);
  EXPECT_EQ(parse_host_address("web1:22", 2222)->port, 22);
}

TEST(HostAddress, WhatIsNoneIsToldWithTheRightSpelling) {
  const std::string long_label(64, 'a');
  struct Case {
    std::string text;
    std::string message;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"", "an address is empty"},
           {"web1 web2", "\"web1 web2\" holds a blank or a control character"},
           {"web1\x1b[2J", "\"web1\\x1B[2J\" holds a blank or a control character"},
           {"web1,web2:2222", "\"web1,web2:2222\" holds a comma"},
           {"ssh://web1", "\"ssh://web1\" is a URL"},
           {"ssh://deploy@web1", "\"ssh://deploy@web1\" is a URL"},
           {"us\xFFr@web1", "\"us\xEF\xBF\xBDr@web1\" holds bytes that are no readable text"},
           {"web1/path", "\"web1/path\" holds a slash"},
           {"@web1", "\"@web1\" has no user in front of its @"},
           {"-oProxyCommand=x@web1",
            "\"-oProxyCommand=x@web1\" has a user that begins with a dash"},
           {"deploy@", "\"deploy@\" has no host name"},
           {":22", "\":22\" has no host name"},
           {"web1:", "\"web1:\" has the port \"\", which is no number from 1 to 65535"},
           {"web1:0", "\"web1:0\" has the port \"0\", which is no number from 1 to 65535"},
           {"web1:65536",
            "\"web1:65536\" has the port \"65536\", which is no number from 1 to 65535"},
           {"web1:ssh", "\"web1:ssh\" has the port \"ssh\", which is no number from 1 to 65535"},
           {"web1:2a", "\"web1:2a\" has the port \"2a\", which is no number from 1 to 65535"},
           {"::1:99999", "\"::1:99999\" has several colons, but is no IPv6 address"},
           {"[::1", "\"[::1\" has a [ without a ]"},
           {"[web1]:22", "\"[web1]:22\" has no IPv6 address between its brackets"},
           {"[fe80::1%]", "\"[fe80::1%]\" has no IPv6 address between its brackets"},
           {"fe80::1%a]b", "\"fe80::1%a]b\" has several colons, but is no IPv6 address"},
           {"fe80::1%eth0:22", "\"fe80::1%eth0:22\" has several colons, but is no IPv6 address"},
           {"[::1]22", "\"[::1]22\" has something other than :port behind its ]"},
           {"[::1]:", "\"[::1]:\" has the port \"\", which is no number from 1 to 65535"},
           {"web..1", "\"web..1\" has an empty part between its dots"},
           {".web1", "\".web1\" has an empty part between its dots"},
           {"-web1", "\"-web1\" has a part that begins with a dash"},
           {"w\xC3\xA9"
            "b1",
            "\"w\xC3\xA9"
            "b1\" holds a character that no host name has"},
           {"web1;id", "\"web1;id\" holds a character that no host name has"},
           {"10.0.0.300", "\"10.0.0.300\" ends like an IPv4 address, but is none"},
           {"22", "\"22\" ends like an IPv4 address, but is none"},
           {long_label, "\"" + long_label + "\" has a part of more than 63 characters"},
       }) {
    const auto address = parse_host_address(c.text);
    ASSERT_FALSE(address) << c.text;
    EXPECT_EQ(address.error().message, c.message);
    EXPECT_EQ(address.error().kind, ErrorKind::bad_input);
    EXPECT_FALSE(address.error().hint.empty()) << c.text;
  }
}

TEST(HostAddress, APasswordInFrontOfTheAtIsNotShown) {
  for (const char* text : {"deploy:hunter2@web1", "ssh:hunter2@web1 x"}) {
    const auto address = parse_host_address(text);
    ASSERT_FALSE(address);
    EXPECT_EQ(address.error().message,
              "an address has a colon in front of its @, as if it held a password");
    EXPECT_EQ(address.error().hint.find("hunter2"), std::string::npos);
  }
}

TEST(HostAddress, APasswordInAUrlIsNotShown) {
  const auto address = parse_host_address("ssh://deploy:hunter2@web1");
  ASSERT_FALSE(address);
  EXPECT_EQ(address.error().message.find("hunter2"), std::string::npos) << address.error().message;
}

TEST(HostAddress, AddressesAreToldFromNames) {
  for (const char* text : {"10.0.0.1", "::1", "fe80::1%eth0"}) EXPECT_TRUE(is_ip_address(text));
  for (const char* text : {"web1", "10.0.0", "a::b::c", ""}) EXPECT_FALSE(is_ip_address(text));
}

}  // namespace
}  // namespace pca
