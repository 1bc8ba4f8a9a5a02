// Runs the jobs of a workflow on this machine as a self-hosted GitHub runner would: `run:` steps and composite actions.
// A key it does not know is an error: a typing mistake, or something to be added here.
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

import { fill_in, holds, text_of, truthy } from './expressions.mjs';
import { JobLog, records_of } from './step_log.mjs';
import { run_program } from './step_process.mjs';

const require = createRequire(import.meta.url);
const yaml = (() => {
  try {
    return require('js-yaml');
  } catch {
    return require('/usr/share/nodejs/js-yaml'); // where Debian keeps it, also for a node from elsewhere
  }
})();

const WORKFLOW_KEYS = ['name', 'run-name', 'on', 'permissions', 'env', 'defaults', 'concurrency', 'jobs'];
const JOB_KEYS = ['name', 'needs', 'if', 'permissions', 'runs-on', 'environment', 'concurrency', 'outputs', 'env', 'defaults', 'steps', 'timeout-minutes', 'continue-on-error'];
const STEP_KEYS = ['id', 'name', 'if', 'run', 'uses', 'with', 'env', 'shell', 'working-directory', 'continue-on-error', 'timeout-minutes'];
const COMPOSITE_STEP_KEYS = STEP_KEYS.filter((key) => key !== 'timeout-minutes');
const COMPOSITE_CONTEXTS = ['github', 'inputs', 'strategy', 'matrix', 'job', 'runner', 'env'];
const OF_GITHUB = /^(actions|github)\/[^@]+@/; // their inputs are not known here
const SUMMARY_LIMIT = 1024 * 1024;
const SHELLS = { bash: ['bash', '--noprofile', '--norc', '-e', '-o', 'pipefail'], sh: ['sh', '-e'], 'without a name': ['bash', '-e'] };

export const parse_yaml = (text, filename) => yaml.load(text, { filename });
export const read_yaml = (file) => parse_yaml(fs.readFileSync(file, 'utf8'), file);

function check_keys(what, object, known) {
  for (const key of Object.keys(object)) {
    if (!known.includes(key)) throw new Error(`Unexpected value '${key}' in ${what}`);
  }
}

const list_of = (value) => (value === undefined ? [] : [value].flat());

// ------------------------------------------------------------------------------------------------ actions

// "owner/repository/folder@ref" or "./folder".
export function folder_of_action(uses, { actions, workspace }) {
  if (uses.startsWith('./')) return path.join(workspace, uses);
  const [, repository, folder] = /^([^/]+\/[^/@]+)(\/[^@]*)?@.+$/.exec(uses) ?? [];
  if (!(repository in actions)) throw new Error(`Unable to resolve action ${uses}`);
  return path.join(actions[repository], folder ?? '');
}

// "" for an action of the workspace.
const repository_of = (uses) => (uses.startsWith('./') ? '' : uses.split(/[/@]/).slice(0, 2).join('/'));

export function read_action(folder) {
  const action = read_yaml(path.join(folder, 'action.yml'));
  if (action.runs?.using !== 'composite') throw new Error(`${folder}: only composite actions run here`);
  return action;
}

// ------------------------------------------------------------------------------------------------ steps

// A job's steps, or those of a composite action within it. `contexts` is theirs, `status` is how they fare.
class Steps {
  constructor(job, { contexts, env, depth }) {
    Object.assign(this, { job, contexts, env, depth, status: 'success' });
    this.contexts.steps = {};
  }

  async run(steps) {
    for (const step of steps) await this.run_step(step);
    return this.status;
  }

  async run_step(step) {
    if (this.job.cancel.aborted) this.status = 'cancelled';
    const record = { id: step.id ?? '', name: step.name ?? step.run?.split('\n')[0] ?? step.uses, depth: this.depth, outcome: 'skipped', outputs: {} };
    this.job.report.steps.push(record);
    try {
      const env = { ...this.job.env, ...this.env };
      for (const [name, value] of Object.entries(step.env ?? {})) env[name] = fill_in(value, { ...this.contexts, env }, this.status);
      const contexts = { ...this.contexts, env, job: { status: this.status } };
      if (holds(step.if, contexts, this.status)) {
        this.job.log.write(`##[group]${fill_in(record.name, contexts, this.status)}`);
        record.outcome = await (step.uses === undefined ? this.run_script(step, contexts, record) : this.run_action(step, contexts, record));
      }
    } catch (error) {
      this.job.log.write(`##[error]${error.message}`);
      record.outcome = 'failure';
    }
    this.conclude(step, record);
  }

