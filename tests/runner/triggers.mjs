// Which events start a workflow, and what its inputs are then.
import { fill_in, truthy } from './expressions.mjs';

const DEFAULT_TYPES = { pull_request: ['opened', 'synchronize', 'reopened'], pull_request_target: ['opened', 'synchronize', 'reopened'] };

// GitHub's patterns of branches: * stops at a slash, ** does not, ? makes what stands before it optional.
export function matches(pattern, branch) {
  const parts = { '**': '.*', '*': '[^/]*', '?': '?', '+': '+', '[': '[', ']': ']' };
  const source = pattern.replace(/^!/, '').replace(/\*\*|[*?+[\]]|[^\w/-]/g, (part) => parts[part] ?? `\\${part}`);
  return new RegExp(`^${source}$`).test(branch);
}

// The last pattern that matches decides.
const passes = (patterns, branch) => patterns.reduce((passed, pattern) => (matches(pattern, branch) ? !pattern.startsWith('!') : passed), false);

export function is_triggered(on, { name, payload, branch }) {
  const events = typeof on === 'string' ? { [on]: null } : Array.isArray(on) ? Object.fromEntries(on.map((each) => [each, null])) : on;
  if (!(name in events)) return false;
  const filter = events[name] ?? {};
  const types = filter.types === undefined ? DEFAULT_TYPES[name] : [filter.types].flat();
  if (types && payload.action && !types.includes(payload.action)) return false;
  if (name === 'workflow_run' && !filter.workflows.includes(payload.workflow_run.name)) return false;
  if (filter.branches && !passes([filter.branches].flat(), branch)) return false;
  return !(filter['branches-ignore'] && passes([filter['branches-ignore']].flat(), branch));
}

function typed(name, { type, required, options, default: preset }, given, contexts) {
  if (given === undefined && required && preset === undefined) throw new Error(`Input ${name} is required, but not provided while calling.`);
  const value = given ?? (typeof preset === 'string' ? fill_in(preset, contexts, 'success') : preset);
  if (type === 'boolean') {
    if (value !== undefined && typeof value !== 'boolean' && !['true', 'false', ''].includes(value)) throw new Error(`The input ${name} is no boolean: ${value}`);
    return value === true || value === 'true';
  }
  if (type === 'number') {
    if (Number.isNaN(Number(value ?? 0))) throw new Error(`The input ${name} is no number: ${value}`);
    return Number(value ?? 0);
  }
  if (type === 'choice' && truthy(value) && !options.includes(value)) throw new Error(`Provided value '${value}' for input '${name}' not in the list of allowed values`);
  return value === undefined ? '' : String(value);
}

// The inputs context of workflow_call or workflow_dispatch, as declared.
export function inputs_of(declared, given, contexts) {
  for (const name of Object.keys(given)) if (!(name in declared)) throw new Error(`Invalid input, ${name} is not defined in the referenced workflow.`);
  return Object.fromEntries(Object.entries(declared).map(([name, each]) => [name, typed(name, each ?? {}, given[name], contexts)]));
}
