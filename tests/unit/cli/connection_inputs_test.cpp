#include "cli/connection_inputs.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "net/file_descriptor.hpp"
#include "support/test_keys.hpp"

namespace pca {
namespace {

constexpr const char* known_line =
    "web1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKNBVAF905U6niRdRieSOfQgDIcHWfaVrCcY7vsXnjsI\n";
constexpr const char* fingerprint = "SHA256:FGV8RCOLcr4kXCMA/8L7JHqlHwVkYcIXOYQ3uW6RVhM";

// Reads the connection inputs of a tool that has no others.
class ConnectionInputsTest : public testing::Test {
 protected:
  ConnectionInputsTest()
      : folder_(testing::TempDir() + "connection-" + std::to_string(::getpid())) {
    std::filesystem::create_directories(folder_);
    tool_.name = "example";
    tool_.commands = {{.name = "run", .options = connection_options(), .positionals = {"host"}}};
  }
  ~ConnectionInputsTest() override { std::filesystem::remove_all(folder_); }

  // `environment` by input name: {"host", "web1"}.
  ConnectionSettings read(const Environment& inputs, Login login = Login::hosts) {
    Environment environment;
    for (const auto& [name, value] : inputs) environment[variable_of(name)] = value;
    bad_ = {};
    said_.clear();
    CommandLine line;
    line.command = "run";
    Inputs read =
        read_inputs(Budget::of(Milliseconds{5000}), {tool_, environment, redactor_}, line, bad_);
    return read_connection(
        read, redactor_, bad_, [this](const std::string& text) { said_.push_back(text); }, login);
  }

  // The same with everything else that is needed.
  ConnectionSettings read_with_login(Environment inputs) {
    inputs.emplace("host", "web1");
    inputs.emplace("user", "deploy");
    inputs.emplace("password", "hunter-two");
    return read(inputs);
  }

  [[nodiscard]] std::string mistakes() const {
    std::vector<std::string> lines;
    for (const BadInput& item : bad_.items()) {
      EXPECT_FALSE(item.cure.empty()) << item.input << ": " << item.problem;
      lines.push_back(item.input.empty() ? item.problem : item.input + ": " + item.problem);
    }
    return join(lines, "\n");
  }

