#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "runner/capture.hpp"
#include "runner/redactor.hpp"
#include "runner/reporter.hpp"
#include "tunnel-ssh/remote_run.hpp"

namespace pca::tunnel_ssh {

// How the output of hosts is shown and kept.
struct OutputSettings {
  bool grouped = false;  // each host's output as one block when it has ended, else line by line
  bool capture_out = true;
  bool capture_err = true;
  std::size_t capture_limit = std::size_t{64} * 1024;
};

// One host's words on their way to the log, to the outputs and to the summary. Memory stays bounded
// whatever comes: a group waits in an unlinked temporary file that only this user can read.
// One thread; several objects may be in use at once when they share `turn`, which keeps groups
// apart. `reporter`, `redactor` and `turn` are borrowed.
class HostOutput {
 public:
  HostOutput(Reporter& reporter, const Redactor& redactor, const OutputSettings& settings,
             std::string host, bool is_only_host, std::mutex& turn);
  HostOutput(const HostOutput&) = delete;
  HostOutput& operator=(const HostOutput&) = delete;

  // Functions that give text to this object, which outlives them.
  [[nodiscard]] RunSinks sinks();
  // Shows what is still held back. To be called once, after the last text.
  void finish();

  [[nodiscard]] std::string out() const { return out_.text(); }
  [[nodiscard]] std::string err() const { return err_.text(); }
  [[nodiscard]] std::string last_words() const;  // at most 20 lines of both, redacted

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  void show(RemoteOutput* stream, std::string_view text);
  void write_to_spool(std::string_view text);
  void remember(std::string_view text);
  void show_group();

  Reporter& reporter_;
  const OutputSettings settings_;
  const std::string host_;
  std::mutex& turn_;
  std::unique_ptr<RemoteOutput> shown_out_;  // apart, so that a line of one never holds the other's
  std::unique_ptr<RemoteOutput> shown_err_;
  std::unique_ptr<std::FILE, CloseFile> spool_;
  Capture out_;
  Capture err_;
  RedactingStream redacting_;  // of both, for the spool
  std::string tail_;           // of both, not redacted
  bool tail_is_cut_ = false;
};

}  // namespace pca::tunnel_ssh
