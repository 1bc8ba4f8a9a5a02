// Times whole commands side by side: each in turn, round by round, so that a machine that slows
// down slows all of them. Ratios are taken pair by pair within a round, against the first command.
// usage: measure ROUNDS [--target=FIGURE,MOST,PEER ...] NAME=COMMAND [NAME=COMMAND ...]
//   Commands are given to sh -c. A target is what the first command's wall or cpu may at most be of
//   its peer's; a peer that is not among the names is told as "no peer here".
// Prints a Markdown table, and one of the targets. Exit 1 when a command fails: a failed run has no
// time. A target that is missed is told, and no failure.

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Figures {
  double wall_ms = 0;
  double cpu_ms = 0;   // user and system time of the command and all its descendants
  double rss_mib = 0;  // of the largest single process
};

struct Contender {
  std::string name;
  std::string command;
  std::vector<Figures> rounds;
};

struct Target {
  std::string_view figure;  // "wall" or "cpu"
  double most = 0;
  std::string_view peer;
};

double milliseconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1000 + static_cast<double>(time.tv_usec) / 1000;
}

double cpu_of_children() {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  return milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime);
}

// Runs one command and waits for every descendant: main() made this process their subreaper, so an
// orphaned ProxyCommand is counted too.
bool run(const std::string& command, Figures& figures) {
  const double cpu_before = cpu_of_children();
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  bool succeeded = false;
  for (;;) {
    int status = 0;
    rusage usage{};
    const pid_t ended = wait4(-1, &status, 0, &usage);
    if (ended < 0 && errno == EINTR) continue;
    if (ended < 0) break;
    figures.rss_mib = std::max(figures.rss_mib, static_cast<double>(usage.ru_maxrss) / 1024);
    if (ended == child) {
      succeeded = WIFEXITED(status) && WEXITSTATUS(status) == 0;
      figures.wall_ms =
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
              .count();
    }
  }
  figures.cpu_ms = cpu_of_children() - cpu_before;
  return succeeded;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double median_of(const Contender& contender, double Figures::*figure) {
  std::vector<double> values;
  for (const Figures& round : contender.rounds) values.push_back(round.*figure);
  return median(values);
}

double median_ratio(const Contender& contender, const Contender& first, double Figures::*figure) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < contender.rounds.size(); ++i) {
    ratios.push_back(contender.rounds[i].*figure / std::max(first.rounds[i].*figure, 0.001));
  }
  return median(ratios);
}

void print_table(const std::vector<Contender>& contenders) {
  std::fputs("| | wall | ratio | CPU | ratio | peak memory |\n|---|---|---|---|---|---|\n", stdout);
  for (const Contender& contender : contenders) {
    const Contender& first = contenders.front();
    std::fputs(fmt::format("| {} | {:.1f} ms | {:.2f} | {:.1f} ms | {:.2f} | {:.1f} MiB |\n",
                           contender.name, median_of(contender, &Figures::wall_ms),
                           median_ratio(contender, first, &Figures::wall_ms),
                           median_of(contender, &Figures::cpu_ms),
                           median_ratio(contender, first, &Figures::cpu_ms),
                           median_of(contender, &Figures::rss_mib))
                   .c_str(),
               stdout);
  }
}

void print_targets(const std::vector<Contender>& contenders, const std::vector<Target>& targets) {
  if (targets.empty()) return;
  std::fputs("\n| target | ratio | at most | |\n|---|---|---|---|\n", stdout);
  for (const Target& target : targets) {
    const Contender& ours = contenders.front();
    const auto peer = std::find_if(contenders.begin(), contenders.end(),
                                   [&](const Contender& one) { return one.name == target.peer; });
    std::string ratio = "-";
    const char* verdict = "no peer here";
    if (peer != contenders.end()) {
      const double measured =
          median_ratio(ours, *peer, target.figure == "cpu" ? &Figures::cpu_ms : &Figures::wall_ms);
      ratio = fmt::format("{:.2f}", measured);
      verdict = measured <= target.most ? "met" : "MISSED";
    }
    std::fputs(fmt::format("| {}: {} / {} | {} | {:.2f} | {} |\n", target.figure, ours.name,
                           target.peer, ratio, target.most, verdict)
                   .c_str(),
               stdout);
  }
}

bool add_target(std::string_view text, std::vector<Target>& targets) {
  const std::size_t first = text.find(',');
  const std::size_t second = text.find(',', first == std::string_view::npos ? first : first + 1);
  if (second == std::string_view::npos) return false;
  Target target;
  target.figure = text.substr(0, first);
  target.most =
      std::strtod(std::string(text.substr(first + 1, second - first - 1)).c_str(), nullptr);
  target.peer = text.substr(second + 1);
  targets.push_back(target);
  return (target.figure == "wall" || target.figure == "cpu") && target.most > 0;
}

}  // namespace

int main(int argc, char** argv) {
  constexpr std::string_view target_flag = "--target=";
  std::vector<Contender> contenders;
  std::vector<Target> targets;
  for (int i = 2; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with(target_flag)) {
      if (!add_target(argument.substr(target_flag.size()), targets)) contenders.clear();
      continue;
    }
    const std::size_t split = argument.find('=');
    if (split == std::string_view::npos) break;
    contenders.push_back(
        {std::string(argument.substr(0, split)), std::string(argument.substr(split + 1)), {}});
  }
  const long rounds = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 0;
  if (rounds < 1 || contenders.empty()) {
    std::fputs(
        "usage: measure ROUNDS [--target=FIGURE,MOST,PEER ...] NAME=COMMAND [NAME=COMMAND ...]\n",
        stderr);
    return 2;
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (long round = 0; round <= rounds; ++round) {  // round 0 warms up and is not counted
    for (Contender& contender : contenders) {
      Figures figures;
      if (!run(contender.command, figures)) {
        std::fputs(
            fmt::format("error: \"{}\" failed: {}\n", contender.name, contender.command).c_str(),
            stderr);
        return 1;
      }
      if (round > 0) contender.rounds.push_back(figures);
    }
  }
  print_table(contenders);
  print_targets(contenders, targets);
  return 0;
}
