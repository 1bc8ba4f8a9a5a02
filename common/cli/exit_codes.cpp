#include "cli/exit_codes.hpp"

#include <array>

namespace pca {

namespace {

constexpr std::array<ExitCode, 11> table{{
    {0, "done, or nothing to do"},
    {1, "the thing asked for failed; nothing needed undoing"},
    {2, "bad input; nothing was contacted"},
    {3, "failed and rolled back: the target is as before"},
    {4, "rollback failed or the outcome is unknown: someone must look"},
    {5, "identity or permission: host key, TLS, token, Access, rights"},
    {6, "unreachable or timed out"},
    {7, "conflict: lock held, release on hold, changed meanwhile"},
    {8, "`plan --exit-code`: there are changes"},
    {70, "a bug in the tool: please report it"},
    {128, "plus n: ended by signal n, after clean-up"},
}};

}  // namespace

std::span<const ExitCode> exit_code_table() { return table; }

int exit_code_for(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::failed:
      return 1;
    case ErrorKind::bad_input:
      return 2;
    case ErrorKind::rolled_back:
      return 3;
    case ErrorKind::outcome_unknown:
      return 4;
    case ErrorKind::permission:
      return 5;
    case ErrorKind::unreachable:
      return 6;
    case ErrorKind::conflict:
      return 7;
    case ErrorKind::cancelled:
      return 130;
    case ErrorKind::bug:
      return 70;
  }
  return 70;
}

}  // namespace pca