  std::string file(const std::string& name, const std::string& content) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  ToolSpec tool_;
  Redactor redactor_;
  BadInputs bad_;
  std::vector<std::string> said_;
  std::string folder_;
};

TEST_F(ConnectionInputsTest, DefaultsAreWhatTheTableSays) {
  const ConnectionSettings settings = read_with_login({});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  ASSERT_EQ(settings.hosts.size(), 1U);
  EXPECT_EQ(settings.hosts[0].text(), "web1");
  EXPECT_EQ(settings.via, Via::direct);
  EXPECT_EQ(settings.access.port, 443);
  EXPECT_EQ(settings.user, "deploy");
  EXPECT_EQ(settings.password.expose(), "hunter-two");
  EXPECT_TRUE(settings.key.empty());
  EXPECT_EQ(settings.policy, HostKeyPolicy::strict);
  EXPECT_EQ(settings.connect_timeout, Milliseconds{15'000});
  EXPECT_EQ(settings.retry.tries, 3);
  EXPECT_TRUE(said_.empty());
}

TEST_F(ConnectionInputsTest, EverythingThatIsGivenIsThere) {
  const ConnectionSettings settings =
      read({{"host", "web1\nroot@[2001:db8::1]:2200\n"},
            {"via", "access"},
            {"port", "2222"},
            {"user", "deploy"},
            {"connect-timeout", "5s"},
            {"tries", "7"},
            {"access-hostname", "ssh.example.com"},
            {"access-port", "8443"},
            {"access-client-id", "0123.access"},
            {"access-client-secret", "4567890123"},
            {"access-destination", "10.0.0.5:22"},
            {"access-connect-to", "127.0.0.1:9"},
            {"access-ca", file("ca", "-----BEGIN CERTIFICATE-----")},
            {"key", test::ed25519_openssh_encrypted},
            {"passphrase", "open sesame"},
            {"known-hosts", known_line},
            {"host-key", fingerprint},
            {"host-key-policy", "accept-new"},
            {"jump", "gate\nops@inner:2022"},
            {"jump-keys", test::ecdsa_pem + test::ed25519_openssh_encrypted},
            {"jump-passphrases", "\nopen sesame\n"}});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  ASSERT_EQ(settings.hosts.size(), 2U);
  EXPECT_EQ(settings.hosts[0].text(), "web1:2222");
  EXPECT_EQ(settings.hosts[1].text(), "root@[2001:db8::1]:2200");
  EXPECT_EQ(settings.via, Via::access);
  EXPECT_EQ(settings.access.hostname, "ssh.example.com");
  EXPECT_EQ(settings.access.port, 8443);
  EXPECT_EQ(settings.access.client_id, "0123.access");
  EXPECT_EQ(settings.access.client_secret.expose(), "4567890123");
  EXPECT_EQ(settings.access.destination, "10.0.0.5:22");
  EXPECT_EQ(settings.access.connect_to, "127.0.0.1:9");
  EXPECT_EQ(settings.access.ca_file, folder_ + "/ca");
  EXPECT_EQ(settings.key.expose(), test::ed25519_openssh_encrypted);
  EXPECT_EQ(settings.passphrase.expose(), "open sesame");
  EXPECT_TRUE(settings.pins.knows("web1", 22));
  EXPECT_TRUE(settings.pins.has_fingerprints());
  EXPECT_EQ(settings.policy, HostKeyPolicy::accept_new);
  EXPECT_EQ(settings.connect_timeout, Milliseconds{5000});
  EXPECT_EQ(settings.retry.tries, 7);
  ASSERT_EQ(settings.jumps.size(), 2U);
  EXPECT_EQ(settings.jumps[0].address.text(), "gate");  // `port` is for hosts
  EXPECT_EQ(settings.jumps[0].key.expose(), test::ecdsa_pem);
  EXPECT_TRUE(settings.jumps[0].passphrase.empty());
  EXPECT_EQ(settings.jumps[1].address.text(), "ops@inner:2022");
  EXPECT_EQ(settings.jumps[1].key.expose(), test::ed25519_openssh_encrypted);
  EXPECT_EQ(settings.jumps[1].passphrase.expose(), "open sesame");
}

TEST_F(ConnectionInputsTest, BlankHostEntriesAreLeftOutAndTold) {
  const ConnectionSettings settings = read_with_login({{"host", "\nweb1\n  \n\nweb2\n\n"}});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(settings.hosts.size(), 2U);
  EXPECT_EQ(said_, std::vector<std::string>{"host: 3 blank entries were left out."});
}

TEST_F(ConnectionInputsTest, AKeyIsRepairedAndTheRepairsAreTold) {
  std::string windows = test::ed25519_openssh;
  for (std::size_t at = 0; (at = windows.find('\n', at)) != std::string::npos; at += 2) {
    windows.insert(at, "\r");
  }
  const ConnectionSettings settings = read({{"host", "deploy@web1"}, {"key", windows}});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(settings.key.expose(), test::ed25519_openssh);
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_EQ(said_[0].substr(0, 16), "key: put right: ") << said_[0];
  EXPECT_EQ(redactor_.redact(test::ed25519_openssh).find("b3BlbnNz"), std::string::npos);
}

TEST_F(ConnectionInputsTest, APassphraseThatIsNotNeededIsTold) {
  static_cast<void>(read_with_login({{"key", test::ecdsa_pem}, {"passphrase", "some phrase"}}));
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(said_, std::vector<std::string>{"passphrase: not needed, the key is not encrypted."});
}

TEST_F(ConnectionInputsTest, JumpKeysMayBeOneEncodedLineEach) {
  const auto encoded = [](const std::string& key) {
    return base64_encode({reinterpret_cast<const std::uint8_t*>(key.data()), key.size()});
  };
  const ConnectionSettings settings = read_with_login(
      {{"jump", "gate\ninner"},
       {"jump-keys", encoded(test::ecdsa_pem) + "\n\n" + encoded(test::ed25519_openssh) + "\n"}});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(settings.jumps[0].key.expose(), test::ecdsa_pem);
  EXPECT_EQ(settings.jumps[1].key.expose(), test::ed25519_openssh);
}

TEST_F(ConnectionInputsTest, ACommandThatDoesNotLogInNeedsNeitherUserNorKey) {
  static_cast<void>(read({{"host", "web1"}}, Login::jumps_only));
  EXPECT_TRUE(bad_.empty()) << mistakes();
  static_cast<void>(read({{"host", "web1"}, {"jump", "gate"}}, Login::jumps_only));
  EXPECT_EQ(mistakes(),
            "user: is missing, and gate names none\n"
            "key: is missing, and so are jump-keys and agent");
  static_cast<void>(read({{"host", "web1"}, {"jump", "ops@gate"}, {"jump-keys", test::ecdsa_pem}},
                         Login::jumps_only));
  EXPECT_TRUE(bad_.empty()) << mistakes();
}

TEST_F(ConnectionInputsTest, OneHostTwiceIsSeenAlsoWhereOnlyOneNamesItsUser) {
  static_cast<void>(read_with_login({{"host", "web1\ndeploy@web1"}}));
  EXPECT_EQ(mistakes(), "host: deploy@web1 is given twice");
  static_cast<void>(read_with_login({{"host", "web1\nroot@web1"}}));
  EXPECT_EQ(mistakes(), "");
}

TEST_F(ConnectionInputsTest, APasswordIsForNoJumpHost) {
  static_cast<void>(read_with_login({{"jump", "gate"}}));
  EXPECT_EQ(mistakes(), "key: is missing, and so are jump-keys and agent");
}

TEST_F(ConnectionInputsTest, AnAccessApplicationMayHaveAPath) {
  Environment inputs{{"via", "access"}, {"access-hostname", "ssh.example.com/one?a=b"}};
  const ConnectionSettings settings = read_with_login(inputs);
  EXPECT_EQ(mistakes(), "");
  EXPECT_EQ(settings.access.hostname, "ssh.example.com");
  EXPECT_EQ(settings.access.path, "/one?a=b");
  inputs["access-hostname"] = "ssh.example.com/a b";
  static_cast<void>(read_with_login(inputs));
  EXPECT_EQ(mistakes(),
            "access-hostname: has a path that holds a blank or another character of no URL");
}

TEST_F(ConnectionInputsTest, AnEmptyCaFileTrustsNobodyElse) {
  const std::string path = file("ca.pem", "");
  static_cast<void>(read_with_login({{"via", "access"}, {"access-ca", path}}));
  EXPECT_EQ(mistakes(), "access-ca: \"" + path + "\" holds no PEM certificate");
}

TEST_F(ConnectionInputsTest, AnAgentListensAtASocket) {
  const std::string path = folder_ + "/agent";
  const FileDescriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), address.sun_path);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  static_cast<void>(read({{"host", "deploy@web1"}, {"agent", path}}));
  EXPECT_EQ(mistakes(),
            "agent: cannot reach the ssh-agent at " + path + ": connection refused");  // a dead one
  ASSERT_EQ(::listen(listener.get(), 4), 0);
  ConnectionSettings settings = read({{"host", "deploy@web1"}, {"agent", path}});
  EXPECT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(settings.agent_socket, path);

  ::setenv("SSH_AUTH_SOCK", path.c_str(), 1);
  settings = read({{"host", "deploy@web1"}, {"agent", "true"}});
  EXPECT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(settings.agent_socket, path);
  settings = read_with_login({});
  EXPECT_EQ(settings.agent_socket, "");  // only when asked for

  ::unsetenv("SSH_AUTH_SOCK");
  static_cast<void>(read({{"host", "deploy@web1"}, {"agent", "true"}}));
  EXPECT_EQ(mistakes(), "agent: is true, but SSH_AUTH_SOCK is not set");
  static_cast<void>(read({{"host", "deploy@web1"}, {"agent", "/dev/null"}}));
  EXPECT_EQ(mistakes(), "agent: \"/dev/null\" is no socket");
}

TEST_F(ConnectionInputsTest, EachMistakeIsNamed) {
  const std::string ca = file("not-a-ca", "hello");
  struct Case {
    Environment inputs;
    std::string mistake;
  };
  for (
      const Case& c : std::vector<Case>{
          {{{"host", "web1:0"}},
           "host: \"web1:0\" has the port \"0\", which is no number from 1 to 65535"},
          {{{"host", "web1\nweb1"}}, "host: web1 is given twice"},
          {{{"user", "de ploy"}}, "user: \"de ploy\" is no user name"},
          {{{"user", "-l"}}, "user: \"-l\" is no user name"},
          {{{"connect-timeout", "0s"}}, "connect-timeout: leaves no time to connect"},
          {{{"jump", "gate:x"}},
           "jump: \"gate:x\" has the port \"x\", which is no number from 1 to 65535"},
          {{{"access-client-id", "1.access"}, {"access-client-secret", "12345"}},
           "access-client-id: is given, but via is direct\n"
           "access-client-secret: is given, but via is direct"},
          {{{"via", "access"}, {"access-client-id", "1.access"}},
           "access-client-secret: is missing, but access-client-id is given"},
          {{{"via", "access"}, {"access-client-secret", "12345"}},
           "access-client-id: is missing, but access-client-secret is given"},
          {{{"via", "access"},
            {"access-client-id", "1.access"},
            {"access-client-secret", "12345"},
            {"access-token", "a.b.c"}},
           "access-token: is given together with a service token"},
          {{{"via", "access"}, {"access-token", "not-a-jwt"}},
           "access-token: is no JWT: that has three parts with dots between them"},
          {{{"via", "access"}, {"access-token", "a.b.c d"}},
           "access-token: holds a blank, a line break or another character that it cannot have"},
          {{{"via", "access"},
            {"access-client-id", "1 .access"},
            {"access-client-secret", "12345"}},
           "access-client-id: holds a character that no client ID has"},
          {{{"via", "access"}, {"access-hostname", "https://ssh.example.com"}},
           "access-hostname: \"https://ssh.example.com\" is a URL"},
          {{{"via", "access"}, {"access-hostname", "ssh.example.com:443"}},
           "access-hostname: \"ssh.example.com:443\" names a port"},
          {{{"via", "access"}, {"access-hostname", "me@ssh.example.com"}},
           "access-hostname: \"me@ssh.example.com\" names a user"},
          {{{"via", "access"}, {"access-hostname", "10.0.0.5"}},
           "access-hostname: \"10.0.0.5\" is an address"},
          {{{"via", "access"}, {"host", "10.0.0.5"}},
           "access-hostname: is missing: 10.0.0.5 is an address, not a name"},
          {{{"via", "access"}, {"jump", "10.0.0.5"}, {"key", test::ecdsa_pem}},
           "access-hostname: is missing: 10.0.0.5 is an address, not a name"},
          {{{"via", "access"}, {"access-hostname", "ssh.example.com"}, {"host", "web1\nweb2"}},
           "access-hostname: leads to one machine, but 2 hosts are given"},
          {{{"via", "access"}, {"access-destination", "10.0.0.5"}},
           "access-destination: \"10.0.0.5\" has no port"},
          {{{"via", "access"}, {"access-destination", "me@10.0.0.5:22"}},
           "access-destination: \"me@10.0.0.5:22\" names a user"},
          {{{"via", "access"}, {"access-connect-to", "localhost:"}},
           "access-connect-to: \"localhost:\" has the port \"\", which is no number from 1 to "
           "65535"},
          {{{"via", "access"}, {"access-ca", ca}},
           "access-ca: \"" + ca + "\" holds no PEM certificate"},
          {{{"via", "access"}, {"access-ca", "/nonexistent"}},
           "access-ca: cannot read \"/nonexistent\": no such file or directory"},
          {{{"passphrase", "some phrase"}}, "passphrase: is given without a key"},
          {{{"key", test::ed25519_openssh_encrypted}},
           "passphrase: the private key is encrypted, and there is no passphrase"},
          {{{"key", test::ed25519_openssh_encrypted}, {"passphrase", "wrong one"}},
           "passphrase: the passphrase does not open the private key"},
          {{{"certificate", "ssh-ed25519 AAAA"}, {"key", test::ecdsa_pem}},
           "certificate: \"ssh-ed25519\" is no type of a user certificate"},
          {{{"certificate", "ssh-ed25519-cert-v01@openssh.com AAAA"}, {"key", test::ecdsa_pem}},
           "certificate: is damaged or cut short"},
          {{{"certificate", "ssh-ed25519-cert-v01@openssh.com"}, {"key", test::ecdsa_pem}},
           "certificate: is damaged or cut short"},
          {{{"certificate", "a b\nc d"}, {"key", test::ecdsa_pem}},
           "certificate: has more than one line"},
          {{{"certificate",
             "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29t"}},
           "certificate: is given without a key"},
          {{{"known-hosts", "web1 ssh-ed25519"}},
           "known-hosts line 1: it needs a host name, a key type and a key"},
          {{{"known-hosts", known_line}, {"known-hosts-file", "/dev/null"}},
           "known-hosts: was given twice, as known-hosts and as known-hosts-file"},
          {{{"known-hosts-file", "/nonexistent"}},
           "known-hosts-file: cannot read \"/nonexistent\": no such file or directory"},
          {{{"known-hosts", std::string("@cert-authority ") + known_line}},
           "known-hosts line 1: @cert-authority for web1 cannot be used: certificates of hosts are "
           "not checked"},
          {{{"host-key", "SHA256:abc"}},
           "host-key \"SHA256:abc\": after SHA256: come 43 characters of base64, not 3 as here"},
          {{{"host-key", "MD5:d4:1d:8c:d9:8f:00:b2:04:e9:80:09:98:ec:f8:42:7e"}},
           "host-key \"MD5:d4:1d:8c:d9:8f:00:b2:04:e9:80:09:98:ec:f8:42:7e\": MD5 fingerprints "
           "prove "
           "nothing; `ssh-keygen -l` prints the SHA256 one"},
          {{{"jump", "gate\ninner"}, {"jump-keys", test::ecdsa_pem}},
           "jump-keys: holds 1 key, but jump names 2 hosts"},
          {{{"jump-keys", test::ecdsa_pem}}, "jump-keys: holds 1 key, but jump names 0 hosts"},
          {{{"jump", "gate"}, {"key", test::ecdsa_pem}, {"jump-passphrases", "some phrase"}},
           "jump-passphrases: is given without jump-keys"},
          {{{"jump", "gate"}, {"jump-keys", test::ecdsa_pem}, {"jump-passphrases", "one1\ntwo2\n"}},
           "jump-passphrases: has 2 lines, but jump names 1 host"},
          {{{"jump", "gate"}, {"jump-keys", test::ed25519_openssh_encrypted}},
           "jump-passphrases (line 1): the private key is encrypted, and there is no passphrase"},
      }) {
    static_cast<void>(read_with_login(c.inputs));
    EXPECT_EQ(mistakes(), c.mistake);
  }
}

TEST_F(ConnectionInputsTest, NobodyLogsInAsRootByAccidentOrWithNothing) {
  static_cast<void>(read({{"host", "web1"}}));
  EXPECT_EQ(mistakes(),
            "user: is missing, and web1 names none\n"
            "key: is missing, and so are password and agent");
}

TEST_F(ConnectionInputsTest, MistakesOfAllPartsAreToldTogether) {
  static_cast<void>(read({{"host", "web 1"},
                          {"via", "access"},
                          {"access-hostname", "x:443"},
                          {"key", "nonsense"},
                          {"host-key", "x"},
                          {"jump", "a,b"}}));
  EXPECT_GE(bad_.items().size(), 5U) << mistakes();
}

TEST_F(ConnectionInputsTest, EveryOptionSaysWhatItIs) {
  for (const Option& option : connection_options()) {
    EXPECT_FALSE(option.help.empty()) << option.name;
    EXPECT_FALSE(option.group.empty()) << option.name;
    EXPECT_NE(option.help.back(), '.') << option.name;
  }
}

}  // namespace
}  // namespace pca
