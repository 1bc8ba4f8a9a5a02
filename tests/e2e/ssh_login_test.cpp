#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <thread>

#include "base/text.hpp"
#include "net/file_descriptor.hpp"
#include "net/ssh_key.hpp"
#include "support/key_cases.hpp"
#include "support/process.hpp"
#include "support/require.hpp"
#include "support/ssh_client.hpp"
#include "support/test_keys.hpp"

namespace pca {
namespace {

using namespace test;
using Arguments = std::vector<std::string>;

class SshLoginTest : public ::testing::Test {
 protected:
  void SetUp() override { PCA_REQUIRE(Sshd::missing()); }

  void start(const SshdSettings& settings) {
    server_ = std::make_unique<Sshd>(settings);
    client_ = std::make_unique<SshClient>(*server_);
  }
  void start_with_key(SshdSettings settings = {}) {
    key_ = make_key(folder_, "user" + std::to_string(++started_), {"-t", "ed25519"});
    settings.authorized_keys = key_.public_line + "\n";
    start(settings);
    client_->use_key(key_.private_text);
  }
  // What the server says a command's user is, or the error.
  std::string log_in() {
    auto opened = client_->open();
    if (!opened) return opened.error().message;
    return std::string(trim(run_command(**opened, "echo logged in").out));
  }
  Error login_error() {
    const auto opened = client_->open();
    if (!opened) return opened.error();
    ADD_FAILURE() << "the login succeeded";
    return {};
  }
  std::string peer() const { return "127.0.0.1:" + std::to_string(server_->port()); }

