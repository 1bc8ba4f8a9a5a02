#include "deploy-policy/shell_commands.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace pca::deploy_policy {

namespace {

constexpr int deepest = 8;  // "$(...)" in "$(...)"
constexpr std::size_t most_commands = 10'000;

// Words that a command may stand behind.
bool is_keyword(std::string_view word) {
  constexpr std::array<std::string_view, 13> keywords{
      "if", "then", "else", "elif", "fi", "while", "until", "do", "done", "!", "{", "}", "time"};
  return std::find(keywords.begin(), keywords.end(), word) != keywords.end();
}

// Reads one script from left to right.
class Reader {
 public:
  Reader(std::string_view text, std::size_t base, int depth, std::vector<ShellCommand>& into)
      : text_(text), base_(base), depth_(depth), into_(into) {}

  void read() {
    while (at_ < text_.size() && into_.size() < most_commands) step();
    end_command();
  }

 private:
  [[nodiscard]] char here() const { return text_[at_]; }
  [[nodiscard]] bool follows(std::string_view what) const {
    return text_.substr(at_).starts_with(what);
  }

  void step() {
    const char c = here();
    if (c == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') {
      at_ += 2;
      end_word();
    } else if (c == ' ' || c == '\t' || c == '\r') {
      ++at_;
      end_word();
    } else if (c == '\n') {
      ++at_;
      end_command();
      skip_here_documents();
    } else if (c == ';' || c == '&' || c == '|' || c == '(' || c == ')') {
      // ">&" and "2>&1" belong to a redirection.
      ++at_;
      end_command();
    } else if (c == '<' || c == '>') {
      redirection();
    } else if (c == '#' && !in_word_) {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else {
      part_of_word();
    }
  }

  void part_of_word() {
    if (!in_word_) {
      in_word_ = true;
      word_start_ = at_;
    }
    const char c = here();
    if (c == '\'') {
      const std::size_t end = std::min(text_.find('\'', at_ + 1), text_.size());
      word_ += text_.substr(at_ + 1, end - at_ - 1);
      at_ = std::min(end + 1, text_.size());
    } else if (c == '"') {
      quoted();
    } else if (follows("${{")) {
      expression();
    } else if (follows("$(")) {
      substitution();
    } else if (c == '`') {
      const std::size_t end = std::min(text_.find('`', at_ + 1), text_.size());
      nested(at_ + 1, end);
      word_ += "$()";
      at_ = std::min(end + 1, text_.size());
    } else if (c == '\\' && at_ + 1 < text_.size()) {
      word_ += text_[at_ + 1];
      at_ += 2;
    } else {
      word_ += c;
      ++at_;
    }
  }

  void quoted() {
    ++at_;
    while (at_ < text_.size() && here() != '"') {
      if (follows("${{")) {
        expression();
      } else if (follows("$(")) {
        substitution();
      } else if (here() == '\\' && at_ + 1 < text_.size()) {
        if (text_[at_ + 1] != '\n') word_ += text_[at_ + 1];
        at_ += 2;
      } else {
        word_ += here();
        ++at_;
      }
    }
    if (at_ < text_.size()) ++at_;
  }

  // GitHub's, which may hold any character.
  void expression() {
    std::size_t end = text_.find("}}", at_);
    end = end == std::string_view::npos ? text_.size() : end + 2;
    word_ += text_.substr(at_, end - at_);
    at_ = end;
  }

  void substitution() {
    std::size_t end = at_ + 2;
    for (int open = 1; end < text_.size(); ++end) {
      if (text_[end] == '(') ++open;
      if (text_[end] == ')' && --open == 0) break;
    }
    nested(at_ + 2, end);
    word_ += "$()";
    at_ = std::min(end + 1, text_.size());
  }

  void nested(std::size_t from, std::size_t to) {
    if (depth_ >= deepest) return;
    Reader(text_.substr(from, to - from), base_ + from, depth_ + 1, into_).read();
  }

  void redirection() {
    // A number before it belongs to it.
    if (in_word_ &&
        std::all_of(word_.begin(), word_.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      drop_word();
    }
    end_word();
    const bool is_here_document = follows("<<") && !follows("<<<");
    const bool may_indent = follows("<<-");
    while (at_ < text_.size() &&
           (here() == '<' || here() == '>' || here() == '&' || here() == '-' || here() == '|')) {
      ++at_;
    }
    while (at_ < text_.size() && (here() == ' ' || here() == '\t')) ++at_;
    const std::size_t commands = into_.size();
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n;&|()<>").find(here()) == std::string_view::npos) {
      part_of_word();
    }
    if (is_here_document && into_.size() == commands) {
      here_documents_.push_back({word_, may_indent});
    }
    drop_word();
  }

  void skip_here_documents() {
    for (const auto& [delimiter, may_indent] : here_documents_) {
      while (at_ < text_.size()) {
        const std::size_t end = std::min(text_.find('\n', at_), text_.size());
        std::string_view line = text_.substr(at_, end - at_);
        at_ = std::min(end + 1, text_.size());
        if (may_indent) line.remove_prefix(std::min(line.find_first_not_of('\t'), line.size()));
        if (line == delimiter) break;
      }
    }
    here_documents_.clear();
  }

  void drop_word() {
    word_.clear();
    in_word_ = false;
  }

  void end_word() {
    if (!in_word_) return;
    if (!(words_.empty() && is_keyword(word_))) {
      if (words_.empty()) command_start_ = word_start_;
      words_.push_back(std::move(word_));
    }
    drop_word();
  }

  void end_command() {
    end_word();
    if (!words_.empty()) into_.push_back({std::move(words_), base_ + command_start_});
    words_.clear();
  }

  struct HereDocument {
    std::string delimiter;
    bool may_indent = false;
  };

  std::string_view text_;
  std::size_t base_;
  int depth_;
  std::vector<ShellCommand>& into_;
  std::size_t at_ = 0;
  std::string word_;
  bool in_word_ = false;
  std::size_t word_start_ = 0;
  std::size_t command_start_ = 0;
  std::vector<std::string> words_;
  std::vector<HereDocument> here_documents_;
};

}  // namespace

std::vector<ShellCommand> shell_commands(std::string_view script) {
  std::vector<ShellCommand> commands;
  Reader(script, 0, 0, commands).read();
  return commands;
}

}  // namespace pca::deploy_policy
