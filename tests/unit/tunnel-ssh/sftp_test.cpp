// SFTP: what is asked of a server in which order, and what a hostile one may answer.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "net/ssh_wire.hpp"
#include "support/fake_ssh.hpp"
#include "support/temp_folder.hpp"
#include "tunnel-ssh/sftp_tree.hpp"

namespace pca::tunnel_ssh {
namespace {

using test::ChannelScript;
using test::FakeSession;

constexpr std::uint32_t folder_mode = S_IFDIR | 0755;
constexpr std::uint32_t file_mode = S_IFREG | 0644;

std::string long_wire(std::uint64_t value) {
  std::string out;
  append_wire_number(out, value >> 32U);
  append_wire_number(out, value & 0xFFFFFFFFU);
  return out;
}
std::string number(std::uint64_t value) {
  std::string out;
  append_wire_number(out, value);
  return out;
}
std::string text(std::string_view value) {
  std::string out;
  append_wire_string(out, value);
  return out;
}
std::string attributes(std::uint64_t size, std::uint32_t mode, std::uint32_t mtime = 7) {
  return number(0x1 | 0x4 | 0x8) + long_wire(size) + number(mode) + number(mtime) + number(mtime);
}

// One request, readable: "rename a b". Types by their number in the draft.
struct Asked {
  std::uint8_t type = 0;
  std::uint32_t id = 0;
  std::string first;   // path, handle or extension
  std::string second;  // the next string, where there is one
  std::string third;
  std::string body;
};

// The other side: answers what the test does not answer itself as a server would that has an empty
// folder, and does all it is told.
class FakeSftp {
 public:
  using Answer = std::function<std::optional<std::string>(const Asked&)>;

  explicit FakeSftp(std::string extensions = text("posix-rename@openssh.com") + text("1") +
                                             text("fsync@openssh.com") + text("1")) {
    session.on_exec = [this](const std::string& command) {
      EXPECT_EQ(command, "subsystem sftp");
      return &script;
    };
    session.on_wait = [this] { return serve(); };
    hello = std::string(1, '\2') + number(3) + std::move(extensions);
  }

