#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/secret.hpp"
#include "tunnel-ssh/file_tree.hpp"
#include "tunnel-ssh/health.hpp"
#include "tunnel-ssh/preview.hpp"
#include "tunnel-ssh/remote_shell.hpp"

namespace pca::tunnel_ssh {

// A line of .deploy/history.jsonl: what was done, and what came of it.
struct HistoryEntry {
  std::string time;     // by the host's clock, RFC 3339 in UTC
  std::string action;   // deploy, rollback, revert, hold, unhold, unlock
  std::string release;  // what it was about
  std::string previous;
  std::string result;  // deployed, rolled-back
  std::string commit;
  Json json;  // all of it
};

// What a host says about its folder of releases.
struct ReleaseState {
  std::string current;                // empty before the first deploy
  std::vector<std::string> releases;  // whole ones, from the oldest
  std::vector<HistoryEntry> history;  // from the oldest, the last 500
  std::optional<Json> hold;           // why newer deploys are refused
  bool is_locked = false;             // by this very process
  bool has_gzip = false;              // on the host; known once it is locked
  std::string lock;                   // by whom else, a line of JSON; empty = by nobody
  // Of the current release, as it was made. A file that has been written to since has no digest.
  FileTree tree;

  // How it was deployed; nullptr when the history does not say.
  [[nodiscard]] const HistoryEntry* entry_of(std::string_view release) const;
  // Whether `release` has been healthy and nothing bad is known of it since; by the history.
  [[nodiscard]] bool is_good(std::string_view release) const;
  // The newest good release there that is not the current one; empty when there is none.
  [[nodiscard]] std::string rollback_target() const;
  // Which releases need not be kept beside `kept` good ones, `current` and `previous`.
  [[nodiscard]] std::vector<std::string> dispensable(std::size_t kept, std::string_view current,
                                                     std::string_view previous) const;
};
// What ReleaseFolder reads, exposed for its tests. Hostile text: failed when it makes no sense.
[[nodiscard]] Result<ReleaseState> parse_release_state(std::string_view text);
// A file whose content only the host may have.
struct SecretFile {
  std::string path;  // within a release, and within shared/
  Secret content;
};

// What shall be staged.
struct NewRelease {
  std::string id;
  FileTree tree;                    // all of it
  std::vector<TreeEntry> uploads;   // what has to be sent: folders, links, new and changed files
  std::vector<std::string> linked;  // files to be had from the current release
  std::vector<std::string> shared;  // paths that lead to shared/ of the folder
  std::span<const SecretFile> secrets;
  bool host_has_gzip = false;
};

// A file of the host that sends requests to one of two instances.
struct Route {
  std::string file;    // a whole path; empty = none
  std::string text;    // with @port@, @release@ and @path@ for what is different each time
  std::string reload;  // shell command; empty = none
};

// How a release becomes the current one, and how that is taken back.
struct Switch {
  std::string release;
  std::string previous;  // empty = none
  std::span<const SecretFile> secrets;
  std::string restart;        // shell command of the revert; empty = none
  std::string rollback_hook;  // after it; empty = none
  Milliseconds patience{};    // after which the host goes back by itself
  Milliseconds hook_limit{};  // of the rollback hook
  Json record;                // history's line of the revert
  std::string port;           // of the instance; empty = nobody cares
  bool is_beside = false;     // it runs beside that of the release before; else it replaces it
  std::string stop;           // shell command that ends the instance on $PORT; empty = none
  Route route;
};

// That the folder is a branch's preview.
struct PreviewPlan {
  Preview preview;          // as it is when the release is healthy
  std::uint16_t first = 1;  // of the ports that its instance may have
  std::uint16_t last = 0;
  Milliseconds lifetime{};  // from the last deploy on
};

// The folder of a host that holds releases, looked after by POSIX sh, coreutils, findutils and tar:
//   releases/ID  shared/  current -> releases/ID
//   .deploy/{lock,history.jsonl,hold,manifests/ID,secrets/ID/...}
// and those of previews: previews/SLUG is such a folder again, with .deploy/{preview,reap.sh} and
// ports/PORT -> ../previews/SLUG/current beside it.
// A secret file P is kept with its release: releases/ID/P leads to secrets/ID/P, shared/P to
// current/P, so that it is switched by the same rename as all else.
// The lock is a lease of 60 s by the host's clock, renewed there every 15 s while the shell lives;
// one that was not renewed is stolen by rename. Before a switch a revert is armed: it fires when
// the shell ends, and by a timer of its own if that cannot be, unless it was disarmed before.
// Everything is undone when the shell ends without confirm(). Not thread safe; the shell outlives
// it.
class ReleaseFolder {
 public:
  // `path` is absolute, or "~/..." in the user's home. The lock is renewed for `lease` at most.
  ReleaseFolder(RemoteShell& shell, std::string path, Milliseconds lease);

