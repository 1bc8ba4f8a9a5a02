// GitHub's expressions, `${{ ... }}`, by GitHub's own lexer, parser and evaluator.
import { load } from '../npm/packages.mjs';

const { Lexer, Parser, Evaluator, data } = await load('@actions/expressions');

function data_of(value) {
  if (value === null || value === undefined) return new data.Null();
  if (typeof value === 'string') return new data.StringData(value);
  if (typeof value === 'number') return new data.NumberData(value);
  if (typeof value === 'boolean') return new data.BooleanData(value);
  if (Array.isArray(value)) return new data.Array(...value.map(data_of));
  return new data.Dictionary(...Object.entries(value).map(([key, each]) => ({ key, value: data_of(each) })));
}

function value_of(each) {
  switch (each.kind) {
    case data.Kind.Null:
      return null;
    case data.Kind.Array:
      return each.values().map(value_of);
    case data.Kind.Dictionary:
      return Object.fromEntries(each.pairs().map(({ key, value }) => [key, value_of(value)]));
    default:
      return each.value;
  }
}

export const truthy = (value) => !(value === null || value === undefined || value === false || value === '' || value === 0 || Number.isNaN(value));
export const text_of = (value) => (value === undefined ? '' : data_of(value).coerceString());

const always = () => true;
const STATUS_FUNCTIONS = {
  always,
  success: (status) => status === 'success',
  failure: (status) => status === 'failure',
  cancelled: (status) => status === 'cancelled',
};

// `hash_files` is there in steps only.
function functions_for(status, hash_files) {
  const functions = Object.entries(STATUS_FUNCTIONS).map(([name, holds]) => ({ name, minArgs: 0, maxArgs: 0, call: () => new data.BooleanData(holds(status)) }));
  if (hash_files) functions.push({ name: 'hashfiles', minArgs: 1, maxArgs: 255, call: (...patterns) => new data.StringData(hash_files(patterns.map((each) => each.coerceString()))) });
  return new Map(functions.map((each) => [each.name, each]));
}

export function evaluate(text, contexts, status = 'success') {
  const { hash_files, ...others } = contexts;
  const functions = functions_for(status, hash_files);
  try {
    const tree = new Parser(new Lexer(text).lex().tokens, Object.keys(others), [...functions.values()]).parse();
    return value_of(new Evaluator(tree, data_of(others), functions).evaluate());
  } catch (error) {
    throw new Error(`${error.message} in expression: ${text.trim()}`);
  }
}

const EMBEDDED = /\$\{\{((?:'(?:[^']|'')*'|[^'])*?)\}\}/g;

// A value of the YAML with its expressions filled in, as text.
export function fill_in(value, contexts, status) {
  if (typeof value !== 'string') return text_of(value);
  return value.replace(EMBEDDED, (_, expression) => text_of(evaluate(expression, contexts, status)));
}

// The same where the type matters: an expression alone keeps its own.
export function value_in(value, contexts, status) {
  if (Array.isArray(value)) return value.map((each) => value_in(each, contexts, status));
  if (value !== null && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, value_in(each, contexts, status)]));
  if (typeof value !== 'string') return value;
  const [, alone] = /^\s*\$\{\{((?:'(?:[^']|'')*'|[^'])*?)\}\}\s*$/.exec(value) ?? [];
  return alone === undefined ? fill_in(value, contexts, status) : evaluate(alone, contexts, status);
}

// The value of an `if:`; without a status function it means "and all went well so far".
export function holds(condition, contexts, status) {
  let text = text_of(condition).trim().replace(/^\$\{\{([^]*)\}\}$/, '$1').trim();
  if (text === '') text = 'success()';
  if (!/\b(success|failure|always|cancelled)\s*\(/i.test(text)) text = `success() && (${text})`;
  return truthy(evaluate(text, contexts, status));
}
