#include "swarm-deploy/registry_logins.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/digest.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr std::string_view hub = "docker.io";
// What Docker Hub is called where credentials are kept, since its first version.
constexpr std::string_view hub_address = "https://index.docker.io/v1/";
constexpr const char* cure = "Write REGISTRY USER PASSWORD, such as ghcr.io deploy and its token.";

// As people and docker's own configuration write it.
std::string known_registry(std::string_view text) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (text.starts_with(scheme)) text.remove_prefix(scheme.size());
  }
  const std::string name = to_lower(text.substr(0, text.find('/')));
  const bool is_hub = name == "index.docker.io" || name == "registry-1.docker.io" || name == hub;
  return is_hub ? std::string(hub) : name;
}

// base64url of the JSON that the Engine's API documents as AuthConfig.
std::string header_of(const std::string& registry, const std::string& user,
                      const std::string& password) {
  Json json = Json::object();
  json.set("username", user);
  json.set("password", password);
  json.set("serveraddress", registry == hub ? std::string(hub_address) : registry);
  std::string text = json.dump();
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  std::string encoded = base64_encode(bytes);
  wipe(text);
  std::replace(encoded.begin(), encoded.end(), '+', '-');
  std::replace(encoded.begin(), encoded.end(), '/', '_');
  return encoded;
}

// Tokens of a job and of Amazon ECR (12 hours); the swarm keeps what it is given with the service.
bool ends_soon(const std::string& registry, const std::string& user, const std::string& password) {
  return password.starts_with("ghs_") ||
         (user == "AWS" && registry.find(".dkr.ecr.") != std::string::npos);
}

}  // namespace

std::string registry_of(std::string_view image) {
  const std::size_t slash = image.find('/');
  const std::string_view host = image.substr(0, slash);
  const bool has_host = slash != std::string_view::npos &&
                        (host.find_first_of(".:") != std::string_view::npos || host == "localhost");
  return has_host ? known_registry(host) : std::string(hub);
}

Result<RegistryLogins> RegistryLogins::parse(std::string_view lines, Redactor& redactor) {
  RegistryLogins logins;
  int number = 0;
  for (std::string& line : split_lines(lines)) {
    ++number;
    std::vector<std::string> words;
    for (std::string& word : split(line, ' ')) {
      if (!word.empty()) words.push_back(std::move(word));
    }
    wipe(line);
    if (words.empty()) continue;
    if (words.size() != 3) {
      return bad_input(fmt::format("line {} has {} words, not a registry, a user and a password",
                                   number, words.size()),
                       cure);
    }
    const std::string registry = known_registry(words[0]);
    if (logins.headers_.contains(registry)) {
      return bad_input(
          fmt::format("line {} is about a registry that another line is about", number),
          "Give one line a registry.");
    }
    if (ends_soon(registry, words[1], words[2])) {
      logins.warnings_.push_back(fmt::format(
          "the password for {} ends soon, and the swarm keeps it: a node that needs the image "
          "later cannot get it. Give one that lasts and may only read",
          visible(registry)));
    }
    logins.headers_.emplace(registry, redactor.protect(header_of(registry, words[1], words[2])));
    const Secret password = redactor.protect(std::move(words[2]));
  }
  return logins;
}

const Secret* RegistryLogins::of_image(std::string_view image) const {
  const auto found = headers_.find(registry_of(image));
  return found == headers_.end() ? nullptr : &found->second;
}

}  // namespace pca::swarm_deploy
