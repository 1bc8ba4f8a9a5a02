#include "proxmox-deploy/file_push.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/backoff.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "cli/transfer.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::uint64_t longest_file = 64ULL * 1024 * 1024;
constexpr std::size_t piece_size = 46'080;  // 60 KiB of base64; the agent takes 64 KiB
constexpr std::size_t most_files = 100;
constexpr std::size_t longest_destination = 1000;
constexpr Milliseconds removing_limit{5'000};
// What was not heard of is done again: a piece says where it belongs.
constexpr RetryPolicy again{.tries = 5, .first = Milliseconds{500}};

// $@ = destinations. A line each: how it is there.
constexpr std::string_view look = R"sh(
for f; do
  if [ -d "$f" ]; then echo folder
  elif [ -e "$f" ]; then echo "$(sha256sum <"$f" | cut -c1-64) $(stat -L -c %a "$f")"
  elif [ -d "${f%/*}/" ]; then echo new
  else echo no-folder
  fi
done
)sh";

// $1 = destination, $2 = the file beside it, $3 = number of the piece, which is stdin in base64.
// With the last one: $4 = SHA-256 of all, $5 = mode or nothing, $6 = mode of a new file. Whether
// that was done before is looked at first, for one that comes twice.
constexpr std::string_view write = R"sh(
umask 077
is_there() { [ "$(sha256sum <"$1" | cut -c1-64)" = "$2" ]; }
if [ "$4" ] && [ ! -e "$2" ] && [ -e "$1" ] && is_there "$1" "$4"; then
  chmod "${5:-$(stat -L -c %a "$1")}" "$1"
  exit
fi
base64 -d | dd of="$2" bs=46080 seek="$3" conv=notrunc || exit 1
[ "$4" ] || exit 0
is_there "$2" "$4" || { echo 'what arrived is not what was sent' >&2; exit 1; }
mode=$5
if [ -e "$1" ]; then
  chown "$(stat -L -c %u:%g "$1")" "$2" || exit 1
  mode=${mode:-$(stat -L -c %a "$1")}
fi
chmod "${mode:-$6}" "$2" && mv -f "$2" "$1"
)sh";

class Pushing {
 public:
  Pushing(const Budget& budget, ProxmoxApi& api, const Guest& guest, const PushProgress& told)
      : budget_(budget), api_(api), guest_(guest), told_(told) {}

  ApiResult<int> run(const std::vector<PushedFile>& files) {
    PCA_TRY(const auto wanted, choose(files));
    for (const PushedFile* file : wanted) PCA_CHECK(push(*file));
    return static_cast<int>(wanted.size());
  }

 private:
  // Those that are not as they should be.
  ApiResult<std::vector<const PushedFile*>> choose(const std::vector<PushedFile>& files) {
    std::vector<std::string> destinations;
    for (const PushedFile& file : files) destinations.push_back(file.destination);
    PCA_TRY(const AgentExit exit, exec({.words = shell_words(look, destinations)}));
    const auto lines = split_list(exit.out);
    if (exit.code != 0 || lines.size() != files.size()) {
      return {ApiFailure(failed(
          fmt::format("guest {} cannot be looked into: {}", guest_.text(), last_line(exit.err)),
          "It needs sh, sha256sum and stat."))};
    }
    std::vector<const PushedFile*> wanted;
    for (std::size_t i = 0; i < files.size(); ++i) {
      const PushedFile& file = files[i];
      const std::string& line = lines[i];
      if (line == "folder") return refuse(file, "is a folder", "Write the whole path of the file.");
      if (line == "no-folder") {
        return refuse(file, "has no folder to go into",
                      "Make it first, by \"proxmox-deploy run\".");
      }
      const bool is_right_mode =
          file.mode.empty() || line.ends_with(" " + without_zeros(file.mode));
      if (line.starts_with(file.digest + " ") && is_right_mode) continue;
      wanted.push_back(&file);
    }
    return wanted;
  }

  static std::string without_zeros(const std::string& mode) {
    return mode.substr(std::min(mode.find_first_not_of('0'), mode.size() - 1));
  }

  [[nodiscard]] ApiFailure refuse(const PushedFile& file, const char* what,
                                  const char* hint) const {
    return {failed(fmt::format("{} {} in guest {}", visible(file.destination), what, guest_.text()),
                   hint)};
  }

  ApiResult<> push(const PushedFile& file) {
    const std::size_t slash = file.destination.rfind('/') + 1;
    const std::string beside = fmt::format("{}.{}.{}.part", file.destination.substr(0, slash),
                                           file.destination.substr(slash), random_hex(8));
    auto done = push_pieces(file, beside);
    if (!done) {
      // Twice, for a piece that is on its way.
      (void)agent_exec(Budget::of(removing_limit), api_, guest_,
                       {.words = shell_words("rm -f \"$1\"; sleep 1; rm -f \"$1\"", {beside})})
          .has_value();
    }
    return done;
  }

