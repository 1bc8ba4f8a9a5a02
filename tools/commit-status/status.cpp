#include "commit-status/status.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pca::commit_status {

namespace {

constexpr std::size_t longest_url = 2048;
constexpr std::size_t most_statuses = 100;
constexpr char32_t joiner = 0x200D;
constexpr std::string_view ellipsis = "\xE2\x80\xA6";

struct Range {
  char32_t first;
  char32_t last;
};

// Code points that belong to the character before them: marks of the scripts that have them,
// variation selectors, skin tones, tags. Unicode's Grapheme_Extend, by blocks where all or nearly
// all of a block is; to keep a mark too many together with its letter does no harm.
constexpr Range extending[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},   {0x05BF, 0x05C7},   {0x0610, 0x061A},
    {0x064B, 0x065F}, {0x0670, 0x0670}, {0x06D6, 0x06ED},   {0x0711, 0x0711},   {0x0730, 0x074A},
    {0x0816, 0x082D}, {0x0859, 0x085B}, {0x08CA, 0x0903},   {0x093A, 0x093C},   {0x093E, 0x094F},
    {0x0951, 0x0957}, {0x0981, 0x0983}, {0x09BC, 0x09BC},   {0x09BE, 0x09CD},   {0x0A01, 0x0A03},
    {0x0A3C, 0x0A4D}, {0x0A81, 0x0A83}, {0x0ABC, 0x0ACD},   {0x0B01, 0x0B03},   {0x0B3C, 0x0B57},
    {0x0B82, 0x0B82}, {0x0BBE, 0x0BCD}, {0x0C00, 0x0C04},   {0x0C3E, 0x0C56},   {0x0C81, 0x0C83},
    {0x0CBC, 0x0CD6}, {0x0D00, 0x0D03}, {0x0D3B, 0x0D4D},   {0x0DCA, 0x0DDF},   {0x0E31, 0x0E31},
    {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E}, {0x0EB1, 0x0EB1},   {0x0EB4, 0x0EBC},   {0x0EC8, 0x0ECE},
    {0x0F71, 0x0F84}, {0x0F8D, 0x0FBC}, {0x102B, 0x103E},   {0x135D, 0x135F},   {0x17B4, 0x17D3},
    {0x1AB0, 0x1AFF}, {0x1B34, 0x1B44}, {0x1DC0, 0x1DFF},   {0x200C, joiner},   {0x20D0, 0x20FF},
    {0x302A, 0x302F}, {0x3099, 0x309A}, {0xA66F, 0xA672},   {0xA674, 0xA67D},   {0xA8E0, 0xA8F1},
    {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0x1F3FB, 0x1F3FF}, {0xE0020, 0xE007F}, {0xE0100, 0xE01EF},
};

bool extends(char32_t code_point) {
  return std::any_of(std::begin(extending), std::end(extending), [&](const Range& range) {
    return code_point >= range.first && code_point <= range.last;
  });
}

bool is_flag_letter(char32_t code_point) { return code_point >= 0x1F1E6 && code_point <= 0x1F1FF; }
// Hangul's vowels and final consonants join the syllable before them.
bool joins_syllable(char32_t code_point) { return code_point >= 0x1160 && code_point <= 0x11FF; }

std::vector<char32_t> code_points_of(std::string_view text) {
  std::vector<char32_t> all;
  while (!text.empty()) {
    const CodePoint next = next_code_point(text);
    all.push_back(next.value);
    text.remove_prefix(next.size);
  }
  return all;
}

// Whether nobody sees a character cut in two between `all[at - 1]` and `all[at]`.
bool is_border(const std::vector<char32_t>& all, std::size_t at) {
  if (at == 0 || at >= all.size()) return true;
  if (extends(all[at]) || joins_syllable(all[at]) || all[at - 1] == joiner) return false;
  if (!is_flag_letter(all[at])) return true;
  std::size_t letters = 0;  // a flag is two of them
  while (letters < at && is_flag_letter(all[at - 1 - letters])) ++letters;
  return letters % 2 == 0;
}

std::string one_line(std::string_view text) {
  std::string out = to_valid_utf8(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return (c >= 0 && c < ' ') || c == '\x7F'; }, ' ');
  return std::string(trim(out));
}

Error in_entry(std::size_t number, const Error& error) {
  return bad_input(fmt::format("entry {}: {}", number, error.message), error.hint);
}

// The text of `key`; empty when it is absent or null.
Result<std::string> text_of(const Json& entry, std::string_view key) {
  const Json* value = entry.find(key);
  if (value == nullptr || value->is_null()) return std::string();
  if (value->as_string() != nullptr) return *value->as_string();
  return bad_input(fmt::format("{} is no text", key), "Write it in double quotes.");
}

