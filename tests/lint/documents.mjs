// What there is to look at: workflows, actions, and the examples in READMEs.
import fs from 'node:fs';
import path from 'node:path';

import { load } from '../npm/packages.mjs';

const yaml = await load('yaml');
export const OWN_REPOSITORY = 'private-cloud-actions/private-cloud-actions';

const STEPS_ALONE = 'on: push\npermissions:\n  contents: read\njobs:\n  example:\n    runs-on: ubuntu-latest\n    timeout-minutes: 5\n    steps:\n';

// The blocks of a README, each as a whole workflow: most of them are lists of steps.
export function blocks_of(text) {
  return [...text.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([all, block], index) => {
    const line = text.slice(0, text.indexOf(all)).split('\n').length;
    if (/^(name|on):/m.test(block)) return { text: block, line, index };
    return { text: STEPS_ALONE + block.replace(/^(?=.)/gm, '      '), line: line - STEPS_ALONE.split('\n').length + 1, index };
  });
}

// {name, kind: workflow | action, text, line, data, is_example}; line is what its first one is in the file.
export function document_of(name, text, { line = 1, is_example = false } = {}) {
  const kind = /(^|\/)action\.ya?ml$/.test(name) ? 'action' : 'workflow';
  let data = {};
  try {
    data = yaml.parse(text) ?? {};
  } catch {
    // GitHub's parser says so, with the place
  }
  return { name, kind, text, line, data, is_example };
}

// What is no list of steps is GitHub's parser's to say.
export const steps_of = (job) => (Array.isArray(job?.steps) ? job.steps : []);

const files_in = (root, folder, pattern) =>
  fs.existsSync(path.join(root, folder)) ? fs.readdirSync(path.join(root, folder)).filter((file) => pattern.test(file)).map((file) => path.join(folder, file)).sort() : [];

export function documents_in(root) {
  const folders = fs.readdirSync(path.join(root, 'actions')).sort().map((name) => path.join('actions', name));
  const is_there = (file) => fs.existsSync(path.join(root, file));
  const whole = [...files_in(root, '.github/workflows', /\.ya?ml$/), ...files_in(root, '.github/workflow-templates', /\.ya?ml$/), 'action.yml',
    ...folders.map((folder) => path.join(folder, 'action.yml'))].filter(is_there);
  const readmes = ['README.md', ...folders.map((folder) => path.join(folder, 'README.md')), ...files_in(root, '.github', /\.md$/)].filter(is_there);
  const read = (file) => fs.readFileSync(path.join(root, file), 'utf8');
  return [
    ...whole.map((file) => document_of(file, read(file))),
    ...readmes.flatMap((file) => blocks_of(read(file)).map((block) => document_of(file, block.text, { line: block.line, is_example: true }))),
  ];
}
