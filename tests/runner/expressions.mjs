// GitHub's expressions, `${{ ... }}`: the subset that workflows and composite actions of this project use, with the
// real coercions. What it does not know is an error, never an empty text.

const TOKEN = /\s*(?:(\d+(?:\.\d+)?)|'((?:[^']|'')*)'|(==|!=|<=|>=|&&|\|\||[!<>()[\],.*])|([A-Za-z_][\w-]*))/y;

function tokens_of(text) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  while (text.slice(TOKEN.lastIndex).trim() !== '') {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) throw new Error(`Unexpected symbol in expression: '${text.slice(at).trim()}'`);
    const [, number, string, operator, word] = match;
    if (number !== undefined) tokens.push({ kind: 'literal', value: Number(number) });
    else if (string !== undefined) tokens.push({ kind: 'literal', value: string.replaceAll("''", "'") });
    else if (operator !== undefined) tokens.push({ kind: operator });
    else tokens.push({ kind: 'word', value: word });
  }
  return tokens;
}

const is_object = (value) => value !== null && typeof value === 'object';

export function truthy(value) {
  return !(value === null || value === undefined || value === false || value === '' || value === 0 || Number.isNaN(value));
}

export function text_of(value) {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return 'Array';
  return is_object(value) ? 'Object' : String(value);
}

function number_of(value) {
  if (value === null || value === undefined) return 0;
  if (typeof value === 'string') return value.trim() === '' ? 0 : Number(value);
  return is_object(value) ? NaN : Number(value);
}

function equal(a, b) {
  if (typeof a === 'string' && typeof b === 'string') return a.toUpperCase() === b.toUpperCase();
  if (is_object(a) || is_object(b)) return a === b;
  if (typeof a === typeof b) return a === b;
  return number_of(a) === number_of(b);
}

function less(a, b) {
  if (typeof a === 'string' && typeof b === 'string') return a.toUpperCase() < b.toUpperCase();
  return number_of(a) < number_of(b);
}

// Keys are compared without case, as GitHub's contexts do.
function member(object, key) {
  if (Array.isArray(object) && typeof key === 'number') return object[key] ?? null;
  if (!is_object(object)) return null;
  const found = Object.keys(object).find((each) => each.toLowerCase() === text_of(key).toLowerCase());
  return found === undefined ? null : object[found];
}

const lower = (value) => text_of(value).toLowerCase();
const PLAIN_FUNCTIONS = {
  contains: (where, what) => (Array.isArray(where) ? where.some((each) => equal(each, what)) : lower(where).includes(lower(what))),
  startswith: (where, what) => lower(where).startsWith(lower(what)),
  endswith: (where, what) => lower(where).endsWith(lower(what)),
  format: (form, ...values) => text_of(form).replace(/\{\{|\}\}|\{(\d+)\}/g, (all, n) => (n === undefined ? all[0] : text_of(values[n]))),
  join: (list, between = ',') => (Array.isArray(list) ? list.map(text_of).join(text_of(between)) : text_of(list)),
  tojson: (value) => JSON.stringify(value ?? null, null, 2),
  fromjson: (text) => JSON.parse(text_of(text)),
};

// One expression, read from left to right.
class Parser {
  constructor(text, contexts, status) {
    this.tokens = tokens_of(text);
    this.at = 0;
    this.text = text;
    this.contexts = contexts;
    this.functions = {
      ...PLAIN_FUNCTIONS,
      always: () => true,
      success: () => status === 'success',
      failure: () => status === 'failure',
      cancelled: () => status === 'cancelled',
    };
  }
  fail(why) {
    throw new Error(`${why} in expression: ${this.text.trim()}`);
  }
  peek(kind) {
    return this.tokens[this.at]?.kind === kind;
  }
  take(kind) {
    return this.peek(kind) ? this.tokens[this.at++] : undefined;
  }
  expect(kind) {
    return this.take(kind) ?? this.fail(`'${kind}' is missing`);
  }
  all() {
    const value = this.either();
    if (this.at < this.tokens.length) this.fail('Unexpected symbol');
    return value;
  }
  either() {
    let value = this.both();
    while (this.take('||')) {
      const next = this.both();
      value = truthy(value) ? value : next;
    }
    return value;
  }
  both() {
    let value = this.equality();
    while (this.take('&&')) {
      const next = this.equality();
      value = truthy(value) ? next : value;
    }
    return value;
  }
  equality() {
    let value = this.comparison();
    for (;;) {
      if (this.take('==')) value = equal(value, this.comparison());
      else if (this.take('!=')) value = !equal(value, this.comparison());
      else return value;
    }
  }
  comparison() {
    const value = this.negation();
    if (this.take('<')) return less(value, this.negation());
    if (this.take('>')) return less(this.negation(), value);
    if (this.take('<=')) return !less(this.negation(), value);
    if (this.take('>=')) return !less(value, this.negation());
    return value;
  }
  negation() {
    return this.take('!') ? !truthy(this.negation()) : this.primary();
  }
  primary() {
    if (this.take('(')) {
      const value = this.either();
      this.expect(')');
      return value;
    }
    const literal = this.take('literal');
    if (literal) return literal.value;
    const word = this.take('word') ?? this.fail('A value is missing');
    if (this.peek('(')) return this.members(this.call(word.value));
    if (['true', 'false', 'null'].includes(word.value)) return JSON.parse(word.value);
    const context = word.value.toLowerCase();
    if (!(context in this.contexts)) this.fail(`Unrecognized named-value: '${word.value}'`);
    return this.members(this.contexts[context]);
  }
  call(name) {
    const called = this.functions[name.toLowerCase()] ?? this.fail(`Unrecognized function: '${name}'`);
    const values = [];
    this.expect('(');
    while (!this.peek(')')) {
      values.push(this.either());
      if (!this.take(',')) break;
    }
    this.expect(')');
    return called(...values);
  }
  members(value) {
    for (;;) {
      if (this.take('.')) value = this.take('*') ? Object.values(value ?? {}) : member(value, this.expect('word').value);
      else if (this.take('[')) {
        value = member(value, this.either());
        this.expect(']');
      } else return value;
    }
  }
}

export const evaluate = (text, contexts, status = 'success') => new Parser(text, contexts, status).all();

const EMBEDDED = /\$\{\{((?:'(?:[^']|'')*'|[^'])*?)\}\}/g;

// A value of the YAML with its expressions filled in, as text.
export function fill_in(value, contexts, status) {
  return text_of(value).replace(EMBEDDED, (_, expression) => text_of(evaluate(expression, contexts, status)));
}

// The value of an `if:`; without a status function it means "and all went well so far".
export function holds(condition, contexts, status) {
  let text = text_of(condition).trim().replace(/^\$\{\{([^]*)\}\}$/, '$1').trim();
  if (text === '') text = 'success()';
  if (!/\b(success|failure|always|cancelled)\s*\(/i.test(text)) text = `success() && (${text})`;
  return truthy(evaluate(text, contexts, status));
}