Result<Status> parse_entry(const Json& entry, bool strict) {
  const std::vector<std::string> known{"context", "state", "description", "target_url"};
  const std::string cure = "Write {\"context\": \"deploy\", \"state\": \"success\"}.";
  if (entry.as_object() == nullptr) return bad_input("is no JSON object", cure);
  for (const auto& [key, value] : *entry.as_object()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = nearest(key, known);
    return bad_input(fmt::format("the key {} is unknown", shown(key)),
                     near.empty() ? cure : fmt::format("Did you mean {}?", near));
  }
  Status status;
  PCA_TRY(const std::string state, text_of(entry, "state"));
  PCA_TRY(status.state, parse_state(state));
  PCA_TRY(status.context, text_of(entry, "context"));
  PCA_CHECK(check_context(status.context));
  PCA_TRY(const std::string description, text_of(entry, "description"));
  if (strict && is_too_long(description)) {
    return bad_input(
        fmt::format("its description is longer than {} characters", longest_description),
        "Shorten it, or leave out strict.");
  }
  status.description = fit_description(description);
  PCA_TRY(status.target_url, text_of(entry, "target_url"));
  if (!status.target_url.empty()) PCA_CHECK(check_target_url(status.target_url));
  return status;
}

}  // namespace

Result<std::string> parse_state(std::string_view text) {
  if (text == "cancelled") return std::string("error");
  if (text == "skipped") return std::string("success");
  for (const char* state : {"error", "failure", "pending", "success"}) {
    if (text == state) return std::string(state);
  }
  return bad_input(text.empty() ? "state is missing" : fmt::format("{} is no state", shown(text)),
                   "Write success, failure, error, pending, cancelled or skipped.");
}

bool is_too_long(std::string_view description) {
  return code_points_of(one_line(description)).size() > longest_description;
}

std::string fit_description(std::string_view text) {
  const std::string line = one_line(text);
  const std::vector<char32_t> all = code_points_of(line);
  if (all.size() <= longest_description) return line;
  std::size_t size = longest_description - 1;
  while (size > 0 && !is_border(all, size)) --size;
  // One character of more than all that: it is cut after all.
  if (size == 0) size = longest_description - 1;
  std::string out;
  for (std::size_t i = 0; i < size; ++i) append_utf8(out, all[i]);
  return out.append(ellipsis);
}

Result<> check_context(std::string_view text) {
  if (trim(text).empty()) return bad_input("a context is empty", "Name what the status is about.");
  if (visible(text) != text || text.find('\t') != std::string_view::npos) {
    return bad_input(fmt::format("the context {} holds control characters", shown(text)),
                     "Write it in one line of plain text.");
  }
  if (code_points_of(text).size() > longest_context) {
    return bad_input(fmt::format("a context is longer than {} characters", longest_context),
                     "Shorten it.");
  }
  return {};
}

Result<> check_target_url(std::string_view text) {
  const std::string cure = "Write an address that begins with https:// or http://.";
  const std::size_t host = text.find("://") + 3;
  if (!text.starts_with("https://") && !text.starts_with("http://")) {
    return bad_input("is no web address", cure);
  }
  if (text.size() > longest_url) {
    return bad_input(fmt::format("is longer than {} characters", longest_url), cure);
  }
  const std::string_view authority = text.substr(host, text.find_first_of("/?#", host) - host);
  if (authority.empty()) return bad_input("names no host", cure);
  // Not shown: it may hold a password.
  if (authority.find('@') != std::string_view::npos) {
    return bad_input("holds a user or password, which everybody would see", "Leave them out.");
  }
  if (std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c == '\x7F'; })) {
    return bad_input("holds blanks or characters that no address has", "Percent-encode them.");
  }
  return {};
}

Batch parse_batch(std::string_view json, bool strict) {
  Batch batch;
  const std::string cure = "Write a JSON array of objects with context and state.";
  const auto parsed =
      parse_json(json, {.bytes = std::size_t{1024} * 1024, .depth = 8, .values = 10'000});
  if (!parsed) {
    batch.mistakes.push_back(bad_input(parsed.error().message, cure));
    return batch;
  }
  const Json::Array* entries = parsed->as_array();
  if (entries == nullptr || entries->empty() || entries->size() > most_statuses) {
    batch.mistakes.push_back(bad_input(
        entries == nullptr
            ? "is no JSON array"
            : fmt::format("has {} entries instead of 1 to {}", entries->size(), most_statuses),
        cure));
    return batch;
  }
  std::size_t number = 0;
  for (const Json& entry : *entries) {
    auto status = parse_entry(entry, strict);
    ++number;
    status ? batch.statuses.push_back(*std::move(status))
           : batch.mistakes.push_back(in_entry(number, status.error()));
  }
  return batch;
}

std::vector<Status> without_doubles(std::vector<Status> statuses, int& dropped) {
  std::vector<Status> kept;
  for (auto status = statuses.rbegin(); status != statuses.rend(); ++status) {
    const bool comes_later = std::any_of(kept.begin(), kept.end(), [&](const Status& other) {
      return equals_ignoring_case(other.context, status->context);
    });
    comes_later ? static_cast<void>(++dropped) : kept.push_back(std::move(*status));
  }
  std::reverse(kept.begin(), kept.end());
  return kept;
}

Json to_json(const Status& status) {
  Json body = Json::object();
  body.set("state", status.state).set("context", status.context);
  body.set("description", status.description);
  if (!status.target_url.empty()) body.set("target_url", status.target_url);
  return body;
}

}  // namespace pca::commit_status