  int started_ = 0;
  TempFolder folder_;
  KeyPair key_;
  std::unique_ptr<Sshd> server_;
  std::unique_ptr<SshClient> client_;
};

class SshKeyTypes : public SshLoginTest, public ::testing::WithParamInterface<KeyCase> {};

TEST_P(SshKeyTypes, LogIn) {
  const KeyCase& c = GetParam();
  const KeyPair pair = make_key(folder_, "user", c.arguments, c.passphrase);
  start({.authorized_keys = pair.public_line + "\n"});
  // As the inputs do it: repaired, passphrase tried, and only then used.
  const auto repaired = repair_key(pair.private_text);
  ASSERT_TRUE(repaired) << repaired.error().message;
  EXPECT_EQ(repaired->repairs, Arguments{});
  client_->use_key(repaired->text, c.passphrase);
  EXPECT_TRUE(check_passphrase(client_->login.key, client_->login.passphrase));
  EXPECT_EQ(log_in(), "logged in");
  // An encrypted PKCS8 key does not show its type.
  EXPECT_EQ(client_->facts.auth_method,
            repaired->type.empty() ? "publickey" : "publickey (" + std::string(c.type) + ")");
}

INSTANTIATE_TEST_SUITE_P(All, SshKeyTypes, ::testing::ValuesIn(key_cases()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(SshLoginTest, AnEd25519KeyInPkcs8LogsIn) {
  start({.authorized_keys = ed25519_pkcs8_public + "\n"});
  client_->use_key(ed25519_pkcs8);
  EXPECT_EQ(log_in(), "logged in");
}

TEST_F(SshLoginTest, RsaKeysSignWithSha2Only) {
  const KeyPair pair = make_key(folder_, "user", {"-t", "rsa", "-b", "2048"});
  start({.authorized_keys = pair.public_line + "\n",
         .config = "PubkeyAcceptedAlgorithms rsa-sha2-512"});
  client_->use_key(pair.private_text);
  EXPECT_EQ(log_in(), "logged in");
  start({.authorized_keys = pair.public_line + "\n",
         .config = "PubkeyAcceptedAlgorithms ssh-rsa\nRequiredRSASize 1024"});
  client_->use_key(pair.private_text);
  EXPECT_EQ(login_error().kind, ErrorKind::permission);
}

TEST_F(SshLoginTest, AWrongKeyIsRefusedOnceAndNeverTransient) {
  start_with_key();
  client_->use_key(make_key(folder_, "other", {"-t", "ed25519"}).private_text);
  const Error error = login_error();
  EXPECT_EQ(error.kind, ErrorKind::permission);
  EXPECT_FALSE(error.transient);
  EXPECT_EQ(error.message, peer() + " refused the login of " + server_->user() + " (tried: key)");
  EXPECT_EQ(error.hint,
            "Check user and key, and that the public key is in the user's ~/.ssh/authorized_keys "
            "on the host.");
  EXPECT_TRUE(server_->wait_for_log("Connection closed by authenticating user"));
  const std::string log = server_->log();
  const std::size_t first = log.find("Failed publickey");
  EXPECT_EQ(log.find("Failed publickey", first + 1), std::string::npos) << "it was tried twice";
}

TEST_F(SshLoginTest, NothingToLogInWithIsBadInput) {
  start({});
  Error error = login_error();
  EXPECT_EQ(error.kind, ErrorKind::bad_input);
  EXPECT_EQ(error.message, "nothing to log in to " + peer() + " with");
  client_->login.user = "";
  error = login_error();
  EXPECT_EQ(error.kind, ErrorKind::bad_input);
  EXPECT_EQ(error.message, "no user to log in to " + peer() + " as");
}

class SshCertificateTypes : public SshLoginTest,
                            public ::testing::WithParamInterface<const char*> {};

TEST_P(SshCertificateTypes, LogIn) {
  const KeyPair authority = make_key(folder_, "authority", {"-t", "ed25519"});
  const KeyPair user = make_key(folder_, "user", {"-t", GetParam()});
  start({.config = "TrustedUserCAKeys " + authority.path + ".pub"});
  ProcessSpec sign;
  sign.argv = {"ssh-keygen",      "-q", "-s", authority.path, "-I", "test", "-n", server_->user(),
               user.path + ".pub"};
  ASSERT_EQ(run_process(sign, Milliseconds{10'000}).code, 0);
  client_->use_key(user.private_text);
  EXPECT_EQ(login_error().kind, ErrorKind::permission);  // the key alone opens nothing
  client_->login.certificate = folder_.read("user-cert.pub");
  EXPECT_EQ(log_in(), "logged in");
  EXPECT_EQ(client_->facts.auth_method, "publickey (" + std::string(GetParam()) + ", certificate)");
}

INSTANTIATE_TEST_SUITE_P(All, SshCertificateTypes, ::testing::Values("ed25519", "ecdsa", "rsa"),
                         [](const auto& test) { return std::string(test.param); });

// A real ssh-agent with the keys of a test.
class Agent {
 public:
  explicit Agent(const TempFolder& folder) : socket_(folder.path("agent")) {
    ProcessSpec spec;
    spec.argv = {"ssh-agent", "-D", "-a", socket_};
    process_ = std::make_unique<Process>(spec);
    EXPECT_TRUE(process_->wait_for("SSH_AUTH_SOCK", Milliseconds{10'000}));
  }
  void add(const KeyPair& key) const {
    ProcessSpec spec;
    spec.argv = {"ssh-add", "-q", key.path};
    spec.environment["SSH_AUTH_SOCK"] = socket_;
    EXPECT_EQ(run_process(spec, Milliseconds{10'000}).code, 0);
  }
  [[nodiscard]] const std::string& socket() const { return socket_; }

 private:
  std::string socket_;
  std::unique_ptr<Process> process_;
};

TEST_F(SshLoginTest, AnAgentsKeysLogIn) {
  const Agent agent(folder_);
  for (const char* type : {"ed25519", "ecdsa", "rsa"}) {
    SCOPED_TRACE(type);
    const KeyPair pair = make_key(folder_, type, {"-t", type});
    start({.authorized_keys = pair.public_line + "\n",
           .config = "PubkeyAcceptedAlgorithms -ssh-rsa"});
    agent.add(pair);
    client_->login.agent_socket = agent.socket();
    EXPECT_EQ(log_in(), "logged in");
    EXPECT_EQ(client_->facts.auth_method, "publickey (agent)");
  }
}

TEST_F(SshLoginTest, AnAgentWithoutTheKeyIsToldSo) {
  const Agent agent(folder_);
  start_with_key();
  client_->login.key = Secret();
  client_->login.agent_socket = agent.socket();
  EXPECT_EQ(login_error().message, peer() + " refused the login of " + server_->user() +
                                       " (tried: agent (it holds no keys))");
  agent.add(make_key(folder_, "other", {"-t", "ed25519"}));
  EXPECT_EQ(login_error().message,
            peer() + " refused the login of " + server_->user() + " (tried: agent key other)");
}

TEST_F(SshLoginTest, KeysOfAnAgentThatAreNotTriedAreCounted) {
  const Agent agent(folder_);
  start_with_key();
  for (int i = 1; i <= 5; ++i) {
    agent.add(make_key(folder_, "wrong" + std::to_string(i), {"-t", "ed25519"}));
  }
  client_->login.key = Secret();
  client_->login.agent_socket = agent.socket();
  EXPECT_TRUE(login_error().message.ends_with(", agent key wrong5)"));
  agent.add(key_);  // the one that would be let in
  const Error error = login_error();
  EXPECT_EQ(error.kind, ErrorKind::permission);
  EXPECT_TRUE(
      error.message.ends_with(", agent key wrong5); 1 more of the agent's keys was not tried"))
      << error.message;
  EXPECT_TRUE(error.hint.starts_with("Use an agent that holds only the right key, ")) << error.hint;
}

TEST_F(SshLoginTest, AnAgentThatIsNotThereIsNoBadInputOnceTheHostWasContacted) {
  start_with_key();
  client_->login.key = Secret();
  client_->login.agent_socket = folder_.path("nobody");
  const Error error = login_error();
  EXPECT_EQ(error.kind, ErrorKind::permission);
  EXPECT_EQ(error.message, "cannot reach the ssh-agent at " + folder_.path("nobody") +
                               ": no such file or directory");
}

TEST_F(SshLoginTest, AnAgentThatNeverAnswersIsNotWaitedForLongerThanTheBudget) {
  start_with_key();
  const std::string path = folder_.path("silent");
  const FileDescriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  client_->login.key = Secret();
  client_->login.agent_socket = path;
  const auto opened = client_->open(Budget::of(Milliseconds{1500}));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().message, "timed out while waiting for the ssh-agent");
}

TEST_F(SshLoginTest, APasswordLogsIn) {
  PCA_REQUIRE(Sshd::missing(true));
  start({.config = "KbdInteractiveAuthentication no", .has_tester = true});
  client_->login.password = client_->secret(tester_password);
  EXPECT_EQ(log_in(), "logged in");
  EXPECT_EQ(client_->facts.auth_method, "password");
}

TEST_F(SshLoginTest, APasswordAnswersAPromptWhereThatIsTheOnlyWay) {
  PCA_REQUIRE(Sshd::missing(true));
  start({.config = "PasswordAuthentication no\nKbdInteractiveAuthentication yes",
         .has_tester = true});
  client_->login.password = client_->secret(tester_password);
  EXPECT_EQ(log_in(), "logged in");
  EXPECT_EQ(client_->facts.auth_method, "keyboard-interactive");
}

TEST_F(SshLoginTest, AWrongPasswordIsTriedOnce) {
  PCA_REQUIRE(Sshd::missing(true));
  start({.has_tester = true});
  client_->login.password = client_->secret("open barley");
  const Error error = login_error();
  EXPECT_EQ(error.kind, ErrorKind::permission);
  EXPECT_EQ(error.message,
            peer() +
                " refused the login of tester (tried: password); it takes publickey, "
                "password, keyboard-interactive");
  EXPECT_EQ(error.message.find("barley"), std::string::npos);
}

TEST_F(SshLoginTest, KeyAndPasswordTogetherAreTwoFactors) {
  PCA_REQUIRE(Sshd::missing(true));
  start_with_key({.config = "AuthenticationMethods publickey,password", .has_tester = true});
  client_->login.password = client_->secret(tester_password);
  EXPECT_EQ(log_in(), "logged in");
}

TEST_F(SshLoginTest, AServerWithoutPasswordsSaysWhatItTakes) {
  start({.config = "PasswordAuthentication no\nKbdInteractiveAuthentication no"});
  client_->login.password = client_->secret("open sesame");
  EXPECT_EQ(login_error().message, peer() + " refused the login of " + server_->user() +
                                       " (tried: no password (the server takes none)); it takes "
                                       "publickey");
}

// Host keys.

TEST_F(SshLoginTest, TheOneTypeThatIsPinnedIsAskedFor) {
  start_with_key();
  for (const char* type : {"rsa", "ecdsa", "ed25519"}) {
    SCOPED_TRACE(type);
    client_->trust(server_->known_hosts(type));
    EXPECT_EQ(log_in(), "logged in");
    EXPECT_EQ(client_->facts.host_key.fingerprint(), server_->fingerprint(type));
  }
}

TEST_F(SshLoginTest, AnUnknownHostKeyComesWithTheLineToPaste) {
  start_with_key();
  client_->trust("");
  const Error error = login_error();
  EXPECT_EQ(error.kind, ErrorKind::permission);
  EXPECT_EQ(error.message, "no host key of 127.0.0.1 is known; it showed ssh-ed25519 " +
                               server_->fingerprint("ed25519"));
  const std::vector<std::string> words = split(server_->known_hosts(), ' ');
  EXPECT_EQ(error.hint,
            "Compare this fingerprint by hand with what `ssh-keygen -lf "
            "/etc/ssh/ssh_host_ed25519_key.pub` prints on the host itself. If they are equal, add "
            "this line to known-hosts:\n" +
                words[0] + " " + words[1] + " " + words[2]);
  // What was told to be pasted is trusted.
  client_->trust(error.hint.substr(error.hint.find('\n') + 1));
  EXPECT_EQ(log_in(), "logged in");
  EXPECT_EQ(server_->log().find("Failed"), std::string::npos);
}

TEST_F(SshLoginTest, AChangedHostKeyIsRefusedLoudlyWhateverThePolicy) {
  start_with_key();
  const KeyPair other = make_key(folder_, "other", {"-t", "ed25519"});
  const std::string name = "[127.0.0.1]:" + std::to_string(server_->port());
  client_->trust(name + " " + other.public_line + "\n");
  const HostKeyPins& pins = *client_->login.pins;
  for (const HostKeyPolicy policy : {HostKeyPolicy::strict, HostKeyPolicy::accept_new}) {
    client_->login.policy = policy;
    const Error error = login_error();
    EXPECT_EQ(error.kind, ErrorKind::permission);
    EXPECT_FALSE(error.transient);
    EXPECT_EQ(error.message,
              "THE HOST KEY OF 127.0.0.1 IS NOT THE PINNED ONE. It showed ssh-ed25519 " +
                  server_->fingerprint("ed25519") + "; pinned is " +
                  pins.describe("127.0.0.1", server_->port())[0] +
                  ". Someone may be reading along, or the host has new keys");
  }
  EXPECT_EQ(server_->log().find("Accepted"), std::string::npos);
}

TEST_F(SshLoginTest, ARevokedHostKeyIsRefusedWhateverVouchesForIt) {
  start_with_key();
  const std::string line = server_->known_hosts();
  client_->trust(line + "@revoked * " + line.substr(line.find(' ') + 1),
                 {server_->fingerprint("ed25519")});
  for (const HostKeyPolicy policy :
       {HostKeyPolicy::strict, HostKeyPolicy::accept_new, HostKeyPolicy::insecure}) {
    client_->login.policy = policy;
    const Error error = login_error();
    EXPECT_EQ(error.kind, ErrorKind::permission);
    EXPECT_EQ(error.message, "127.0.0.1 showed the host key ssh-ed25519 " +
                                 server_->fingerprint("ed25519") +
                                 ", which known-hosts marks as @revoked");
  }
  EXPECT_EQ(server_->log().find("Accepted"), std::string::npos);
}

TEST_F(SshLoginTest, AHostKeyAuthorityIsRefusedBeforeAnythingIsSent) {
  start_with_key();
  client_->trust("@cert-authority * " + key_.public_line + "\n");
  EXPECT_EQ(login_error().kind, ErrorKind::bad_input);
  EXPECT_EQ(client_->facts.server_banner, "");
}

TEST_F(SshLoginTest, AcceptNewTakesAHostThatNothingIsKnownAbout) {
  start_with_key();
  client_->trust("");
  client_->login.policy = HostKeyPolicy::accept_new;
  EXPECT_EQ(log_in(), "logged in");
  EXPECT_EQ(client_->facts.verdict, HostKeyVerdict::unknown);
}

TEST_F(SshLoginTest, InsecureTakesAnything) {
  start_with_key();
  client_->trust("", {make_key(folder_, "other", {"-t", "ed25519"}).public_line.empty()
                          ? ""
                          : "SHA256:" + std::string(43, 'A')});
  client_->login.policy = HostKeyPolicy::insecure;
  EXPECT_EQ(log_in(), "logged in");
  EXPECT_EQ(client_->facts.verdict, HostKeyVerdict::mismatch);
}

// Servers that allow little.

struct AlgorithmCase {
  const char* name;
  const char* config;
  const char* pinned;  // type of the host key
  std::string cipher;
};
void PrintTo(const AlgorithmCase& c, std::ostream* out) { *out << c.name; }

class SshAlgorithms : public SshLoginTest, public ::testing::WithParamInterface<AlgorithmCase> {};

TEST_P(SshAlgorithms, AreSpoken) {
  start_with_key({.config = GetParam().config});
  client_->trust(server_->known_hosts(GetParam().pinned));
  auto session = client_->session();
  ASSERT_NE(session, nullptr);
  const std::string sent(1'000'000, 'x');
  const Ran ran = run_command(*session, "cat", sent);
  EXPECT_FALSE(ran.error);
  EXPECT_EQ(ran.out, sent);
  EXPECT_EQ(client_->facts.cipher, GetParam().cipher);
}

INSTANTIATE_TEST_SUITE_P(
    All, SshAlgorithms,
    ::testing::Values(
        AlgorithmCase{"ChaCha", "Ciphers chacha20-poly1305@openssh.com", "ed25519",
                      "chacha20-poly1305@openssh.com"},
        AlgorithmCase{"Aes256Gcm", "Ciphers aes256-gcm@openssh.com", "ed25519",
                      "aes256-gcm@openssh.com"},
        AlgorithmCase{"CtrEncryptThenMac", "Ciphers aes256-ctr\nMACs hmac-sha2-512-etm@openssh.com",
                      "ed25519", "aes256-ctr"},
        AlgorithmCase{"CtrEncryptAndMac", "Ciphers aes128-ctr\nMACs hmac-sha2-256", "ed25519",
                      "aes128-ctr"},
        AlgorithmCase{"DiffieHellman",
                      "Ciphers aes128-gcm@openssh.com\nKexAlgorithms diffie-hellman-group14-sha256",
                      "ed25519", "aes128-gcm@openssh.com"},
        AlgorithmCase{"Nistp521",
                      "Ciphers aes128-gcm@openssh.com\nKexAlgorithms ecdh-sha2-nistp521", "ecdsa",
                      "aes128-gcm@openssh.com"},
        AlgorithmCase{"RsaSha256HostKey",
                      "Ciphers aes128-gcm@openssh.com\nHostKeyAlgorithms rsa-sha2-256", "rsa",
                      "aes128-gcm@openssh.com"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(SshLoginTest, WithoutACommonMethodBothListsAreShown) {
  start_with_key({.config = "KexAlgorithms sntrup761x25519-sha512@openssh.com"});
  Error error = login_error();
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_FALSE(error.transient);
  EXPECT_TRUE(error.message.starts_with(
      peer() +
      " and this tool have no common key exchange method: the server offers "
      "sntrup761x25519-sha512@openssh.com"))
      << error.message;
  EXPECT_NE(error.message.find("wanted is one of curve25519-sha256, "), std::string::npos);

  start_with_key({.config = "Ciphers aes128-cbc"});
  EXPECT_TRUE(login_error().message.starts_with(
      peer() + " and this tool have no common cipher: the server offers aes128-cbc; "));

  start_with_key({.host_keys = {"rsa"}});
  client_->login.host_key_methods = "ssh-ed25519";
  EXPECT_TRUE(login_error().message.starts_with(
      peer() +
      " and this tool have no common host key type: the server offers rsa-sha2-512, "
      "rsa-sha2-256; wanted is one of ssh-ed25519"));
}

}  // namespace
}  // namespace pca
