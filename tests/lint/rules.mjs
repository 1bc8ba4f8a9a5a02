// Rules of our own, about what the linters of others do not see. Each takes a document and gives messages.
import fs from 'node:fs';
import path from 'node:path';

import { load } from '../npm/packages.mjs';
import { OWN_REPOSITORY, steps_of } from './documents.mjs';

const yaml = await load('yaml');

const expressions_in = (text) => [...text.matchAll(/\$\{\{([^]*?)\}\}/g)].map(([, expression]) => expression).join('\n');
const names_in = (text, context) => [...text.matchAll(new RegExp(`(?<![\\w.])${context}\\.([A-Za-z_][\\w-]*)`, 'g'))].map(([, name]) => name);
const jobs_of = ({ data }) => Object.entries(data.jobs ?? {});
const lists_of_steps = (document) => (document.kind === 'action' ? [['the action', steps_of(document.data.runs)]] : jobs_of(document).map(([id, job]) => [`the job ${id}`, steps_of(job)]));
const named = (step) => step.id ?? step.name ?? step.uses ?? step.run?.split('\n')[0];

// What `uses:` leads to in this repository: {folder or file, ref}, or nothing.
function own(uses) {
  const [, inner, ref] = new RegExp(`^${OWN_REPOSITORY}(/[^@]*)?@(.+)$`).exec(uses) ?? [];
  if (ref) return { place: (inner ?? '').slice(1), ref };
  return uses.startsWith('./') ? { place: uses.slice(2) } : undefined;
}

function declaration_of(root, place) {
  const file = /\.ya?ml$/.test(place) ? place : path.join(place, 'action.yml');
  if (!fs.existsSync(path.join(root, file))) return undefined;
  const data = yaml.parse(fs.readFileSync(path.join(root, file), 'utf8'));
  return data.runs ? { inputs: data.inputs ?? {}, outputs: data.outputs ?? {}, secrets: {} } : { inputs: {}, outputs: {}, secrets: {}, ...data.on.workflow_call };
}

function* calls_fit(document, { root }) {
  const calls = [...lists_of_steps(document).flatMap(([, steps]) => steps), ...jobs_of(document).map(([, job]) => job)].filter(({ uses }) => uses);
  for (const { uses, with: given = {}, secrets = {} } of calls) {
    const target = own(uses);
    if (!target) continue;
    const declared = declaration_of(root, target.place);
    if (!declared) {
      yield `${uses} is not there`;
      continue;
    }
    for (const [what, those, known] of [['input', given, declared.inputs], ['secret', secrets === 'inherit' ? {} : secrets, declared.secrets]]) {
      for (const name of Object.keys(those)) if (!(name in known)) yield `${uses} has no ${what} ${name}`;
      for (const [name, each] of Object.entries(known)) if (each?.required && !(name in those) && secrets !== 'inherit') yield `${uses} needs the ${what} ${name}`;
    }
  }
}

function* outputs_are_there(document, { root }) {
  for (const [where, steps] of lists_of_steps(document)) {
    const by_id = new Map(steps.filter(({ id }) => id).map((step) => [step.id, step]));
    const text = JSON.stringify(document.kind === 'action' ? document.data : [steps, document.data.jobs[where.slice(8)].outputs, document.data.jobs[where.slice(8)].environment]);
    for (const [, id, kind, name] of expressions_in(text).matchAll(/(?<![\w.])steps\.([\w-]+)\.(\w+)(?:\.([\w-]+))?/g)) {
      if (!by_id.has(id)) yield `${where} has no step ${id}`;
      const target = by_id.get(id)?.uses && own(by_id.get(id).uses);
      const declared = target && declaration_of(root, target.place);
      if (kind === 'outputs' && declared && !(name in declared.outputs)) yield `the step ${id} of ${where} has no output ${name}`;
    }
  }
}

