// Workflows and actions as they are written: read by GitHub's own parser first, which is as strict as GitHub.
import fs from 'node:fs';
import path from 'node:path';

import { load } from '../npm/packages.mjs';

const yaml = await load('yaml');
const { NoOperationTraceWriter, parseWorkflow } = await load('@actions/workflow-parser');
const { parseAction } = await load('@actions/workflow-parser', 'dist/actions/index.js');

// What this runner knows. A key it does not know is an error: something to be added here.
const WORKFLOW_KEYS = ['name', 'run-name', 'on', 'permissions', 'env', 'defaults', 'concurrency', 'jobs'];
const JOB_KEYS = ['name', 'needs', 'if', 'permissions', 'runs-on', 'environment', 'concurrency', 'outputs', 'env', 'defaults', 'steps', 'timeout-minutes', 'continue-on-error', 'strategy',
  'uses', 'with', 'secrets'];
const STEP_KEYS = ['id', 'name', 'if', 'run', 'uses', 'with', 'env', 'shell', 'working-directory', 'continue-on-error', 'timeout-minutes'];

function check_keys(what, object, known) {
  for (const key of Object.keys(object)) {
    if (!known.includes(key)) throw new Error(`Unexpected value '${key}' in ${what}: this runner does not know it`);
  }
}

function parsed(file, parse) {
  const content = fs.readFileSync(file, 'utf8');
  const errors = parse({ name: path.basename(file), content }, new NoOperationTraceWriter()).context.errors.getErrors();
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join('\n'));
  return yaml.parse(content);
}

export function read_workflow(file) {
  const workflow = parsed(file, parseWorkflow);
  check_keys('the workflow', workflow, WORKFLOW_KEYS);
  for (const [id, job] of Object.entries(workflow.jobs)) {
    check_keys(`the job ${id}`, job, JOB_KEYS);
    (job.steps ?? []).forEach((step) => check_keys(`a step of the job ${id}`, step, STEP_KEYS));
  }
  return workflow;
}

export function read_action(folder) {
  const file = ['action.yml', 'action.yaml'].map((name) => path.join(folder, name)).find((each) => fs.existsSync(each));
  if (!file) throw new Error(`Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '${folder}'. Did you forget to run actions/checkout before running your local action?`);
  const action = parsed(file, parseAction);
  if (action.runs?.using !== 'composite') throw new Error(`${folder}: only composite actions run here`);
  return action;
}

// "owner/repository/place@ref" or "./place". `repositories` says where each repository is.
export function place_of(uses, { actions: repositories, workspace }) {
  if (uses.startsWith('./')) return path.join(workspace, uses);
  const [, repository, place] = /^([^/]+\/[^/@]+)(\/[^@]*)?@.+$/.exec(uses) ?? [];
  if (!(repository in repositories)) throw new Error(`Unable to resolve action ${uses}`);
  return path.join(repositories[repository], place ?? '');
}

// "" for what is in the workspace.
export const repository_of = (uses) => (uses.startsWith('./') ? '' : uses.split(/[/@]/).slice(0, 2).join('/'));
