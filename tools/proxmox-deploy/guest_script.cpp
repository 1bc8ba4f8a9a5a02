#include "proxmox-deploy/guest_script.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/backoff.hpp"
#include "base/digest.hpp"
#include "base/secret.hpp"
#include "base/text.hpp"
#include "proxmox-deploy/tasks.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::size_t token_bytes = 16;          // nobody has a folder of this name
constexpr Milliseconds longest_silence{30'000};  // while the way to the guest may be gone
constexpr Milliseconds news_interval{1'000};
constexpr Milliseconds ending_limit{7'000};  // a runner that cancels kills after 10 s
constexpr Milliseconds ending_pause{200};
constexpr Milliseconds asking_limit{1'500};
constexpr Milliseconds beginning_limit{2'000};  // of one that may be about to
constexpr Milliseconds removing_limit{5'000};

// What each command of this file begins with. $1 = the folder, $2 and $3 = the first bytes of out
// and err that are wanted. The state comes first: once there is a code, nothing more is printed.
// The launcher knows the code also when the script has emptied /tmp.
constexpr std::string_view tell = R"sh(
tell() {
  if [ "$code" ]; then echo "$code"
  elif [ -e "$1/code" ]; then cat "$1/code"
  elif [ -e "$1/out" ]; then echo "running $(cat "$1/beat" 2>/dev/null)"
  else echo absent
  fi
  tail -c "+$2" "$1/out" 2>/dev/null | head -c 131072 | base64; echo .
  tail -c "+$3" "$1/err" 2>/dev/null | head -c 131072 | base64; echo .
}
)sh";

// $1 = the folder, $2 = the shell. A watcher beats while there is something to look after. It waits
// for the script, and ends its session when somebody puts a file `end` there, be it before there is
// a session; then it says all that tell() does from the beginning.
constexpr std::string_view launch = R"sh(
d=$1 c=$2 l=
for tool in setsid base64; do
  command -v $tool >/dev/null || { echo "there is no $tool" >&2; exit 1; }
done
mkdir -m 700 "$d" || exit 1
[ "$HOME" ] || HOME=$(getent passwd "$(id -u)" | cut -d: -f6)
export HOME
[ "$c" != auto ] || if command -v bash >/dev/null; then c=bash; else c=sh; fi
case $c in login) c=bash l=-l ;; bash) l=--norc ;; esac
PCA_SCRIPT=$(base64 -d; echo x)
export PCA_SCRIPT
setsid $c $l -c 'eval "unset PCA_SCRIPT;${PCA_SCRIPT%x}"' script </dev/null >"$d/out" 2>"$d/err" &
p=$!
{
  n=0
  until [ -e "$d/end" ]; do
    [ -d "$d" ] || exit 0
    n=$((n + 1))
    echo $n >"$d/beat"
    sleep 0.3 || sleep 1
    kill -0 -$p || kill -0 $p || exit 0
  done
  kill -TERM -$p || kill -TERM $p
  for second in 1 2; do kill -0 -$p || kill -0 $p || exit 0; sleep 1; done
  kill -KILL -$p
} >/dev/null 2>&1 &
w=$!
wait $p
code=$?
if [ -e "$d/end" ]; then wait $w; else kill $w; fi
echo $code >"$d/code.new" && mv "$d/code.new" "$d/code"
tell "$d" 1 1
)sh";

std::string with_tell(std::string_view code) { return fmt::format("code={}{}", tell, code); }

// A script on its way. Its folder's name is chosen here, so that it can be ended, or kept from
// beginning, whatever became of the answer to its start.
class GuestScript {
 public:
  GuestScript(const Budget& budget, ProxmoxApi& api, const Guest& guest, const ScriptOutput& output,
              bool waits_for_end)
      : budget_(budget), api_(api), guest_(guest), output_(output), waits_for_end_(waits_for_end) {}

  ApiResult<int> run(const ShellScript& script) {
    auto started = start(script);
    if (started) {
      launcher_ = *started;
      return wait();
    }
    const ErrorKind kind = started.error().kind;
    const bool may_run = kind == ErrorKind::outcome_unknown || kind == ErrorKind::cancelled ||
                         (kind == ErrorKind::unreachable && budget_.is_over());
    if (!may_run) return std::move(started).error();
    return end_early(std::move(started).error());
  }

 private:
  using End = ApiResult<int>;  // the script's code, or why nobody knows it

  ApiResult<std::int64_t> start(const ShellScript& script) {
    WipedText text(prelude_of(script));
    text.text += script.script;
    text.text += '\n';
    AgentProgram program{
        .words = shell_words(with_tell(launch), {folder_, std::string(shell_word(script.shell))}),
        .input = base64_encode(
            {reinterpret_cast<const std::uint8_t*>(text.text.data()), text.text.size()}),
        .has_secrets = true};
    auto number = agent_start(budget_, api_, guest_, program);
    wipe(program.input);
    return number;
  }

  End wait() {
    heard_of_ = Clock::now();
    auto next_news = heard_of_ + news_interval;
    for (int looks = 0;; ++looks) {
      if (!pause_for(budget_, look_pause(looks))) {
        return end_early(
            budget_.check(fmt::format("the script ran in guest {}", guest_.text())).error());
      }
      const bool is_due = Clock::now() >= next_news;
      auto looked = look(is_due);
      if (is_due) next_news = Clock::now() + news_interval;
      if (looked && *looked) {
        remove_folder(Budget::of(removing_limit));
        return *std::move(*looked);
      }
      if (Clock::now() - heard_of_ > longest_silence && !budget_.is_over()) {
        return nobody_knows("nothing is heard any more of the script",
                            looked ? "whatever ran it is gone" : looked.error().message);
      }
    }
  }

  // Its end, if it has come. An error is silence, which may pass.
  ApiResult<std::optional<End>> look(bool wants_news) {
    bool runs = false;
    if (launcher_) {
      auto status = agent_look(budget_, api_, guest_, *launcher_);
      runs = status && !*status;
      if (runs) heard_of_ = Clock::now();
      if (status && *status) {
        launcher_.reset();
        auto end = read_last_words(**status);
        if (end) return end;
      } else if (runs && !wants_news) {
        return std::optional<End>();
      }
      // An end that was told, but not heard, is not told again: the folder knows it.
    }
    auto news = read_news(budget_);
    // Its launcher may be that slow.
    if (launcher_ && !has_begun_ && news && *news && !**news) return std::optional<End>();
    return news;
  }

  // What the launcher printed. Nothing: there is more to read.
  std::optional<End> read_last_words(const AgentExit& exit) {
    const auto news = parse_script_news(exit.out);
    if (news && news->state == ScriptNews::State::ended) return take(*news, 0, 0);
    const std::string said = last_line(exit.err);
    const std::string words =
        said.empty() ? fmt::format("its shell ended with {}", exit.code) : said;
    if (news || exit.code != 1) return nobody_knows("the script's end could not be noted", words);
    return End(ApiFailure(
        failed(fmt::format("the script could not be run in guest {}: {}", guest_.text(), words),
               "It needs sh, setsid, base64, and room below /tmp.")));
  }

  // Reads on until all that is there now was told.
  ApiResult<std::optional<End>> read_news(const Budget& budget) {
    for (;;) {
      const std::size_t out = out_told_;
      const std::size_t err = err_told_;
      PCA_TRY(const AgentExit exit,
              agent_exec(
                  budget, api_, guest_,
                  {.words = shell_words(with_tell("tell \"$@\""), {folder_, std::to_string(out + 1),
                                                                   std::to_string(err + 1)})}));
      const auto news = parse_script_news(exit.out);
      if (!news) return {ApiFailure(news.error())};
      if (news->state == ScriptNews::State::absent) {
        return std::optional(nobody_knows("what it knew of the script is gone", "is it new?"));
      }
      has_begun_ = true;
      if (news->beat != beat_ || has_ended_) heard_of_ = Clock::now();
      beat_ = news->beat;
      auto end = take(*news, out, err);
      if (end || !has_more_) return end;
    }
  }

  // `out` and `err`: where the pieces begin. The end, once there is nothing more to read.
  std::optional<End> take(const ScriptNews& news, std::size_t out, std::size_t err) {
    feed(output_.out, news.out, out, out_told_);
    feed(output_.err, news.err, err, err_told_);
    has_more_ = news.out.size() == news_limit || news.err.size() == news_limit;
    has_ended_ = has_ended_ || news.state == ScriptNews::State::ended;
    if (news.state != ScriptNews::State::ended || has_more_) return std::nullopt;
    return End(news.code);
  }

  static void feed(const std::function<void(std::string_view)>& sink, std::string_view piece,
                   std::size_t begin, std::size_t& told) {
    piece.remove_prefix(std::min(told - begin, piece.size()));
    if (piece.empty()) return;
    told += piece.size();
    sink(piece);
  }

  // It is ended, and what it has printed is told. `why` it is.
  End end_early(Error why) {
    if (!waits_for_end_) {
      (void)ask_to_end(Budget::of(asking_limit)).has_value();
      return {ApiFailure(std::move(why))};
    }
    const Budget limit = Budget::of(ending_limit);
    const Clock::time_point latest_begin = Clock::now() + beginning_limit;
    bool is_asked = false;
    do {
      is_asked = is_asked || ask_to_end(limit).has_value();
      const auto end = read_news(limit);
      const bool is_absent = end && *end && !**end;
      // One that has not begun may do so yet, and has to find the folder then.
      const bool never_began = is_asked && is_absent && !has_begun_ && Clock::now() > latest_begin;
      if (has_ended_) remove_folder(limit);
      if (has_ended_ || never_began) {
        why.message += "; it was ended";
        return {ApiFailure(std::move(why))};
      }
      if (is_absent && has_begun_) break;
    } while (pause_for(limit, ending_pause));
    return nobody_knows("it may run on", why.message);
  }

  ApiResult<AgentExit> ask_to_end(const Budget& limit) {
    return agent_exec(
        limit, api_, guest_,
        {.words = shell_words("mkdir -m 700 \"$1\" 2>/dev/null; : >\"$1/end\"", {folder_})});
  }

  [[nodiscard]] End nobody_knows(const std::string& what, const std::string& cause) const {
    return {ApiFailure(outcome_unknown(fmt::format("guest {}: {}: {}", guest_.text(), what, cause),
                                       "Look into the guest before the script is run again."))};
  }

  void remove_folder(const Budget& limit) {
    (void)agent_exec(limit, api_, guest_, {.words = shell_words("rm -rf \"$1\"", {folder_})})
        .has_value();
  }

  const Budget& budget_;
  ProxmoxApi& api_;
  const Guest& guest_;
  const ScriptOutput& output_;
  const bool waits_for_end_;
  const std::string folder_ = "/tmp/private-cloud-actions-" + random_hex(token_bytes);
  std::optional<std::int64_t> launcher_;  // until its end was heard of
  std::size_t out_told_ = 0;
  std::size_t err_told_ = 0;
  bool has_more_ = false;
  bool has_begun_ = false;  // as the guest said
  bool has_ended_ = false;
  std::string beat_;
  Clock::time_point heard_of_;
};

// The lines up to the next ".", which is dropped with them: base64.
Result<std::string> next_piece(std::string_view& text) {
  constexpr std::string_view end = ".\n";
  std::size_t at = text.starts_with(end) ? 0 : text.find("\n.\n");
  if (at == std::string_view::npos) return failed("an answer of the guest ends early");
  if (at > 0) ++at;
  PCA_TRY(std::string piece, base64_decode(text.substr(0, at)));
  if (piece.size() > news_limit) return failed("an answer of the guest is too long");
  text.remove_prefix(at + end.size());
  return piece;
}

}  // namespace

ApiResult<int> run_in_guest(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                            const ShellScript& script, const ScriptOutput& output,
                            bool waits_for_end) {
  return GuestScript(budget, api, guest, output, waits_for_end).run(script);
}

Result<ScriptNews> parse_script_news(std::string_view text) {
  constexpr int highest_code = 255;
  ScriptNews news;
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view state = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  constexpr std::string_view running = "running ";
  constexpr std::size_t longest_beat = 20;
  if (state.starts_with(running)) {
    news.state = ScriptNews::State::running;
    news.beat = state.substr(running.size(), longest_beat);
  } else if (state != "absent") {
    const auto code = parse_integer(state, 0, highest_code);
    if (!code) return failed("an answer of the guest has no state of the script");
    news.state = ScriptNews::State::ended;
    news.code = static_cast<int>(*code);
  }
  PCA_TRY(news.out, next_piece(text));
  PCA_TRY(news.err, next_piece(text));
  return news;
}

}  // namespace pca::proxmox_deploy