  Result<std::unique_ptr<SftpClient>> start() {
    return SftpClient::start(budget(), session, "host");
  }
  static Budget budget() { return Budget::of(Milliseconds{20'000}); }

  static std::string packet(const std::string& content) { return text(content); }
  static std::string status(const Asked& asked, std::uint32_t code, const std::string& why = "") {
    return std::string(1, '\x65') + number(asked.id) + number(code) + text(why) + text("");
  }
  static std::string handle(const Asked& asked) {
    return std::string(1, '\x66') + number(asked.id) + text("handle of " + asked.first);
  }
  static std::string has(const Asked& asked, const std::string& attributes) {
    return std::string(1, '\x69') + number(asked.id) + attributes;
  }
  static std::string names(const Asked& asked, const std::vector<std::string>& entries) {
    std::string all = std::string(1, '\x68') + number(asked.id) + number(entries.size());
    for (const std::string& entry : entries) all += entry;
    return all;
  }
  static std::string name(const std::string& name, const std::string& attributes) {
    return text(name) + text("for people") + attributes;
  }

  // What was asked for, as "rename a b", without what only looks.
  [[nodiscard]] std::vector<std::string> changes() const {
    static const std::map<std::uint8_t, std::string> of_one_path{
        {3, "open "}, {13, "remove "}, {14, "mkdir "}, {15, "rmdir "}};
    std::vector<std::string> lines;
    for (const Asked& one : asked) {
      const auto name = of_one_path.find(one.type);
      if (name != of_one_path.end()) lines.push_back(name->second + one.first);
      if (one.type == 18) lines.push_back("rename " + one.first + " " + one.second);
      if (one.type == 20) lines.push_back("symlink " + one.second + " " + one.first);
      if (one.type == 200) lines.push_back(one.first + " " + one.second + " " + one.third);
    }
    return lines;
  }

  FakeSession session;
  ChannelScript script;
  std::string hello;
  Answer on_request;
  bool is_reversed = false;  // the answers to what was asked at once
  std::vector<Asked> asked;

 private:
  bool serve() {
    std::deque<std::string> answers;
    while (const auto answer = take()) {
      if (is_reversed) {
        answers.push_front(packet(*answer));
      } else {
        answers.push_back(packet(*answer));
      }
    }
    script.out.insert(script.out.end(), answers.begin(), answers.end());
    return !answers.empty();
  }
  std::optional<std::string> take() {
    WireReader reader(script.received);
    const auto body = reader.string();
    if (!body) return std::nullopt;
    const std::string request(*body);
    script.received.erase(0, 4 + request.size());
    if (request[0] == '\1') return hello;
    asked.push_back(read(request));
    if (on_request) {
      if (auto answer = on_request(asked.back())) return answer;
    }
    return usual(asked.back());
  }
  static Asked read(const std::string& request) {
    WireReader reader(request);
    Asked one;
    one.type = reader.byte().value_or(0);
    one.id = reader.number().value_or(0);
    one.body = reader.rest();
    one.first = reader.string().value_or("");
    one.second = reader.string().value_or("");
    one.third = reader.string().value_or("");
    return one;
  }
  static std::string usual(const Asked& one) {
    switch (one.type) {
      case 3:
      case 11:
        return handle(one);
      case 12:
        return status(one, SftpAnswer::end_of_file);
      case 7:
        return status(one, SftpAnswer::no_such_file);
      case 8:
        return has(one, attributes(3, file_mode));
      case 17:
        return one.first.find(".tunnel-ssh-index") == std::string::npos
                   ? has(one, attributes(0, folder_mode))
                   : status(one, SftpAnswer::no_such_file);
      default:
        return status(one, 0);
    }
  }
};

bool is_at(const std::vector<std::string>& lines, std::size_t at, std::string_view begin,
           std::string_view end = "") {
  return at < lines.size() && lines[at].starts_with(begin) && lines[at].ends_with(end);
}
std::size_t place_of(const std::vector<std::string>& lines, std::string_view begin,
                     std::string_view end = "") {
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (is_at(lines, i, begin, end)) return i;
  }
  return std::string::npos;
}

class Sftp : public ::testing::Test {
 protected:
  // One file of ours that takes the place of another, and a new link.
  SyncPlan plan() {
    ours_.write("page", "new");
    SyncPlan plan;
    plan.uploads = {{.path = "d/page",
                     .source = ours_.path("page"),
                     .size = 3,
                     .digest = to_hex(sha256("new"))},
                    {.path = "link", .kind = EntryKind::link, .target = "d/page"}};
    plan.moves = {{"d", {"d/page"}}, {"", {"link"}}};
    plan.bytes = 3;
    return plan;
  }

  test::TempFolder ours_;
  const Budget budget_ = FakeSftp::budget();
};

TEST_F(Sftp, WhatIsNewIsWholeAndLastingBeforeAnythingIsRenamed) {
  FakeSftp server;
  const auto client = server.start();
  ASSERT_TRUE(client) << client.error().message;
  SftpTree tree(**client, "/srv/site");
  ASSERT_TRUE(tree.look(budget_, {}));
  std::uint64_t told = 0;
  const auto done =
      tree.apply(budget_, plan(), [&](std::uint64_t sent, std::uint64_t) { told = sent; });
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(told, 3U);
  const auto lines = server.changes();
  const std::size_t opened = place_of(lines, "open /srv/site/.tunnel-ssh-", "/new/d/page");
  const std::size_t synced = place_of(lines, "fsync@openssh.com ");
  const std::size_t moved = place_of(lines, "posix-rename@openssh.com ", " /srv/site/d/page");
  EXPECT_LT(place_of(lines, "mkdir ", "/new/d"), opened);
  EXPECT_LT(opened, synced);
  EXPECT_LT(synced, moved);
  EXPECT_LT(place_of(lines, "symlink ", " d/page"), moved);
  EXPECT_LT(moved, place_of(lines, "rmdir /srv/site/.tunnel-ssh-"));
}

TEST_F(Sftp, AServerThatCannotReplaceHasTheOldMovedAwayFirst) {
  FakeSftp server("");
  server.on_request = [](const Asked& one) -> std::optional<std::string> {
    if (one.type != 7 || one.first != "/srv/site/d/page") return std::nullopt;
    return FakeSftp::has(one, attributes(9, file_mode));
  };
  const auto client = server.start();
  ASSERT_TRUE(client);
  SftpTree tree(**client, "/srv/site");
  ASSERT_TRUE(tree.look(budget_, {}));
  ASSERT_TRUE(tree.apply(budget_, plan(), {}));
  const auto lines = server.changes();
  const std::size_t away = place_of(lines, "rename /srv/site/d/page ", "/old/0");
  const std::size_t placed = place_of(lines, "rename /srv/site/.tunnel-ssh-", " /srv/site/d/page");
  EXPECT_LT(away, placed);
  EXPECT_NE(placed, std::string::npos);
  EXPECT_EQ(place_of(lines, "fsync"), std::string::npos);
}

TEST_F(Sftp, WhatWasMovedAwayGoesBackWhereNothingTookItsPlace) {
  FakeSftp server("");
  bool is_away = false;
  server.on_request = [&](const Asked& one) -> std::optional<std::string> {
    const bool is_page = one.first == "/srv/site/d/page";
    if (one.type == 7 && is_page && !is_away) return FakeSftp::has(one, attributes(9, file_mode));
    if (one.type == 18 && is_page) is_away = true;
    if (one.type == 18 && one.first.ends_with("/new/d/page")) {
      return FakeSftp::status(one, SftpAnswer::failure, "Failure");
    }
    return std::nullopt;
  };
  const auto client = server.start();
  ASSERT_TRUE(client);
  SftpTree tree(**client, "/srv/site");
  ASSERT_TRUE(tree.look(budget_, {}));
  ASSERT_FALSE(tree.apply(budget_, plan(), {}));
  const auto lines = server.changes();
  const std::size_t back =
      place_of(lines, "rename /srv/site/.tunnel-ssh-", "/old/0 /srv/site/d/page");
  EXPECT_NE(back, std::string::npos);
  EXPECT_LT(back, place_of(lines, "rmdir /srv/site/.tunnel-ssh-"));
}

TEST_F(Sftp, WhatCannotGoBackIsNotRemoved) {
  FakeSftp server("");
  bool is_away = false;
  server.on_request = [&](const Asked& one) -> std::optional<std::string> {
    const bool is_page = one.first == "/srv/site/d/page";
    if (one.type == 7 && is_page && !is_away) return FakeSftp::has(one, attributes(9, file_mode));
    if (one.type != 18) return std::nullopt;
    is_away = is_away || is_page;
    if (is_page || one.first.ends_with("/link")) return std::nullopt;
    return FakeSftp::status(one, SftpAnswer::failure, "Failure");
  };
  const auto client = server.start();
  ASSERT_TRUE(client);
  SftpTree tree(**client, "/srv/site");
  ASSERT_TRUE(tree.look(budget_, {}));
  const auto done = tree.apply(budget_, plan(), {});
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("what was there before is in /srv/site/.tunnel-ssh-"),
            std::string::npos)
      << done.error().message;
  EXPECT_EQ(place_of(server.changes(), "rmdir "), std::string::npos);
}

// The last answer first, of all that are on their way.
TEST_F(Sftp, AnswersMayComeInAnyOrder) {
  FakeSftp server;
  const auto client = server.start();
  ASSERT_TRUE(client);
  SftpTree tree(**client, "/srv/site");
  ASSERT_TRUE(tree.look(budget_, {}));
  server.is_reversed = true;
  const auto done = tree.apply(budget_, plan(), {});
  EXPECT_TRUE(done) << done.error().message;
}

TEST_F(Sftp, AListOfNothingWithoutEndIsAnError) {
  for (const bool dots : {false, true}) {
    FakeSftp server;
    server.on_request = [&](const Asked& one) -> std::optional<std::string> {
      if (one.type != 12) return std::nullopt;
      const std::string dot = FakeSftp::name(".", attributes(1, folder_mode));
      return FakeSftp::names(one, std::vector<std::string>(dots ? 4000 : 0, dot));
    };
    const auto client = server.start();
    ASSERT_TRUE(client);
    SftpTree tree(**client, "/srv/site");
    const auto found = tree.look(budget_, {});
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().message.find("does not end"), std::string::npos);
  }
}

// Each request that changes something is refused in its turn.
TEST_F(Sftp, WhereverItIsRefusedNothingIsInPlaceOrEverythingIs) {
  for (std::size_t refused = 0;; ++refused) {
    SCOPED_TRACE(refused);
    FakeSftp server;
    std::size_t count = 0;
    bool in_place = false;
    server.on_request = [&](const Asked& one) -> std::optional<std::string> {
      static const std::vector<std::uint8_t> changing{3, 6, 14, 18, 20, 200};
      if (std::find(changing.begin(), changing.end(), one.type) == changing.end()) {
        return std::nullopt;
      }
      if (one.first == "posix-rename@openssh.com") in_place = true;
      // What there is already makes no difference, and the index may be lost.
      if (one.first == "/srv" || one.first == "/srv/site" ||
          (one.first + one.second).find(".tunnel-ssh-index") != std::string::npos) {
        return std::nullopt;
      }
      if (count++ != refused) return std::nullopt;
      return FakeSftp::status(one, SftpAnswer::failure, "Failure");
    };
    const auto client = server.start();
    ASSERT_TRUE(client);
    SftpTree tree(**client, "/srv/site");
    ASSERT_TRUE(tree.look(budget_, {}));
    const auto done = tree.apply(budget_, plan(), {});
    const auto lines = server.changes();
    const std::size_t gone = place_of(lines, "rmdir /srv/site/.tunnel-ssh-");
    EXPECT_NE(gone, std::string::npos) << "what was made for it stays";
    if (count <= refused) {
      EXPECT_TRUE(done) << done.error().message;
      EXPECT_GE(refused, 8U);
      return;
    }
    EXPECT_FALSE(done);
    EXPECT_EQ(in_place,
              done.error().message.find("some of it may be in place") != std::string::npos)
        << done.error().message;
  }
}

TEST_F(Sftp, AFileThatChangesMeanwhileIsNotPutInPlace) {
  FakeSftp server;
  const auto client = server.start();
  ASSERT_TRUE(client);
  SftpTree tree(**client, "/srv/site");
  ASSERT_TRUE(tree.look(budget_, {}));
  SyncPlan changed = plan();
  ours_.write("page", "odd");
  const auto done = tree.apply(budget_, changed, {});
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("changed while it was being sent"), std::string::npos);
  EXPECT_EQ(place_of(server.changes(), "posix-rename"), std::string::npos);
}

TEST_F(Sftp, AFileIsReadInOrderHoweverItComes) {
  const std::string content = std::string(40'000, 'a') + std::string(30'000, 'b');
  FakeSftp server;
  server.on_request = [&](const Asked& one) -> std::optional<std::string> {
    if (one.type == 12 && server.asked.size() < 4) {
      return FakeSftp::names(one, {FakeSftp::name("big", attributes(content.size(), file_mode))});
    }
    if (one.type != 5) return std::nullopt;
    WireReader reader(one.body);
    (void)reader.string();
    (void)reader.number();
    const std::size_t offset = reader.number().value_or(0);
    const std::size_t size = std::min<std::size_t>(reader.number().value_or(0), 10'000);
    return std::string(1, '\x67') + number(one.id) + text(content.substr(offset, size));
  };
  const auto client = server.start();
  ASSERT_TRUE(client);
  SftpTree tree(**client, "~/site");
  const auto found = tree.look(budget_, {});
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->size(), 1U);
  std::string got;
  const auto done = tree.fetch(budget_, {"./big"}, [&](std::string_view part) -> Result<> {
    got += part;
    return {};
  });
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(got, fmt::format("{}\n\n{}", content.size(), content));
}

TEST_F(Sftp, NamesThatNoFileHasAreRefused) {
  using namespace std::string_literals;
  for (const std::string& name : {"../up"s, "a/b"s, ""s, "nul\0"s, std::string(5000, 'x')}) {
    SCOPED_TRACE(visible(name));
    FakeSftp server;
    server.on_request = [&](const Asked& one) -> std::optional<std::string> {
      if (one.type != 12) return std::nullopt;
      return FakeSftp::names(one, {FakeSftp::name(name, attributes(1, file_mode))});
    };
    const auto client = server.start();
    ASSERT_TRUE(client);
    SftpTree tree(**client, "/srv/site");
    const auto found = tree.look(budget_, {});
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().message.find("the list of"), std::string::npos)
        << found.error().message;
  }
}