  conclude(step, record) {
    record.conclusion = record.outcome;
    if (record.outcome === 'cancelled') this.status = 'cancelled';
    if (record.outcome === 'failure') {
      if (truthy(step['continue-on-error']) && fill_in(step['continue-on-error'], this.contexts, this.status) === 'true') record.conclusion = 'success';
      else if (this.status === 'success') this.status = 'failure';
    }
    if (step.id) this.contexts.steps[step.id] = { outputs: record.outputs, outcome: record.outcome, conclusion: record.conclusion };
  }

  async run_script(step, contexts, record) {
    if (this.depth > 0 && !step.shell) throw new Error('Required property is missing: shell');
    const files = this.job.command_files();
    const script = path.join(this.job.temp, `${randomUUID()}.sh`);
    fs.writeFileSync(script, `${fill_in(step.run, contexts, this.status)}\n`);
    const [program, ...args] = SHELLS[step.shell ?? 'without a name'] ?? [];
    if (!program) throw new Error(`the shell ${step.shell} is not known here`);
    const result = await run_program(program, [...args, script], {
      cwd: path.resolve(this.job.workspace, fill_in(step['working-directory'] ?? '', contexts, this.status)),
      env: this.job.environment_of_step(contexts, files),
      take_line: (line) => this.job.log.take(line),
      // A cancel spares what asked to run all the same.
      cancel: holds(step.if, contexts, 'cancelled') ? undefined : this.job.cancel,
      timeout_ms: 60_000 * Number(fill_in(step['timeout-minutes'] ?? 0, contexts, this.status)),
    });
    record.code = result.code;
    if (result.ended === 'timed-out') this.job.log.write('##[error]The action has timed out.');
    if (result.code !== 0) this.job.log.write(`##[error]Process completed with exit code ${result.code}.`);
    record.outputs = this.job.take_command_files(files);
    if (result.ended === 'cancelled') return 'cancelled';
    return result.code === 0 && result.ended === 'itself' ? 'success' : 'failure';
  }

  async run_action(step, contexts, record) {
    if (this.depth >= 9) throw new Error('composite actions are nested too deep');
    const folder = folder_of_action(step.uses, this.job);
    const action = read_action(folder);
    action.runs.steps.forEach((each) => check_keys(`a step of ${step.uses}`, each, COMPOSITE_STEP_KEYS));
    const inside = Object.fromEntries(COMPOSITE_CONTEXTS.map((name) => [name, contexts[name]]));
    inside.inputs = this.inputs_of(action, step.with ?? {}, contexts);
    inside.github = { ...contexts.github, action_path: folder, action_repository: repository_of(step.uses) };
    const steps = new Steps(this.job, { contexts: inside, env: contexts.env, depth: this.depth + 1 });
    const status = await steps.run(action.runs.steps);
    for (const [name, { value }] of Object.entries(action.outputs ?? {})) record.outputs[name] = fill_in(value, inside, status);
    return status;
  }

  inputs_of(action, given, contexts) {
    const names = Object.keys(action.inputs ?? {});
    const unexpected = Object.keys(given).filter((name) => !names.includes(name.toLowerCase()));
    if (unexpected.length > 0) {
      this.job.log.take(`::warning::Unexpected input(s) '${unexpected.join("', '")}', valid inputs are ['${names.join("', '")}']`);
    }
    // Nobody else than the action sees to it that a required input is there.
    return Object.fromEntries(names.map((name) => [name, fill_in(given[name] ?? action.inputs[name]?.default, contexts, this.status)]));
  }
}

// ------------------------------------------------------------------------------------------------ jobs

class Job {
  constructor(id, run) {
    Object.assign(this, { id, temp: run.temp, workspace: run.workspace, actions: run.actions, cancel: run.cancel });
    this.log = new JobLog((line) => run.print(`[${id}] ${line}`));
    Object.values(run.secrets).forEach((secret) => this.log.hide(secret));
    this.env = {}; // what GITHUB_ENV adds for later steps
    this.paths = []; // what GITHUB_PATH adds, the latest first
    this.tracking_id = `github_${randomUUID()}`;
    this.report = { result: 'skipped', outputs: {}, steps: [], annotations: this.log.annotations, summary: '', orphans: [], log: this.log.lines };
  }

