#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.hpp"
#include "tunnel-ssh/remote_shell.hpp"

namespace pca::tunnel_ssh {

// A stream of pieces to a block of code that puts them together again (upload_pieces below). One
// channel carries no more than its window, 2 MiB of an OpenSSH server, in a round trip; so on a
// long way further channels carry pieces beside the shell's own, each into a FIFO of the host. The
// shell's own channel names the pieces in their order, a line each:
//
//     N       so many bytes, which follow here
//     lane L  lane L has a writer from now on
//     N L     so many bytes, by way of lane L
//     end     that was all. Only after it is anything done with what came.
//
// Not thread safe; the shell outlives it.
class UploadLanes {
 public:
  // Asks the host for `count` channels. Those that it refuses, or gives too late, are not used.
  UploadLanes(RemoteShell& shell, int count);
  ~UploadLanes();
  UploadLanes(const UploadLanes&) = delete;
  UploadLanes& operator=(const UploadLanes&) = delete;

  // For $upload_lanes of the block: the numbers of the lanes.
  [[nodiscard]] std::string numbers() const;
  // What the block prints: the folder of the FIFOs, once they are there.
  void hear(std::string_view said);
  // Moves what goes now. False when nothing moved. Never an Error: see is_broken().
  bool step();

  // Takes charge of a piece; gives what is to be sent on the shell's own channel: only the piece's
  // line if a lane takes it, else the piece as well.
  [[nodiscard]] std::string carry(std::string piece);
  // There are no more pieces.
  void finish() { is_finished_ = true; }
  // Whether the host has all that the lanes carried, after finish().
  [[nodiscard]] bool is_through() const;
  // Whether a lane ended before that: what has come to the host is not whole.
  [[nodiscard]] bool is_broken() const { return is_broken_; }

 private:
  struct Lane;
  [[nodiscard]] bool step(Lane& lane);

  std::vector<Lane> lanes_;
  std::string said_;
  bool is_told_ = false;
  bool is_finished_ = false;
  bool is_broken_ = false;
};

// How many lanes it takes beside the shell's channel for so many bytes with this round trip.
[[nodiscard]] int lanes_for(std::uint64_t bytes, Clock::duration round_trip);

// Functions of POSIX sh. Given: $upload_lanes, $unpack_archive (a command), and a current folder of
// their own.
// pieces: prints the pieces, and makes the file "whole" at their end; descriptor 3 is the block's
// stdout. A lane's FIFO is first opened for both, which waits for nobody, and for reading only when
// it has a writer: so whichever end is left over sees that the other is gone.
// unpack_pieces: unpacks the archive that they are into the folder $1. tar takes an archive that
// ends between two entries for a whole one, so it looks for the file.
constexpr std::string_view upload_pieces = R"sh(
pieces() {
  for lane in $upload_lanes; do
    mkfifo "lane$lane" && eval "exec $lane<>lane$lane" || return
  done
  [ -z "$upload_lanes" ] || pwd >&3
  while read -r n lane; do
    case $n in
      end) : >whole; return;;
      lane) eval "exec $lane<lane$lane" || return;;
      *[!0-9]*) return 1;;
      *) eval "head -c \$n <&${lane:-0}" || return;;
    esac
  done
}
unpack_pieces() {
  rm -f whole
  { pieces | $unpack_archive | tar -x -o -m -f - -C "$1"; } 3>&1 || return
  [ -e whole ] || { echo 'what was sent was cut short' >&2; return 1; }
}
)sh";

}  // namespace pca::tunnel_ssh
