#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pca {

// What is called {customer}-{project}-{environment}-{component}.
enum class ResourceType : std::uint8_t { worker, pages, d1, r2, kv, queue, stack, vm };

struct ResourceRow {
  ResourceType type;
  std::string_view name;   // "worker"
  std::string_view title;  // "a Worker"
  std::size_t least;       // bytes of its name
  std::size_t most;
  std::string_view room_for;  // what has to fit behind the name with a "-" or "_"; may be empty
  bool is_edge;               // Cloudflare's: has no environment "preview"
};
[[nodiscard]] std::span<const ResourceRow> resource_table();
[[nodiscard]] const ResourceRow& resource_row(ResourceType type);
[[nodiscard]] ResourceType resource_type(std::string_view name);  // one of the table's

// A name in its parts. Of a preview, `slug` stands for the branch.
struct ResourceName {
  std::string customer = {};
  std::string project = {};
  std::string environment = {};  // prod | staging | dev | preview
  std::string component = {};    // empty for a stack, whose services are the components
  std::string slug = {};

  [[nodiscard]] std::string text() const;
};

// What the names of one company may be, besides the convention; empty parts allow anything.
struct NameRules {
  std::string customer = {};
  std::string project = {};
  std::vector<std::string> components = {};
  // Bytes of the longest name of a stack's service; 0: the longest component, which is a service,
  // or usual_service_name where nobody knows the components either.
  std::size_t longest_service = 0;
};
inline constexpr std::size_t usual_service_name = 9;

// Of any company, for names whose services are checked later: one letter is the least that they
// are called.
inline const NameRules any_company{.longest_service = 1};

// The most bytes that a name may have. Swarm calls a service STACK_SERVICE, with 63 altogether.
[[nodiscard]] std::size_t longest_name(ResourceType type, const NameRules& rules);

// Lower case letters and digits, first a letter.
[[nodiscard]] Result<> check_segment(std::string_view text);

// bad_input says which part is wrong, and what to write.
[[nodiscard]] Result<ResourceName> parse_name(ResourceType type, std::string_view text,
                                              const NameRules& rules = any_company);
// The same for parts that were given one by one.
[[nodiscard]] Result<> check_name(ResourceType type, const ResourceName& name,
                                  const NameRules& rules = any_company);

// How many bytes are left behind the name: of a Worker for a preview alias, of a stack for the
// longest name of a service, of a VM for the slug of a preview, of others to their limit.
[[nodiscard]] std::size_t room_behind(ResourceType type, std::string_view name);

// The convention's word for a class or a Wrangler environment: "production" is "prod". Empty when
// it has none.
[[nodiscard]] std::string_view environment_segment(std::string_view environment);

// How many bytes of a slug fit into a stack's name in front of its longest service's name.
[[nodiscard]] std::size_t stack_slug_room(const NameRules& rules);

}  // namespace pca
