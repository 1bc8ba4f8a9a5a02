// A job's steps, or those of a composite action within it.
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

import { place_of, read_action, repository_of } from './definitions.mjs';
import { fill_in, holds, truthy } from './expressions.mjs';
import { github_action, hash_of_files } from './github_actions.mjs';
import { run_program } from './step_process.mjs';

const COMPOSITE_CONTEXTS = ['github', 'inputs', 'strategy', 'matrix', 'job', 'runner', 'env', 'hash_files'];
const SHELLS = { bash: ['bash', '--noprofile', '--norc', '-e', '-o', 'pipefail'], sh: ['sh', '-e'], 'without a name': ['bash', '-e'] };

// `contexts` is theirs, `status` is how they fare. A cancel spares those of an action that asked to run all the same.
export class Steps {
  constructor(job, { contexts, env, depth, is_spared = false }) {
    Object.assign(this, { job, contexts, env, depth, is_spared, status: 'success' });
    this.contexts.steps = {};
    this.contexts.hash_files = (patterns) => hash_of_files(job.workspace, patterns);
  }

  async run(steps) {
    for (const step of steps) await this.run_step(step);
    return this.status;
  }

  async run_step(step) {
    if (this.job.cancel.aborted && !this.is_spared) this.status = 'cancelled';
    if (this.depth === 0) this.job.log.begin_step();
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
      cancel: this.is_spared || holds(step.if, contexts, 'cancelled') ? undefined : this.job.cancel,
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
    const stand_in = repository_of(step.uses) in this.job.actions ? undefined : github_action(step.uses);
    if (stand_in) {
      const given = Object.entries(step.with ?? {}).map(([name, value]) => [name, fill_in(value, contexts, this.status)]).filter(([, value]) => value !== '');
      record.outputs = stand_in(Object.fromEntries(given), { job: this.job, contexts, api: this.job.api });
      return 'success';
    }
    const folder = place_of(step.uses, this.job);
    const action = read_action(folder);
    const inside = Object.fromEntries(COMPOSITE_CONTEXTS.map((name) => [name, contexts[name]]));
    inside.inputs = this.inputs_of(action, step.with ?? {}, contexts);
    inside.github = { ...contexts.github, action_path: folder, action_repository: repository_of(step.uses) };
    const steps = new Steps(this.job, { contexts: inside, env: contexts.env, depth: this.depth + 1, is_spared: this.is_spared || holds(step.if, contexts, 'cancelled') });
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
