// Runs the jobs of a workflow on this machine as a self-hosted GitHub runner would: `run:` steps, composite actions,
// reusable workflows; and does around them what GitHub does (github.mjs).
import { execFileSync, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

import { place_of, read_workflow } from './definitions.mjs';
import { fill_in, holds, text_of, truthy, value_in } from './expressions.mjs';
import { Api, check_permissions, Concurrency, DEFAULT_PERMISSIONS, permissions_of, reading_only } from './github.mjs';
import { JobLog, records_of } from './step_log.mjs';
import { Steps } from './steps.mjs';
import { inputs_of, is_triggered, matches } from './triggers.mjs';

const SUMMARY_LIMIT = 1024 * 1024;
const list_of = (value) => (value === undefined ? [] : [value].flat());

// ------------------------------------------------------------------------------------------------ jobs

class Job {
  constructor(name, id, run) {
    Object.assign(this, { id, temp: run.temp, actions: run.actions, api: run.api, artifacts: run.artifacts, run_id: run.run_id, repository_folder: run.repository_folder });
    this.log = new JobLog((line) => run.print(`[${name}] ${line}`));
    this.env = {}; // what GITHUB_ENV adds for later steps
    this.paths = []; // what GITHUB_PATH adds, the latest first
    this.tracking_id = `github_${randomUUID()}`;
    this.report = { result: 'skipped', outputs: {}, steps: [], annotations: this.log.annotations, summary: '', orphans: [], log: this.log.lines };
    // Nothing is there before a checkout, unless the settings say that one was done.
    this.workspace = run.workspace ?? fs.mkdtempSync(path.join(run.temp, 'workspace-'));
    this.stopping = new AbortController();
    this.cancel = this.stopping.signal;
    run.cancel.addEventListener('abort', () => this.stopping.abort());
    if (run.cancel.aborted) this.stopping.abort();
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

// The environment of a job, with who may deploy there.
function environment_of(definition, contexts, run) {
  if (definition.environment === undefined) return undefined;
  const { name } = value_in(typeof definition.environment === 'object' ? { name: definition.environment.name } : { name: definition.environment }, contexts, 'success');
  if (!name) return undefined; // as if there were none
  const { secrets = {}, vars = {}, branches } = run.environments?.[name] ?? {};
  const { ref_name } = contexts.github;
  if (branches && !branches.some((branch) => matches(branch, ref_name))) {
    throw new Error(`Branch "${ref_name}" is not allowed to deploy to ${name} due to environment protection rules.`);
  }
  const { url, deployment: is_deployed_to = true } = definition.environment;
  return { name, url, secrets, vars, is_deployed_to };
}

async function run_steps(job, definition, { contexts, env, environment }, run) {
  const { repository, ref, sha, server_url, run_id } = contexts.github;
  const ended = environment?.is_deployed_to ? await run.api?.deploy(repository, { environment: environment.name, sha, ref, log_url: `${server_url}/${repository}/actions/runs/${run_id}` }) : undefined;
  const limit = setTimeout(() => {
    job.log.write('##[error]The job has exceeded the maximum execution time');
    job.stopping.abort();
  }, 60_000 * Number(fill_in(definition['timeout-minutes'] ?? 360, contexts, 'success')));
  const steps = new Steps(job, { contexts, env, depth: 0 });
  const defaults = { ...run.defaults?.run, ...definition.defaults?.run };
  job.report.result = await steps.run(definition.steps.map((step) => (step.run === undefined ? step : { ...defaults, ...step })));
  clearTimeout(limit);
  job.take_outputs(definition.outputs, steps.contexts, job.report.result);
  job.end_orphans();
  await ended?.(job.report.result, environment.url && fill_in(environment.url, steps.contexts, job.report.result));
}

// One of a matrix, or all of a job that has none.
async function run_one(name, id, definition, run, contexts) {
  const permissions = permissions_of(definition.permissions, run.permissions);
  check_permissions(name, permissions, run.permissions_allowed, run.file);
  const token = run.api?.token_with(run.reads_only ? reading_only(permissions) : permissions) ?? contexts.github.token;
  const job = new Job(name, id, run);
  job.permissions = permissions;
  run.reports[name] = job.report;
  let leave;
  try {
    contexts.github = { ...contexts.github, token, workspace: job.workspace };
    const environment = environment_of(definition, contexts, run);
    contexts.secrets = { ...contexts.secrets, ...(run.reads_only ? {} : environment?.secrets), GITHUB_TOKEN: token };
    contexts.vars = { ...contexts.vars, ...environment?.vars };
    Object.values({ ...run.all_secrets, ...contexts.secrets }).forEach((secret) => job.log.hide(secret));
    const env = {};
    for (const each of [run.env, definition.env ?? {}]) {
      for (const [variable, value] of Object.entries(each)) env[variable] = fill_in(value, { ...contexts, env }, 'success');
    }
    contexts.env = env;
    const concurrency = turn_of(definition.concurrency, contexts);
    leave = concurrency && (await run.concurrency.enter(concurrency.group, concurrency.cancels_older, () => job.stopping.abort(), concurrency.queues));
    if (concurrency && !leave) job.report.result = 'cancelled';
    else await run_steps(job, definition, { contexts, env, environment }, run);
  } catch (error) {
    job.log.write(`##[error]${error.message}`);
    job.report.result = 'failure';
  }
  leave?.();
  return job.report;
}

function turn_of(written, contexts) {
  if (written === undefined) return undefined;
  const { group, 'cancel-in-progress': cancels = false, queue = 'single' } = typeof written === 'string' ? { group: written } : written;
  const cancels_older = truthy(value_in(cancels, contexts, 'success'));
  if (cancels_older && queue === 'max') throw new Error("'queue: max' cannot be combined with 'cancel-in-progress: true'");
  return { group: fill_in(group, contexts, 'success'), cancels_older, queues: queue === 'max' };
}

// All that a matrix stands for.
function combinations_of(matrix) {
  if (matrix === undefined) return [{}];
  const { include = [], exclude = [], ...axes } = matrix;
  let all = [{}];
  for (const [name, values] of Object.entries(axes)) all = all.flatMap((each) => values.map((value) => ({ ...each, [name]: value })));
  all = all.filter((each) => !exclude.some((left_out) => Object.entries(left_out).every(([name, value]) => each[name] === value)));
  if (Object.keys(axes).length === 0) return include;
  for (const more of include) {
    const fitting = all.filter((each) => Object.entries(more).every(([name, value]) => !(name in axes) || each[name] === value));
    if (fitting.length > 0) fitting.forEach((each) => Object.assign(each, more));
    else all.push({ ...more });
  }
  return all;
}

// ------------------------------------------------------------------------------------------------ reusable workflows

async function call_workflow(name, definition, run, contexts) {
  const workspace = run.repository_folder ?? run.workspace;
  const file = place_of(definition.uses, { actions: run.actions, workspace });
  const workflow = read_workflow(file);
  const call = workflow.on?.workflow_call;
  if (call === undefined && !list_of(workflow.on).includes('workflow_call')) throw new Error(`${definition.uses} is no reusable workflow: it has no workflow_call`);
  const given = value_in(definition.with ?? {}, contexts, 'success');
  const { github, vars } = contexts;
  const inputs = inputs_of(call?.inputs ?? {}, given, { github, vars, inputs: {} });
  const passed = definition.secrets === 'inherit' ? contexts.secrets : value_in(definition.secrets ?? {}, contexts, 'success');
  for (const each of Object.keys(passed)) if (definition.secrets !== 'inherit' && !(each in (call?.secrets ?? {}))) throw new Error(`Invalid secret, ${each} is not defined in the referenced workflow.`);
  for (const [each, { required } = {}] of Object.entries(call?.secrets ?? {})) if (required && !passed[each]) throw new Error(`Secret ${each} is required, but not provided while calling.`);
  const allowed = permissions_of(definition.permissions, run.permissions);
  const inner = {
    ...run, env: workflow.env ?? {}, defaults: workflow.defaults, file: definition.uses, prefix: `${name} / `, workspace: run.workspace,
    permissions: permissions_of(workflow.permissions, allowed), permissions_allowed: allowed,
    contexts: { github, vars, inputs, secrets: Object.fromEntries(Object.entries(passed).map(([key, value]) => [key, text_of(value)])) },
  };
  const jobs = await run_jobs(workflow.jobs, inner);
  const outputs = Object.fromEntries(Object.entries(call?.outputs ?? {}).map(([key, { value }]) => [key, fill_in(value, { github, vars, inputs, jobs }, 'success')]));
  return { result: worst_of(Object.values(jobs)), outputs };
}

// ------------------------------------------------------------------------------------------------ workflows

const worst_of = (reports) => ['failure', 'cancelled'].find((result) => reports.some((report) => report.result === result && !report.is_tolerated)) ?? 'success';

// What a condition of a job knows of all jobs before it: GitHub looks at those of which the ones it needs came, too.
function status_before(id, jobs, results, run) {
  if (run.cancel.aborted) return 'cancelled';
  const before = (each) => list_of(jobs[each].needs).flatMap((need) => [need, ...before(need)]);
  const found = before(id).map((each) => results[each].result);
  if (found.includes('failure')) return 'failure';
  // One that ran out of time is cancelled; cancelled() is about the run.
  return found.every((result) => result === 'success') ? 'success' : 'skipped';
}

async function run_job(id, jobs, run, results) {
  const definition = jobs[id];
  const name = `${run.prefix}${id}`;
  const status = status_before(id, jobs, results, run);
  const needs = Object.fromEntries(list_of(definition.needs).map((need) => [need, { result: results[need].result, outputs: results[need].outputs }]));
  const known = { github: run.contexts.github, needs, vars: run.contexts.vars, inputs: run.contexts.inputs };
  const skipped = { result: 'skipped', outputs: {}, steps: [], annotations: [], summary: '', orphans: [], log: [] };
  if (!holds(definition.if, known, status)) {
    run.reports[name] = skipped;
    return skipped;
  }
  const contexts = { ...run.contexts, needs, runner: run.runner, job: { status: 'success' }, strategy: {}, matrix: {}, env: {} };
  contexts.github = { ...contexts.github, job: id };
  const all = [];
  for (const matrix of combinations_of(value_in(definition.strategy?.matrix, contexts, 'success'))) {
    const values = Object.values(matrix).map((value) => (typeof value === 'object' ? 'Object' : value));
    const full_name = values.length > 0 ? `${name} (${values.join(', ')})` : name;
    const inside = { ...contexts, matrix };
    const run_it = definition.uses ? call_workflow : (each, ...rest) => run_one(each, id, ...rest);
    all.push(await run_it(full_name, definition, run, inside));
    if (worst_of(all) !== 'success' && definition.strategy?.['fail-fast'] !== false) break;
  }
  const outputs = Object.assign({}, ...all.map((each) => each.outputs));
  return { result: worst_of(all), outputs, is_tolerated: fill_in(definition['continue-on-error'] ?? 'false', contexts, 'success') === 'true' };
}

async function run_jobs(jobs, run) {
  const results = {};
  const waiting = new Set(Object.keys(jobs));
  while (waiting.size > 0) {
    const id = [...waiting].find((each) => list_of(jobs[each].needs).every((need) => need in results));
    if (!id) throw new Error(`these jobs wait for each other: ${[...waiting].join(', ')}`);
    waiting.delete(id);
    results[id] = await run_job(id, jobs, run, results);
  }
  return results;
}

function commit_of(folder, name) {
  return folder ? execFileSync('git', ['-C', folder, 'rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`], { encoding: 'utf8' }).trim() : '0'.repeat(40);
}

// What GitHub's API knows of the commits of a repository, by any of their names.
function knowledge_of(folder) {
  const resolve = (name) => {
    try {
      return commit_of(folder, name);
    } catch {
      return undefined;
    }
  };
  const is_before = (older, newer) => spawnSync('git', ['-C', folder, 'merge-base', '--is-ancestor', older, newer]).status === 0;
  const compare = (base, head) => (resolve(base) === resolve(head) ? 'identical' : is_before(base, head) ? 'ahead' : is_before(head, base) ? 'behind' : 'diverged');
  return folder && { resolve, compare };
}

// The github context of an event: `settings.event` is its payload.
function github_of(settings, workflow) {
  const { event_name = 'push', branch = 'main', event: payload = {}, repository = 'octo/app' } = settings;
  const { pull_request } = payload;
  const ref = pull_request ? `refs/pull/${payload.number}/merge` : `refs/heads/${branch}`;
  const event_path = path.join(settings.temp, `event-${randomUUID()}.json`);
  fs.writeFileSync(event_path, JSON.stringify(payload));
  return {
    event: payload, event_name, event_path, repository, repository_owner: repository.split('/')[0], actor: settings.actor ?? 'octocat', triggering_actor: settings.actor ?? 'octocat',
    ref, ref_name: ref.replace(/^refs\/(heads|pull)\//, ''), ref_type: 'branch', head_ref: pull_request?.head.ref ?? '', base_ref: pull_request?.base.ref ?? '',
    sha: settings.sha ?? commit_of(settings.repository_folder, branch), run_id: settings.run_id ?? '1', run_number: '1', run_attempt: settings.run_attempt ?? '1',
    workflow: workflow.name ?? path.basename(settings.workflow), server_url: 'https://github.com',
  };
}

// `settings`: workflow (a file), actions (repository to folder), secrets, temp, tool_cache, and optionally vars, event_name, event (its payload), branch, actor,
// repository, repository_folder (a git repository, for checkouts) or workspace (where one was done), inputs (of a workflow_dispatch), environments (name to {secrets, vars, branches}),
// github ({url, ca_file}: an API behind the one that jobs see), artifacts (a folder that runs share), run_id, run_attempt, concurrency (shared by runs), permissions (of a token of which nothing is said).
// Gives {result, outputs, jobs}. `stop` in the settings, an AbortController, cancels the run.
export async function run_workflow(settings, print) {
  const workflow = read_workflow(settings.workflow);
  const { event_name = 'push', event: payload = {}, branch = 'main' } = settings;
  if (!is_triggered(workflow.on, { name: event_name, payload, branch: payload.pull_request?.base.ref ?? branch })) return { result: 'not triggered', jobs: {} };
  const api = settings.github && new Api(settings.github, knowledge_of(settings.repository_folder));
  await api?.start();
  const github = { ...github_of(settings, workflow), api_url: api?.url ?? 'https://api.github.com', token: 'ghs_of_this_job' };
  const default_permissions = permissions_of(settings.permissions, DEFAULT_PERMISSIONS);
  const permissions = permissions_of(workflow.permissions, default_permissions);
  const reports = {};
  // Whoever makes a pull request from elsewhere is a stranger, and so is Dependabot; pull_request_target runs the repository's own workflow.
  const is_of_fork = event_name.startsWith('pull_request') && event_name !== 'pull_request_target' && payload.pull_request?.head.repo.full_name !== github.repository;
  const is_of_stranger = settings.actor === 'dependabot[bot]' || is_of_fork;
  const secrets = is_of_stranger ? {} : (settings.secrets ?? {});
  const run = {
    artifacts: path.join(settings.temp, 'artifacts'), concurrency: new Concurrency(), ...settings, api, print, reports, prefix: '', env: workflow.env ?? {}, defaults: workflow.defaults,
    cancel: settings.stop.signal, file: settings.workflow, permissions, permissions_allowed: permissions_of('write-all'), run_id: github.run_id, all_secrets: secrets,
    reads_only: is_of_stranger,
    contexts: { github, vars: settings.vars ?? {}, secrets, inputs: event_name === 'workflow_dispatch' ? inputs_of(workflow.on.workflow_dispatch?.inputs ?? {}, settings.inputs ?? {}, { github, vars: {}, inputs: {} }) : {} },
    runner: { os: 'Linux', arch: { x64: 'X64', arm64: 'ARM64' }[process.arch], name: 'this machine', temp: settings.temp, tool_cache: settings.tool_cache },
  };
  try {
    const concurrency = turn_of(workflow.concurrency, run.contexts);
    const leave = concurrency && (await run.concurrency.enter(concurrency.group, concurrency.cancels_older, () => settings.stop.abort()));
    if (concurrency && !leave) return { result: 'cancelled', jobs: {} };
    const results = await run_jobs(workflow.jobs, run);
    leave?.();
    return { result: worst_of(Object.values(results)), outputs: Object.fromEntries(Object.entries(results).map(([id, { outputs }]) => [id, outputs])), jobs: reports };
  } finally {
    api?.stop();
  }
}
