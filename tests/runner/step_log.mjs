// What the runner makes of a step's output: masks, workflow commands, annotations; and the files that stand
// for commands (GITHUB_OUTPUT and its like).

const COMMANDS = new Set(['add-mask', 'add-path', 'add-matcher', 'remove-matcher', 'debug', 'echo', 'endgroup', 'error', 'group',
  'notice', 'save-state', 'set-env', 'set-output', 'stop-commands', 'warning']);

const plain_data = (text) => text.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%');
const plain_property = (text) => plain_data(text.replaceAll('%3A', ':').replaceAll('%2C', ','));

// The base64 of a longer text that holds `value` contains one of these, whatever stands before it.
function base64_forms(value) {
  const bytes = Buffer.from(value);
  return [0, 1, 2].map((skip) => bytes.subarray(skip).toString('base64').replace(/=+$/, '').slice(0, -1)).filter((form) => form.length > 3);
}

// The log of one job.
export class JobLog {
  constructor(print) {
    this.print = print;
    this.masks = new Set();
    this.annotations = [];
    this.lines = [];
    this.token = undefined; // of stop-commands
    this.begin_step();
  }

  // GitHub shows so many of each level that a step says, and no more.
  begin_step() {
    this.left = { error: 10, warning: 10, notice: 10 };
  }

  hide(value) {
    if (typeof value !== 'string') return;
    const lines = value.split(/[\r\n]+/).map((line) => line.trim());
    for (const each of [value, ...lines].filter((text) => text !== '')) {
      for (const form of [each, JSON.stringify(each).slice(1, -1), encodeURIComponent(each), ...base64_forms(each)]) this.masks.add(form);
    }
  }

  holds_secret(text) {
    return [...this.masks].some((mask) => text.includes(mask));
  }

  masked(text) {
    for (const mask of [...this.masks].sort((a, b) => b.length - a.length)) text = text.replaceAll(mask, '***');
    return text;
  }

  write(text) {
    const line = this.masked(text);
    this.lines.push(line);
    this.print(line);
  }

  // A line that a step printed.
  take(line) {
    const command = this.command_in(line);
    if (!command) return this.write(line);
    if (this.token !== undefined) {
      if (command.name !== this.token) return this.write(line);
      this.token = undefined;
      return undefined;
    }
    return this.obey(command, line);
  }

  command_in(line) {
    const known = (name) => COMMANDS.has(name.toLowerCase()) || name.toLowerCase() === this.token;
    const colons = /^\s*::([^\s:]+)(?: (.*?))?::([^]*)$/.exec(line);
    if (colons && known(colons[1])) return this.command(colons, plain_property);
    const hashes = /##\[([^\s\]]+)(?: ([^\]]*))?\]([^]*)$/.exec(line);
    return hashes && known(hashes[1]) ? this.command(hashes, plain_property) : undefined;
  }

  command([, name, properties, data], decode) {
    const pairs = (properties ?? '').split(',').filter((pair) => pair.indexOf('=') > 0);
    return {
      name: name.toLowerCase(),
      properties: Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')).trim(), decode(pair.slice(pair.indexOf('=') + 1))])),
      data: plain_data(data),
    };
  }

  obey({ name, properties, data }, line) {
    switch (name) {
      case 'add-mask':
        return this.hide(data);
      case 'error':
      case 'warning':
      case 'notice':
        if (this.left[name]-- > 0) this.annotations.push({ level: name, message: this.masked(data), title: this.masked(properties.title ?? '') });
        return this.write(`##[${name}]${data}`);
      case 'stop-commands':
        this.token = data.toLowerCase();
        return undefined;
      case 'group':
      case 'endgroup':
        return this.write(`##[${name}]${data}`);
      case 'set-env':
      case 'add-path':
        return this.write(`##[error]The \`${name}\` command is disabled`);
      case 'set-output':
      case 'save-state':
        return this.write(`##[warning]The \`${name}\` command is deprecated`);
      case 'debug':
        return undefined;
      default:
        return this.write(line);
    }
  }
}

// The records of GITHUB_OUTPUT or GITHUB_ENV. A record that is not whole fails the step, as on GitHub.
export function records_of(text) {
  const records = {};
  const lines = text.split('\n');
  const last = lines.pop(); // '' behind the last newline
  if (last !== '') lines.push(last);
  while (lines.length > 0) {
    const line = lines.shift();
    if (line === '') continue;
    const equals = line.indexOf('=');
    const heredoc = line.indexOf('<<');
    if (equals >= 0 && (heredoc < 0 || equals < heredoc)) {
      if (equals === 0) throw new Error(`Invalid format '${line}'. Name must not be empty`);
      records[line.slice(0, equals)] = line.slice(equals + 1);
      continue;
    }
    const [name, delimiter] = heredoc < 0 ? ['', ''] : [line.slice(0, heredoc), line.slice(heredoc + 2)];
    if (name === '' || delimiter === '') throw new Error(`Invalid format '${line}'. Name must not be empty and delimiter must not be empty`);
    const end = lines.indexOf(delimiter);
    if (end < 0) throw new Error(`Invalid value. Matching delimiter not found '${delimiter}'`);
    records[name] = lines.splice(0, end + 1).slice(0, -1).join('\n');
  }
  return records;
}