TEST_F(Sftp, AListWithoutEndIsAnError) {
  constexpr std::size_t names_each = 4000;
  const std::vector<std::string> entries(names_each, FakeSftp::name("a", attributes(1, file_mode)));
  const std::string answer = FakeSftp::names({}, entries);
  FakeSftp server;
  std::size_t number_of_names = 0;
  server.on_request = [&](const Asked& one) -> std::optional<std::string> {
    if (one.type != 12) return std::nullopt;
    number_of_names += names_each;
    return std::string(answer).replace(1, 4, number(one.id));
  };
  const auto client = server.start();
  ASSERT_TRUE(client);
  SftpTree tree(**client, "/srv/site");
  EXPECT_FALSE(tree.look(budget_, {}));
  EXPECT_LE(number_of_names, 400'000U);
}

TEST_F(Sftp, WhatIsNoSftpEndsIt) {
  using namespace std::string_literals;
  {
    FakeSftp server;
    server.hello = "\2"s + number(2);
    EXPECT_NE(server.start().error().message.find("a greeting"), std::string::npos);
  }
  {
    FakeSftp server;
    server.script.out.push_back("Welcome to this host!\n");
    EXPECT_NE(server.start().error().message.find("does not speak SFTP"), std::string::npos);
  }
  {
    FakeSftp server;
    server.script.at_end = true;
    server.script.err.push_back("no sftp-server here\n");
    EXPECT_NE(server.start().error().message.find("no sftp-server here"), std::string::npos);
  }
  {
    FakeSftp server;
    server.on_request = [](const Asked& one) -> std::optional<std::string> {
      Asked other = one;
      other.id += 1000;
      return FakeSftp::status(other, 0);
    };
    const auto client = server.start();
    ASSERT_TRUE(client);
    const auto answer = (*client)->ask(budget_, SftpRequest::stat("/"));
    ASSERT_FALSE(answer);
    EXPECT_NE(answer.error().message.find("what nobody asked"), std::string::npos);
  }
}

TEST_F(Sftp, OnlyALimitedNumberOfRequestsIsOnItsWay) {
  FakeSftp server;
  const auto client = server.start();
  ASSERT_TRUE(client);
  server.session.on_wait = [] { return false; };  // nothing is answered
  std::size_t asked = 0;
  EXPECT_FALSE((*client)->finish(Budget::of(Milliseconds{50}), [&]() -> Result<bool> {
    (*client)->ask(SftpRequest::stat("/"), {});
    return ++asked < 100'000;
  }));
  EXPECT_LE(asked, 128U);
}

TEST(SftpIndex, IsReadAsItWasWritten) {
  const SftpIndex index{{"a\nb", {3, 7, std::string(64, 'a')}},
                        {"with \1 in it", {UINT32_MAX, UINT32_MAX, std::string(64, 'b')}}};
  const SftpIndex read = parse_index(index_text(index));
  ASSERT_EQ(read.size(), 2U);
  EXPECT_EQ(read.at("a\nb").mtime, 7U);
  EXPECT_EQ(read.at("with \1 in it").size, UINT32_MAX);
}

TEST(SftpIndex, RubbishIsLeftOut) {
  using namespace std::string_literals;
  const std::string good = "3 7 " + std::string(64, 'a') + "\1good\0"s;
  for (const std::string& bad :
       {"rubbish\0"s, "3 7 short\1x\0"s, "-3 7 "s + std::string(64, 'a') + "\1x\0"s,
        "3 7 "s + std::string(64, 'a') + "\0"s, "\0\0\0"s}) {
    EXPECT_EQ(parse_index(bad + good).size(), 1U) << visible(bad);
  }
}

TEST(SftpAnswer, FreeBytesAreBlocksTimesTheirSize) {
  SftpAnswer answer;
  answer.text = long_wire(512) + long_wire(4096) + long_wire(100) + long_wire(50) + long_wire(25);
  EXPECT_EQ(free_bytes(answer), 25U * 4096);
  answer.text = long_wire(1) + long_wire(UINT64_MAX) + long_wire(1) + long_wire(1) + long_wire(2);
  EXPECT_EQ(free_bytes(answer), UINT64_MAX);
  answer.text.resize(20);
  EXPECT_EQ(free_bytes(answer), std::nullopt);
}

}  // namespace
}  // namespace pca::tunnel_ssh