  // From then on the user's commands find RELEASE, RELEASE_PATH, RELEASE_PREVIOUS, RELEASE_HOST and
  // RELEASE_COMMIT in their environment.
  void describe(const std::string& release, const std::string& previous, const std::string& host,
                const std::string& commit);

  // Nothing is changed, and nothing need be there.
  Result<ReleaseState> look(const Budget& budget);
  // Takes the lock for `owner`, unless another has it, and looks; with the lock it puts back what
  // an interrupted deploy left.
  Result<ReleaseState> lock(const Budget& budget, const Json& owner);
  // Whether the current release has these secret files and no others.
  Result<bool> has_secrets(const Budget& budget, std::span<const SecretFile> secrets);
  // Makes a whole and lasting release beside the others. Nobody sees it yet.
  Result<> stage(const Budget& budget, const NewRelease& release,
                 const std::function<void(std::uint64_t sent, std::uint64_t all)>& progress);
  // Which of `ports` the current release's instance has ("" = none), and the other one; whether
  // something of a deploy that was cut off may be left there. ports/PORT leads to a release.
  struct Ports {
    std::string live;
    std::string free;
    bool has_left_over = false;
  };
  Result<Ports> look_at_ports(const Budget& budget, std::span<const std::string> ports);
  // Arms the revert, and makes ports/PORT lead to the release. PORT is in the environment of the
  // user's commands from then on.
  Result<> arm_beside(const Budget& budget, const Switch& how);
  // Arms the revert, unless arm_beside() did, and makes the release the current one by rename, and
  // the route lead to its port.
  Result<> switch_to(const Budget& budget, const Switch& how);
  // Runs `command` of the user's in a folder of this one, "current" or "releases/ID"; gives how it
  // ended within `limit`, and what it printed.
  Result<CommandCheck> command(const Budget& budget, const std::string& place,
                               const std::string& command, Milliseconds limit);
  // Disarms, records, sets or ends the hold. conflict when the revert has already fired.
  Result<> confirm(const Budget& budget, const Json& record, const std::optional<Json>& hold);
  // Goes back to the previous release, if that has not been done yet; gives what the user's
  // commands printed. Ends the shell when it is busy: nothing else can be done here then.
  Result<std::string> revert(const Budget& budget);

  // Which preview this folder is; nothing when it is none.
  Result<std::optional<Preview>> preview(const Budget& budget);
  // Makes it one that is reaped by what `how` has of it (nullptr: as it was said before); confirm()
  // then says that it was deployed. Gives the port that is its own; PORT and RELEASE_PREVIEW are in
  // the environment of the user's commands from then on.
  Result<std::string> claim(const Budget& budget, const PreviewPlan& plan, const Switch* how);
  // The preview is deployed as it is: it lives on.
  Result<> renew(const Budget& budget, const PreviewPlan& plan);
  // Removes the preview that this folder is: its route, its instance, its files, with a line in the
  // history of the application's folder; gives what the user's commands printed. failed when this
  // is no preview, or one of its commands fails: then the files stay. Safe to call twice.
  Result<std::string> reap(const Budget& budget, const Json& record);
  // The previews in this folder, of which those not deployed for `age` are old.
  Result<Previews> previews(const Budget& budget, Milliseconds age);
  // Deletes what a reap that was cut off left of them.
  Result<> tidy_previews(const Budget& budget);

  // Without a switch: appends to the history, and sets (or with null ends) the hold when given.
  Result<> record(const Budget& budget, const Json& record, const std::optional<Json>& hold);
  // Deletes releases, and the lock of whoever has it when `break_lock`.
  Result<> clean(const Budget& budget, const std::vector<std::string>& releases, bool break_lock);

 private:
  Result<std::string> run(const Budget& budget, const std::string& code,
                          const RemoteInput& input = {});
  // With our functions in front, the first time.
  std::string with_functions(const std::string& code);
  [[nodiscard]] std::string arming(const Switch& how) const;
  // For the user's commands.
  void set_variable(const char* name, const std::string& value);

  RemoteShell& shell_;
  const std::string path_;
  const Milliseconds lease_;
  const std::string token_;
  std::string environment_;  // code that tells the user's commands what they are about
  std::string label_code_;   // code that keeps a preview's label
  bool has_functions_ = false;
};

}  // namespace pca::tunnel_ssh