  command_files() {
    const names = ['OUTPUT', 'ENV', 'PATH', 'STEP_SUMMARY', 'STATE'];
    return Object.fromEntries(names.map((name) => {
      const file = path.join(this.temp, `${name.toLowerCase()}_${randomUUID()}`);
      fs.writeFileSync(file, '');
      return [name, file];
    }));
  }

  // No INPUT_*: composite actions get none.
  environment_of_step(contexts, files) {
    const github = Object.entries(contexts.github).filter(([name, value]) => typeof value === 'string' && name !== 'token');
    return {
      ...process.env,
      PATH: [...this.paths, process.env.PATH].join(':'),
      CI: 'true',
      ...contexts.env,
      ...Object.fromEntries(github.map(([name, value]) => [`GITHUB_${name.toUpperCase()}`, value])),
      GITHUB_ACTION_REPOSITORY: '', // only the expression has it, not the step (actions/runner#2473)
      ...Object.fromEntries(Object.entries(files).map(([name, file]) => [`GITHUB_${name}`, file])),
      GITHUB_ACTIONS: 'true',
      RUNNER_OS: contexts.runner.os,
      RUNNER_ARCH: contexts.runner.arch,
      RUNNER_NAME: contexts.runner.name,
      RUNNER_ENVIRONMENT: 'self-hosted',
      RUNNER_TEMP: this.temp,
      RUNNER_TOOL_CACHE: contexts.runner.tool_cache,
      RUNNER_TRACKING_ID: this.tracking_id,
    };
  }

  take_command_files(files) {
    const text = (name) => fs.readFileSync(files[name], 'utf8');
    for (const [name, value] of Object.entries(records_of(text('ENV')))) {
      if (name.toUpperCase() === 'NODE_OPTIONS') this.log.write("##[error]Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV' command.");
      else this.env[name] = value;
    }
    for (const folder of text('PATH').split('\n').filter(Boolean)) this.paths = [folder, ...this.paths.filter((each) => each !== folder)];
    const summary = text('STEP_SUMMARY');
    if (Buffer.byteLength(summary) > SUMMARY_LIMIT) this.log.write('##[error]$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k');
    else this.report.summary += this.log.masked(summary);
    return records_of(text('OUTPUT'));
  }

  // An output that holds a secret is not handed on.
  take_outputs(outputs, contexts, status) {
    for (const [name, value] of Object.entries(outputs ?? {})) {
      const text = fill_in(value, contexts, status);
      if (this.log.holds_secret(text)) this.log.write(`##[warning]Skip output '${name}' since it may contain secret.`);
      else this.report.outputs[name] = text;
    }
  }

  // What the job left running, known by the tracking id in its environment.
  end_orphans() {
    for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
      try {
        if (!fs.readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`RUNNER_TRACKING_ID=${this.tracking_id}`)) continue;
        const name = fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
        process.kill(Number(pid), 'SIGKILL');
        this.report.orphans.push(name);
        this.log.write(`Terminate orphan process: pid (${pid}) (${name})`);
      } catch {
        // it ended by itself, or is not ours to look at
      }
    }
  }
}

async function run_job(id, definition, run, needs) {
  const job = new Job(id, run);
  const before = Object.values(needs).every((need) => need.result === 'success') ? 'success' : 'failure';
  const contexts = { ...run.contexts, needs, secrets: run.secrets, runner: run.runner, job: { status: 'success' }, strategy: {}, matrix: {}, inputs: {}, env: {} };
  if (!holds(definition.if, { github: contexts.github, needs, vars: contexts.vars, inputs: {} }, before)) return job.report;
  const env = {};
  for (const each of [run.env, definition.env ?? {}]) {
    for (const [name, value] of Object.entries(each)) env[name] = fill_in(value, { ...contexts, env }, before);
  }
  contexts.env = env;
  const limit = setTimeout(() => run.stop(), 60_000 * Number(text_of(definition['timeout-minutes'] ?? 360)));
  const steps = new Steps(job, { contexts, env, depth: 0 });
  job.report.result = await steps.run(definition.steps);
  clearTimeout(limit);
  job.take_outputs(definition.outputs, steps.contexts, job.report.result);
  job.end_orphans();
  return job.report;
}