function* needs_give_outputs(document, { root }) {
  for (const [id, job] of jobs_of(document)) {
    for (const [, other, name] of expressions_in(JSON.stringify(job)).matchAll(/(?<![\w.])needs\.([\w-]+)\.outputs\.([\w-]+)/g)) {
      const target = document.data.jobs[other];
      const called = target?.uses && own(target.uses) && declaration_of(root, own(target.uses).place);
      if (!(name in (called?.outputs ?? target?.outputs ?? {})) && !(target?.uses && !called)) yield `the job ${id} asks the job ${other} for an output ${name}, which it has not`;
    }
  }
}

function* no_expression_in_run(document) {
  for (const [where, steps] of lists_of_steps(document)) {
    for (const step of steps) if (step.run?.includes('${{')) yield `${where} has an expression in run: of ${named(step)}; hand it over by env:`;
  }
}

function* actions_map_their_inputs({ kind, data }) {
  if (kind !== 'action') return;
  const inputs = Object.keys(data.inputs ?? {});
  const used = names_in(expressions_in(JSON.stringify(data)), 'inputs');
  for (const name of used) if (!inputs.includes(name)) yield `the input ${name} is not declared`;
  for (const name of inputs) if (!used.includes(name)) yield `the input ${name} is never used`;
  for (const step of steps_of(data.runs)) {
    for (const [variable, value] of Object.entries(step.env ?? {})) {
      const [, prefix, rest] = /^(INPUT|RECIPE)_(.+)$/.exec(variable) ?? [];
      const [, name] = /^\$\{\{ inputs\.([\w-]+)( \|\| github\.token)? \}\}$/.exec(value) ?? [];
      if (prefix && name && rest !== name.replaceAll('-', '_').toUpperCase()) yield `${variable} is given the input ${name}`;
      if (prefix && !name && String(value).includes('${{')) yield `${variable} is not a plain input`;
    }
  }
}

function* long_steps_end_in_exec({ kind, data }) {
  if (kind !== 'action') return;
  for (const step of steps_of(data.runs)) {
    const last = step.run?.trim().split('\n').at(-1);
    if (last !== undefined && !/^exec /.test(last)) yield `the step ${named(step)} does not end in exec: the runner signals the step's own process alone`;
  }
}

function* others_are_pinned(document) {
  if (document.is_example) return;
  for (const { uses } of lists_of_steps(document).flatMap(([, steps]) => steps)) {
    if (uses && !own(uses) && !/@[0-9a-f]{40}$/.test(uses)) yield `${uses} is not pinned to a commit`;
  }
}

// One tag everywhere, so that who pins it gets tools of the same. In the tree of a release the workflows are all of that.
function* own_are_of_one_tag(document, { tag, release }) {
  const calls = [...lists_of_steps(document).flatMap(([, steps]) => steps), ...jobs_of(document).map(([, job]) => job)];
  const is_of_release = /^\.github\/workflows\//.test(document.name) && calls.some(({ uses }) => uses && own(uses)?.ref === release);
  const wanted = is_of_release ? release : tag;
  for (const { uses } of calls) {
    const target = uses && own(uses);
    if (target?.ref && target.ref !== wanted) yield `${uses} is not of ${wanted}`;
    if (target && !target.ref && document.kind === 'action') yield `${uses} is looked for in the workspace of who calls the action`;
  }
}

function* jobs_are_bounded(document) {
  for (const [id, job] of jobs_of(document)) {
    if (!document.data.permissions && !job.permissions) yield `the job ${id} has all permissions of the token: say permissions:`;
    if (!job.uses && job['timeout-minutes'] === undefined) yield `the job ${id} has no timeout-minutes`;
  }
}

function* what_is_called_is_described({ data, kind }) {
  const call = kind === 'workflow' ? (data.on?.workflow_call ?? {}) : data;
  for (const part of ['inputs', 'secrets', 'outputs']) {
    for (const [name, each] of Object.entries(call[part] ?? {})) if (!each?.description) yield `${part}: ${name} has no description`;
  }
}

export const RULES = [calls_fit, outputs_are_there, needs_give_outputs, no_expression_in_run, actions_map_their_inputs, long_steps_end_in_exec, others_are_pinned, own_are_of_one_tag,
  jobs_are_bounded, what_is_called_is_described];
