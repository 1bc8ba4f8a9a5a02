#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "swarm-deploy/compose_reader.hpp"

namespace pca::swarm_deploy {

struct ComposeText {
  std::string file;  // its name, for messages
  std::string text;  // untrusted
};

// A stack as its files have it, in the plain form of read_compose().
struct Compose {
  Json config;
  Problems problems;               // `config` is good only without mistakes
  std::vector<std::string> files;  // their names, in order
  std::vector<ConfigValue> trees;  // what stands in them

  // Where the value of this path stands last, as {"services", "web", "networks"}; its nearest
  // ancestor where it is in no file.
  [[nodiscard]] Place place(std::span<const std::string> path) const;
};

// Reads the files, each over the ones before it.
[[nodiscard]] Compose read_compose_files(std::span<const ComposeText> files,
                                         const ComposeSources& sources);

// As YAML, as `docker stack config` prints it.
[[nodiscard]] std::string compose_yaml(const Json& config);

}  // namespace pca::swarm_deploy
