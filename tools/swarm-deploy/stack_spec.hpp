#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "swarm-deploy/compose_file.hpp"

namespace pca::swarm_deploy {

inline constexpr const char* stack_label = "com.docker.stack.namespace";
inline constexpr const char* image_label = "com.docker.stack.image";

// A config or secret to be made.
struct StackObject {
  std::string name;
  Json body;                // for POST /configs/create and /secrets/create
  bool is_rotated = false;  // its name ends with a digest of its content
};
// A network to be made.
struct StackNetwork {
  std::string name;
  Json body;  // for POST /networks/create
};
struct StackService {
  std::string name;                // with the stack's in front: "shop_web"
  std::string key;                 // as the file has it: "web"
  std::string image;               // as the file has it
  Json spec;                       // of the Engine API; SecretID and ConfigID are still names
  std::vector<std::string> after;  // keys of services that it depends on
  std::int64_t given_wave = 0;     // x-deploy: {wave: 2}
  std::size_t wave = 0;            // when its turn comes, see stack_waves.hpp
};

// What the swarm is to hold of a stack, as the docker CLI would ask for it.
struct StackSpec {
  std::string name;
  std::vector<StackNetwork> networks;
  std::vector<std::string> external_networks;
  std::vector<StackObject> secrets;
  std::vector<StackObject> configs;
  std::vector<StackService> services;  // by name
};

struct ConvertedStack {
  StackSpec spec;
  Problems problems;  // `spec` is good only without mistakes
};

using ReadFile = std::function<Result<std::string>(const std::string& path)>;

// Pure but for `read_file`, which gives the content of configs and secrets that are files; others
// have theirs from `variables`. With `rotate` the name
// of those without a name of their own ends with a digest of their content, so that another content
// is another object: a swarm cannot change one.
[[nodiscard]] ConvertedStack convert_stack(const std::string& name, const Compose& compose,
                                           const ReadFile& read_file, const Variables& variables,
                                           bool rotate);

// The reference with ":latest" where it names neither tag nor digest; bad_input for what is no
// reference of an image.
[[nodiscard]] Result<std::string> full_image(const std::string& image);

}  // namespace pca::swarm_deploy