// `settings`: workflow (a file), workspace, actions (repository to folder), secrets, vars, event_name, branch, temp, tool_cache.
// Gives {result, jobs}. `stop` in the settings, an AbortController, cancels the run.
export async function run_workflow(settings, print) {
  const workflow = read_yaml(settings.workflow);
  check_keys('the workflow', workflow, WORKFLOW_KEYS);
  if (!workflow.on || !workflow.jobs) throw new Error('a workflow needs on: and jobs:');
  for (const [id, job] of Object.entries(workflow.jobs)) {
    check_keys(`the job ${id}`, job, JOB_KEYS);
    if (!job['runs-on'] || !job.steps) throw new Error(`Required property is missing: the job ${id} needs runs-on and steps`);
    job.steps.forEach((step) => check_keys(`a step of the job ${id}`, step, STEP_KEYS));
  }
  const branch = settings.branch ?? 'main';
  const github = {
    workspace: settings.workspace, event_name: settings.event_name ?? 'push', repository: 'octo/app', repository_owner: 'octo', actor: 'octocat',
    ref: `refs/heads/${branch}`, ref_name: branch, ref_type: 'branch', sha: '0'.repeat(40), run_id: '1', run_number: '1', run_attempt: '1',
    workflow: workflow.name ?? '', server_url: 'https://github.com', api_url: 'https://api.github.com', token: settings.secrets.GITHUB_TOKEN ?? 'ghs_of_this_job',
  };
  const run = {
    ...settings, print, cancel: settings.stop.signal, stop: () => settings.stop.abort(), env: workflow.env ?? {},
    secrets: { ...settings.secrets, GITHUB_TOKEN: github.token },
    runner: { os: 'Linux', arch: { x64: 'X64', arm64: 'ARM64' }[process.arch], name: 'this machine', temp: settings.temp, tool_cache: settings.tool_cache },
  };
  const reports = {};
  const waiting = new Map(Object.entries(workflow.jobs));
  while (waiting.size > 0) {
    const next = [...waiting].find(([, job]) => list_of(job.needs).every((need) => need in reports));
    if (!next) throw new Error(`these jobs wait for each other: ${[...waiting.keys()].join(', ')}`);
    const [id, job] = next;
    waiting.delete(id);
    const needs = Object.fromEntries(list_of(job.needs).map((need) => [need, reports[need]]));
    run.contexts = { github: { ...github, job: id }, vars: settings.vars ?? {} };
    reports[id] = await run_job(id, job, run, needs);
  }
  const results = Object.values(reports).map((report) => report.result);
  const worst = ['failure', 'cancelled'].find((result) => results.includes(result)) ?? 'success';
  return { result: worst, jobs: reports };
}

// The mistakes in a list of steps that a run would show late or never: names of actions, inputs, contexts.
export function mistakes_in_steps(steps, where) {
  return steps.flatMap((step) => {
    const mistakes = Object.keys(step).filter((key) => !STEP_KEYS.includes(key)).map((key) => `unexpected key ${key}`);
    if (step.uses === undefined || OF_GITHUB.test(step.uses)) return mistakes;
    const declared = read_action(folder_of_action(step.uses, where)).inputs ?? {};
    const given = step.with ?? {};
    for (const name of Object.keys(given)) if (!(name in declared)) mistakes.push(`${step.uses} has no input ${name}`);
    for (const [name, input] of Object.entries(declared)) if (input?.required && !(name in given)) mistakes.push(`${step.uses} needs the input ${name}`);
    const contexts = { secrets: {}, vars: {}, github: {}, steps: {}, env: {}, inputs: {}, runner: {}, job: {}, needs: {}, matrix: {}, strategy: {} };
    for (const [name, value] of [...Object.entries(given), ...Object.entries(step.env ?? {})]) {
      try {
        fill_in(value, contexts, 'success');
      } catch (error) {
        mistakes.push(`${name}: ${error.message}`);
      }
    }
    return mistakes;
  });
}