  ApiResult<> push_pieces(const PushedFile& file, const std::string& beside) {
    const std::size_t pieces =
        std::max<std::size_t>(1, (file.content.size() + piece_size - 1) / piece_size);
    for (std::size_t number = 0; number < pieces; ++number) {
      const std::size_t begin = number * piece_size;
      const std::string piece = file.content.substr(begin, piece_size);
      std::vector<std::string> arguments{file.destination, beside, std::to_string(number), ""};
      if (number + 1 == pieces) {
        arguments.back() = file.digest;
        arguments.insert(arguments.end(), {file.mode, file.fallback_mode});
      }
      const AgentProgram program{
          .words = shell_words(write, std::move(arguments)),
          .input =
              base64_encode({reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size()}),
          .has_secrets = true};
      PCA_CHECK(push_piece(file, program));
      told_(file, begin + piece.size());
    }
    return {};
  }

  // May run more than once.
  ApiResult<AgentExit> exec(const AgentProgram& program) {
    const auto attempt = [&](int) -> Result<AgentExit> {
      auto exit = agent_exec(budget_, api_, guest_, program);
      if (exit) return *std::move(exit);
      Error error = std::move(exit).error();
      error.transient = error.transient || error.kind == ErrorKind::outcome_unknown ||
                        error.kind == ErrorKind::unreachable;
      return error;
    };
    auto exit = retry<AgentExit>(budget_, again, attempt);
    if (!exit) return {ApiFailure(std::move(exit).error())};
    return *std::move(exit);
  }

  ApiResult<> push_piece(const PushedFile& file, const AgentProgram& program) {
    PCA_TRY(const AgentExit exit, exec(program));
    if (exit.code == 0) return {};
    return {ApiFailure(
        failed(fmt::format("{} cannot be written in guest {}: {}", visible(file.destination),
                           guest_.text(), last_line(exit.err)),
               "The file that was there is as before."))};
  }

  const Budget& budget_;
  ProxmoxApi& api_;
  const Guest& guest_;
  const PushProgress& told_;
};

std::string read_mode(const Inputs& inputs, BadInputs& bad) {
  const std::string& mode = inputs.text("mode");
  const bool is_octal = mode.size() <= 4 && std::all_of(mode.begin(), mode.end(), [](char c) {
                          return c >= '0' && c <= '7';
                        });
  if (mode.empty() || (is_octal && mode.size() >= 3)) return mode;
  bad.add("mode", fmt::format("{} is no octal mode", shown(mode)), "Write 644 or 0755.");
  return {};
}

Result<> check_destination(const std::string& path) {
  const auto parts = split(path, '/');
  const bool has_dots = std::any_of(parts.begin(), parts.end(), [](const std::string& part) {
    return part == ".." || part == ".";
  });
  if (path.starts_with('/') && !path.ends_with('/') && !has_dots &&
      path.size() <= longest_destination && path == visible(path) &&
      path.find('\t') == std::string::npos) {
    return {};
  }
  return bad_input(fmt::format("{} is no whole path of a file in a guest", shown(path)),
                   "Write one like app.conf -> /etc/app/app.conf.");
}

Result<PushedFile> read_file(const Budget& budget, const std::string& line,
                             const std::string& mode) {
  PCA_TRY(const Transfer sides, parse_transfer(line));
  PCA_CHECK(check_destination(sides.destination));
  PushedFile file{.source = sides.source, .destination = sides.destination, .mode = mode};
  PCA_TRY(file.content, read_input_file(budget, sides.source, longest_file));
  file.digest = to_hex(sha256(file.content));
  std::error_code unknown;
  const auto permissions = std::filesystem::status(sides.source, unknown).permissions();
  const bool is_program = !unknown && (permissions & std::filesystem::perms::owner_exec) !=
                                          std::filesystem::perms::none;
  file.fallback_mode = is_program ? "755" : "644";
  return file;
}

}  // namespace

std::vector<Option> push_options(const std::string& group) {
  return {
      {.name = "upload",
       .type = OptionType::list,
       .help = "Files that go into the guest: SOURCE -> DESTINATION, one a line, of up to 64 MiB "
               "each; a link at the destination is replaced",
       .placeholder = "SOURCE -> DESTINATION",
       .group = group},
      {.name = "mode",
       .help = "Their permissions, octal; default: those of the file that is replaced, else 755 "
               "for what can be executed here and 644",
       .placeholder = "MODE",
       .group = group},
  };
}

std::vector<PushedFile> read_pushed_files(const Budget& budget, const Inputs& inputs,
                                          BadInputs& bad) {
  std::vector<PushedFile> files;
  const std::string mode = read_mode(inputs, bad);
  const auto& lines = inputs.list("upload");
  if (lines.size() > most_files) {
    bad.add("upload", fmt::format("has {} files; at most {}", lines.size(), most_files),
            "Send an archive, and unpack it by \"proxmox-deploy run\".");
    return files;
  }
  std::set<std::string> destinations;
  for (const std::string& line : lines) {
    auto file = read_file(budget, line, mode);
    if (!file) {
      bad.add("upload", file.error());
    } else if (!destinations.insert(file->destination).second) {
      bad.add("upload", fmt::format("{} is written twice", shown(file->destination)),
              "Name each destination once.");
    } else {
      files.push_back(*std::move(file));
    }
  }
  return files;
}

ApiResult<int> push_files(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                          const std::vector<PushedFile>& files, const PushProgress& told) {
  return Pushing(budget, api, guest, told).run(files);
}

}  // namespace pca::proxmox_deploy
