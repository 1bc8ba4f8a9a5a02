#include "swarm-deploy/interpolation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr int deepest = 20;
constexpr std::size_t longest = std::size_t{1024} * 1024;  // of a text, with all values in it

bool begins_name(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_in_name(char c) { return begins_name(c) || (c >= '0' && c <= '9'); }

std::string_view name_at(std::string_view text) {
  if (text.empty() || !begins_name(text.front())) return {};
  const auto end = std::find_if_not(text.begin(), text.end(), is_in_name);
  return text.substr(0, static_cast<std::size_t>(end - text.begin()));
}

// The operator that `text` begins with: "", "-", ":-", "?", ":?", "+" or ":+".
std::string_view operator_at(std::string_view text) {
  const std::size_t size = text.starts_with(':') ? 2 : 1;
  if (text.size() < size) return {};
  const char kind = text[size - 1];
  return kind == '-' || kind == '?' || kind == '+' ? text.substr(0, size) : std::string_view();
}

// How many bytes of `text` belong to the braces that were opened before it, the closing one
// included; npos when they are not closed.
std::size_t inside_braces(std::string_view text) {
  int depth = 1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '$' && i + 1 < text.size() && (text[i + 1] == '{' || text[i + 1] == '$')) {
      if (text[i + 1] == '{') ++depth;
      ++i;
    } else if (text[i] == '}' && --depth == 0) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

// Whether the docker CLI, which looks for one operator after the other anywhere, finds another one
// than that behind the name. What has braces of its own in it, it does not read to the end at all.
bool is_misread(std::string_view name, std::string_view kind, std::string_view inside) {
  if (kind.ends_with('+') || inside.find("${") != std::string_view::npos) return false;
  for (const std::string_view one : {":-", "-", ":?", "?"}) {
    if (const std::size_t at = inside.find(one); at != std::string_view::npos)
      return at != name.size();
  }
  return false;
}

Error no_template(std::string_view text) {
  return bad_input(fmt::format("{} holds a $ that begins no variable", shown(text)),
                   "Write $$ for a dollar sign, ${NAME} for a variable.");
}

class Interpolation {
 public:
  explicit Interpolation(const Variables& variables) : variables_(variables) {}

  Result<Interpolated> run(std::string_view text) {
    Interpolated done;
    PCA_TRY(done.text, expand(text, 0));
    done.unset = std::move(unset_);
    done.swallowed = std::move(swallowed_);
    done.misread = std::move(misread_);
    return done;
  }

 private:
  Result<std::string> expand(std::string_view text, int depth) {
    if (depth > deepest) return bad_input("variables stand more than 20 deep in each other");
    std::string out;
    for (std::string_view rest = text; !rest.empty();) {
      const std::size_t dollar = std::min(rest.find('$'), rest.size());
      out.append(rest.substr(0, dollar));
      rest.remove_prefix(dollar);
      if (rest.empty()) break;
      rest.remove_prefix(1);
      if (rest.starts_with('$')) {
        out += '$';
        rest.remove_prefix(1);
      } else if (rest.starts_with('{')) {
        const std::size_t size = inside_braces(rest.substr(1));
        if (size == std::string_view::npos) return no_template(text);
        PCA_TRY(const std::string value, braced(text, rest.substr(1, size - 1), depth));
        out += value;
        rest.remove_prefix(size + 1);
      } else {
        PCA_TRY(const std::string value, bare(text, rest, depth));
        out += value;
      }
      if (out.size() > longest) return bad_input("the text with all variables in it is too long");
    }
    return out;
  }

  Result<std::string> braced(std::string_view whole, std::string_view inside, int depth) {
    const std::string_view name = name_at(inside);
    const std::string_view rest = inside.substr(name.size());
    const std::string_view kind = operator_at(rest);
    if (name.empty() || (kind.empty() && !rest.empty())) return no_template(whole);
    if (is_misread(name, kind, inside)) misread_.push_back(fmt::format("${{{}}}", inside));
    return value_of(name, kind, rest.substr(kind.size()), depth);
  }

  // Takes what it replaces off `rest`.
  Result<std::string> bare(std::string_view whole, std::string_view& rest, int depth) {
    const std::string_view name = name_at(rest);
    if (name.empty()) return no_template(whole);
    rest.remove_prefix(name.size());
    const std::string_view kind = operator_at(rest);
    if (kind.empty() || kind.ends_with('+')) return value_of(name, {}, {}, depth);
    const std::size_t end = std::min(rest.find('}'), rest.size());
    const std::string_view word = rest.substr(kind.size(), end - kind.size());
    if (variables_.contains(name))
      swallowed_.push_back(fmt::format("${}{}", name, rest.substr(0, end)));
    rest.remove_prefix(end);
    return value_of(name, kind, word, depth);
  }

  Result<std::string> value_of(std::string_view name, std::string_view kind, std::string_view word,
                               int depth) {
    const auto found = variables_.find(name);
    const bool is_set = found != variables_.end();
    const bool counts = is_set && (!kind.starts_with(':') || !found->second.empty());
    if (kind.ends_with('+')) return counts ? expand(word, depth + 1) : std::string();
    if (counts) return found->second;
    if (kind.ends_with('-')) return expand(word, depth + 1);
    if (kind.ends_with('?')) {
      PCA_TRY(const std::string why, expand(word, depth + 1));
      return bad_input(fmt::format("the variable {} is {}{}{}", name, is_set ? "empty" : "not set",
                                   why.empty() ? "" : ": ", visible(why)),
                       "Give it by vars or env-file, or set it in the step's environment.");
    }
    if (!is_set) unset_.emplace_back(name);
    return is_set ? found->second : std::string();
  }

  const Variables& variables_;
  std::vector<std::string> unset_;
  std::vector<std::string> swallowed_;
  std::vector<std::string> misread_;
};

}  // namespace

Result<Interpolated> interpolate(std::string_view text, const Variables& variables) {
  return Interpolation(variables).run(text);
}

}  // namespace pca::swarm_deploy
