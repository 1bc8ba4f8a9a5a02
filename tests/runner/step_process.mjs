// Runs a step's program as the runner does: stdin closed, lines as they come, and on cancel or timeout SIGINT to that
// process alone, SIGTERM after 7.5 s, SIGKILL after 2.5 s more.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const PATIENCE_MS = { after_int: 7500, after_term: 2500, for_output: 5000 };

// Calls `take` with each line; a lone \r ends one too.
class Lines {
  constructor(take) {
    this.take = take;
    this.rest = '';
  }
  add(text) {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop();
    lines.forEach(this.take);
  }
  end() {
    if (this.rest !== '') this.take(this.rest.replace(/\r$/, ''));
    this.rest = '';
  }
}

// cancel: an AbortSignal, or nothing for a program that a cancel is to spare. Gives {code, ended}: ended is 'itself', 'cancelled' or 'timed-out'.
export function run_program(file, args, { cwd, env, take_line, cancel, timeout_ms }) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const timers = [];
    const later = (ms, action) => timers.push(setTimeout(action, ms));
    let ended = 'itself';
    let code;
    let open = 2;
    let finished = false;

    const finish = () => {
      if (finished) return;
      finished = true;
      timers.forEach(clearTimeout);
      cancel?.removeEventListener('abort', on_cancel);
      streams.forEach((lines) => lines.end());
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve({ code, ended });
    };
    const stop = (why) => {
      if (ended !== 'itself' || code !== undefined) return;
      ended = why;
      child.kill('SIGINT');
      later(PATIENCE_MS.after_int, () => {
        child.kill('SIGTERM');
        later(PATIENCE_MS.after_term, () => child.kill('SIGKILL'));
      });
    };
    const on_cancel = () => stop('cancelled');

    const streams = [child.stdout, child.stderr].map((stream) => {
      const lines = new Lines(take_line);
      stream.setEncoding('utf8');
      stream.on('data', (text) => lines.add(text));
      stream.on('close', () => {
        open -= 1;
        if (open === 0 && code !== undefined) finish();
      });
      return lines;
    });
    child.on('error', (error) => {
      take_line(`##[error]${error.message}`);
      code = 127;
      finish();
    });
    child.on('exit', (status, signal) => {
      code = status ?? 128 + constants.signals[signal];
      if (open === 0) finish();
      else later(PATIENCE_MS.for_output, finish); // a daemon may hold the output open
    });
    if (timeout_ms) later(timeout_ms, () => stop('timed-out'));
    if (cancel?.aborted) on_cancel();
    else cancel?.addEventListener('abort', on_cancel);
  });
}
