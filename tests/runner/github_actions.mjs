// GitHub's own actions, as far as workflows of this project use them. They are JavaScript, fetched by a real runner; here
// is what they do, with the limits that surprise people.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

const git = (folder, ...words) => execFileSync('git', ['-C', folder, ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();

function checkout({ 'fetch-depth': depth = '1', path: inner = '', ref = '' }, { job, contexts }) {
  if ((job.permissions.contents ?? 'none') === 'none') throw new Error('fatal: repository not found: the token of this job has no contents: read');
  if (!job.repository_folder) return {}; // it was done
  const folder = path.join(job.workspace, inner);
  fs.mkdirSync(folder, { recursive: true });
  for (const name of fs.readdirSync(folder)) fs.rmSync(path.join(folder, name), { recursive: true });
  git(folder, 'init', '-q');
  git(folder, 'remote', 'add', 'origin', `file://${job.repository_folder}`);
  git(folder, 'fetch', '-q', ...(depth === '0' ? [] : ['--depth', depth]), 'origin', ref || contexts.github.sha);
  git(folder, 'checkout', '-q', '--detach', 'FETCH_HEAD');
  return { commit: git(folder, 'rev-parse', 'HEAD'), ref };
}

const files_in = (folder) => fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
  const file = path.join(folder, entry.name);
  return entry.isDirectory() ? files_in(file) : [file];
});

// A zip of files alone: modes, links and empty folders are lost, and so is what begins with a dot.
function upload({ name = 'artifact', path: from, 'if-no-files-found': missing = 'warn', overwrite = 'false', 'include-hidden-files': hidden = 'false' }, { job }) {
  const source = path.resolve(job.workspace, from);
  const is_folder = fs.existsSync(source) && fs.statSync(source).isDirectory();
  const root = is_folder ? source : path.dirname(source);
  const is_hidden = (file) => path.relative(root, file).split('/').some((part) => part.startsWith('.'));
  const files = (is_folder ? files_in(source) : fs.existsSync(source) ? [source] : []).filter((file) => hidden === 'true' || !is_hidden(file));
  if (files.length === 0) {
    const message = `No files were found with the provided path: ${from}. No artifacts will be uploaded.`;
    if (missing === 'error') throw new Error(message);
    if (missing === 'warn') job.log.take(`::warning::${message}`);
    return {};
  }
  const folder = path.join(job.artifacts, job.run_id, name);
  if (fs.existsSync(folder)) {
    if (overwrite !== 'true') throw new Error(`Failed to CreateArtifact: (409) Conflict: an artifact with this name already exists on the workflow run`);
    fs.rmSync(folder, { recursive: true });
  }
  const digest = createHash('sha256');
  for (const file of files) {
    const to = path.join(folder, path.relative(root, file));
    fs.mkdirSync(path.dirname(to), { recursive: true });
    fs.copyFileSync(file, to);
    fs.chmodSync(to, 0o644);
    digest.update(fs.readFileSync(file));
  }
  return { 'artifact-id': String(Math.trunc(Math.random() * 1e9)), 'artifact-digest': digest.digest('hex') };
}

function download({ name, path: to = '', 'run-id': run_id, 'github-token': token }, { job, api }) {
  if (run_id && run_id !== job.run_id) {
    if (!token) throw new Error('Input required and not supplied: github-token');
    if ((api?.permissions.get(token)?.actions ?? job.permissions.actions ?? 'none') === 'none') throw new Error('Unable to download artifact(s): Resource not accessible by integration');
  }
  const folder = path.join(job.artifacts, run_id || job.run_id, name);
  if (!fs.existsSync(folder)) throw new Error(`Unable to download artifact(s): Artifact not found for name: ${name}`);
  fs.cpSync(folder, path.resolve(job.workspace, to), { recursive: true });
  return { 'download-path': path.resolve(job.workspace, to) };
}

const is_there = (program) => () => {
  if (spawnSync(program, ['--version']).status !== 0) throw new Error(`${program} is not on this machine, and nothing is installed here`);
  return {};
};

const ACTIONS = {
  'actions/checkout': checkout,
  'actions/upload-artifact': upload,
  'actions/download-artifact': download,
  'actions/setup-node': is_there('node'),
  'actions/setup-python': is_there('python3'),
  'actions/cache': () => ({ 'cache-hit': '' }),
  'actions/attest-build-provenance': ({ 'subject-path': subject }, { job }) => {
    if (job.permissions['id-token'] !== 'write' || job.permissions.attestations !== 'write') throw new Error('missing "id-token: write" or "attestations: write" permission');
    return { 'bundle-path': path.join(job.temp, `${randomUUID()}.json`), 'attestation-url': `https://github.com/attestations/${encodeURIComponent(subject)}` };
  },
};

// What stands for `uses`, or nothing where that is no action of GitHub's.
export const github_action = (uses) => ACTIONS[/^([^/]+\/[^/@]+)@/.exec(uses)?.[1]];

// Of the files of the workspace that match, as hashFiles() gives it.
export function hash_of_files(workspace, patterns) {
  const source = (pattern) => pattern.replace(/\*\*\/|\*\*|[*?]|[^\w/-]/g, (part) => ({ '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*', '?': '[^/]' })[part] ?? `\\${part}`);
  const wanted = patterns.map((pattern) => new RegExp(`^${source(pattern)}$`));
  const digest = createHash('sha256');
  const files = files_in(workspace).filter((file) => wanted.some((each) => each.test(path.relative(workspace, file)))).sort();
  for (const file of files) digest.update(createHash('sha256').update(fs.readFileSync(file)).digest());
  return files.length > 0 ? digest.digest('hex') : '';
}
