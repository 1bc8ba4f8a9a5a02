// The npm packages of the lockfile beside this file, for scripts of tests: `await load('yaml')`.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire, register } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));

// Where install.sh has put them; PCA_NPM says so too, to who has asked it before.
export const packages = process.env.PCA_NPM ?? execFileSync('bash', [path.join(here, 'install.sh')], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();

// GitHub's packages import JSON as no node does without being told.
const JSON_AS_MODULE = `
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
export async function load(url, context, next) {
  if (!url.endsWith('.json')) return next(url, context);
  return { format: 'module', shortCircuit: true, source: 'export default ' + fs.readFileSync(fileURLToPath(url), 'utf8') };
}`;
register(`data:text/javascript,${encodeURIComponent(JSON_AS_MODULE)}`);

// A package, or one of its files.
export async function load(name, file) {
  const folder = path.join(packages, 'node_modules', name);
  const { type } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  if (type !== 'module') return createRequire(path.join(packages, 'package.json'))(file ? path.join(folder, file) : name);
  return import(pathToFileURL(path.join(folder, file ?? 'dist/index.js')));
}
