#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/proxmox_errors.hpp"

namespace pca::sandbox::proxmox {

// What a request says, in the order it was said; a list's items have the same name.
using Parameters = std::vector<std::pair<std::string, std::string>>;

// Decodes a query or a form, as the server does: ';' separates too, '+' is a blank.
[[nodiscard]] Parameters parse_form(std::string_view text);
// A JSON object of texts, numbers, booleans and lists of them.
[[nodiscard]] Outcome<Parameters> parse_json_form(std::string_view text);

// What one parameter of an endpoint may be.
struct ParameterRule {
  std::string name;  // "net[n]": with a number behind it
  std::string type;  // "integer", "boolean", "number", "string", "array"
  bool required = false;
  std::optional<double> least = {};
  std::optional<double> most = {};
  std::size_t most_length = 0;  // 0: any
  std::size_t least_length = 0;
  std::string format = {};  // "dns-name"
  std::vector<std::string> choices = {};
  [[nodiscard]] bool is_called(std::string_view given) const;
};

// Reads a table's text: "newid!:vmid name:dns-name full:boolean": names, "!" for what is required,
// and a type, a format, a range "integer(0..30)", a length "string(40)" or choices "{iso|import}".
[[nodiscard]] std::vector<ParameterRule> parse_rules(std::string_view text);

// 400 with everything that is wrong, in the server's words.
[[nodiscard]] std::optional<Failure> check_parameters(const std::vector<ParameterRule>& rules,
                                                      const Parameters& given);

// "virtio=BC:24:11:00:00:01,bridge=vmbr0": parts by name; one without a name is called `first`.
[[nodiscard]] Parameters parse_property(std::string_view text, std::string_view first = "");
[[nodiscard]] std::string property_text(const Parameters& parts, std::string_view first = "");
[[nodiscard]] std::string value_in(const Parameters& parts, std::string_view name);

}  // namespace pca::sandbox::proxmox
