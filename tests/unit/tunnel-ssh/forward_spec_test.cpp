#include "tunnel-ssh/forward_spec.hpp"

#include <gtest/gtest.h>

namespace pca::tunnel_ssh {
namespace {

struct Case {
  ForwardKind kind;
  std::string text;
  std::string listen;
  std::string target;
};

class GoodForward : public testing::TestWithParam<Case> {};

TEST_P(GoodForward, IsRead) {
  const auto spec = parse_forward(GetParam().kind, GetParam().text);
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_EQ(spec->listen.text(), GetParam().listen);
  if (GetParam().kind != ForwardKind::dynamic) {
    EXPECT_EQ(spec->target.text(), GetParam().target);
  }
  EXPECT_EQ(spec->text, GetParam().text);
}

constexpr auto local = ForwardKind::local;
constexpr auto remote = ForwardKind::remote;
constexpr auto dynamic = ForwardKind::dynamic;

INSTANTIATE_TEST_SUITE_P(
    Forms, GoodForward,
    testing::Values(Case{local, "8080:db:5432", "127.0.0.1:8080", "db:5432"},
                    Case{local, "0:db:5432", "127.0.0.1:0", "db:5432"},
                    Case{local, "localhost:1:db:2", "127.0.0.1:1", "db:2"},
                    Case{local, "*:1:db:2", "*:1", "db:2"}, Case{local, ":1:db:2", "*:1", "db:2"},
                    Case{local, "[::1]:1:[2001:db8::5]:2", "[::1]:1", "[2001:db8::5]:2"},
                    Case{local, "1:/run/app.sock", "127.0.0.1:1", "/run/app.sock"},
                    Case{local, "10.0.0.1:1:/run/app.sock", "10.0.0.1:1", "/run/app.sock"},
                    Case{local, "/tmp/a:db:2", "/tmp/a", "db:2"},
                    Case{local, "/tmp/a:/run/b", "/tmp/a", "/run/b"},
                    Case{remote, "8080:localhost:3000", "127.0.0.1:8080", "localhost:3000"},
                    Case{remote, "*:0:localhost:3000", "*:0", "localhost:3000"},
                    Case{remote, "1:/run/app.sock", "127.0.0.1:1", "/run/app.sock"},
                    Case{remote, "/run/x:db:1", "/run/x", "db:1"},
                    Case{remote, "/run/x:/run/app.sock", "/run/x", "/run/app.sock"},
                    Case{dynamic, "1080", "127.0.0.1:1080", ""},
                    Case{dynamic, "[::1]:0", "[::1]:0", ""}));

class BadForward : public testing::TestWithParam<Case> {};

TEST_P(BadForward, NamesWhatIsWrong) {
  const auto spec = parse_forward(GetParam().kind, GetParam().text);
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().kind, ErrorKind::bad_input);
  EXPECT_EQ(spec.error().message, GetParam().listen);
  EXPECT_FALSE(spec.error().hint.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, BadForward,
    testing::Values(
        Case{local, "8080", "\"8080\" lacks a part", ""}, Case{local, "", "\"\" lacks a part", ""},
        Case{local, "db:5432", "\"db:5432\" lacks a part", ""},
        Case{local, "a:b:c:d:e", "\"a:b:c:d:e\" has too many parts", ""},
        Case{local, "65536:db:1", "\"65536:db:1\" has \"65536\" where a port belongs (0 to 65535)",
             ""},
        Case{local, "80:db:0", "\"80:db:0\" has \"0\" where a port belongs (1 to 65535)", ""},
        Case{local, "80:db:http", "\"80:db:http\" has \"http\" where a port belongs (1 to 65535)",
             ""},
        Case{local, "80:d b:22", "\"80:d b:22\" has \"d b\" where a host belongs", ""},
        Case{local, "80:\x1b[m:22", "\"80:\\x1B[m:22\" has \"\\x1B[m\" where a host belongs", ""},
        Case{local, "me@x:80:db:22", "\"me@x:80:db:22\" has \"me@x\" where a host belongs", ""},
        Case{local, "80:/run/\n", "\"80:/run/\\x0A\" has no readable text for the path of a socket",
             ""},
        Case{local, "80::22", "\"80::22\" names no host to connect to", ""},
        Case{local, "[::1:80:db:1",
             "\"[::1:80:db:1\" has an IPv6 address without its closing bracket", ""},
        Case{local, "x:/tmp/a:/tmp/b",
             "\"x:/tmp/a:/tmp/b\" has \"/tmp/a\" where a port belongs (0 to 65535)", ""},
        Case{local, "/" + std::string(108, 'x') + ":db:1",
             "\"/" + std::string(99, 'x') + "...\" has a socket path of more than 107 bytes", ""},
        Case{remote, "/run/x", "\"/run/x\" lacks a part", ""},
        Case{dynamic, "1:2:3", "\"1:2:3\" has too many parts", ""},
        Case{dynamic, "/tmp/socks", "\"/tmp/socks\" is no port", ""},
        Case{dynamic, "\x1b[0m", "\"\\x1B[0m\" has \"\\x1B[0m\" where a port belongs (0 to 65535)",
             ""}));

}  // namespace
}  // namespace pca::tunnel_ssh
