#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "runner/capture.hpp"
#include "runner/redactor.hpp"
#include "runner/remote_text.hpp"
#include "runner/reporter.hpp"
#include "tunnel-ssh/remote_run.hpp"

namespace pca::tunnel_ssh {

// How the output of hosts is shown and kept.
struct OutputSettings {
  bool grouped = false;  // each host's output as one block when it has ended, else line by line
  bool capture_out = true;
  bool capture_err = true;
  std::size_t capture_limit = std::size_t{64} * 1024;
  std::size_t group_limit = std::size_t{16} << 20U;  // of what waits to be shown as a block
};

// One host's words on their way to the log, to the outputs and to the summary. Memory and disk stay
// bounded whatever comes: a group waits in an unlinked temporary file that only this user can read,
// up to its limit; how much is left out of it, and why, stands at its end.
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
  // At most 20 lines of both, redacted; all of them only after finish().
  [[nodiscard]] std::string last_words() const;

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  // Its stdout or stderr. Apart, so that no line of one lands in the middle of one of the other's.
  struct Stream {
    explicit Stream(const Redactor& redactor);
    std::unique_ptr<RemoteOutput> shown;  // as it comes; null with a spool
    RedactingStream redacting;            // before text is cut anywhere: a part is not recognised
    RemoteTextFilter filter;              // for the spool, which gets whole lines
    std::string begun;                    // a line that has not ended yet, for the last words
  };

  void show(Stream& stream, std::string_view text);
  void show_redacted(Stream& stream, std::string_view text);
  void write_to_spool(std::string_view lines);
  void remember(Stream& stream, std::string_view text);
  void keep(std::string_view text);
  void finish_group();
  void show_group();
  [[nodiscard]] std::string left_out_note() const;

  Reporter& reporter_;
  const OutputSettings settings_;
  const std::string host_;
  std::mutex& turn_;
  Stream out_stream_;
  Stream err_stream_;
  std::unique_ptr<std::FILE, CloseFile> spool_;
  std::size_t spooled_ = 0;
  std::uint64_t left_out_ = 0;  // bytes; once there are any, all that follows is left out too
  int spool_error_ = 0;         // why the spool took no more, or 0 for its limit
  Capture out_;
  Capture err_;
  std::string tail_;  // whole lines of both
  bool tail_is_cut_ = false;
};

}  // namespace pca::tunnel_ssh
