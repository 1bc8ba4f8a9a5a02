// The step of private-cloud.yml that sees whether something newer is there, with each answer that GitHub may give.
// usage: node --test superseded_test.mjs
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { load } from '../npm/packages.mjs';

const yaml = await load('yaml');
const source = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'superseded-'));
after(() => fs.rmSync(folder, { recursive: true }));
const workflow = yaml.parse(fs.readFileSync(path.join(source, '.github/workflows/private-cloud.yml'), 'utf8'));
const script = path.join(folder, 'step.sh');
fs.writeFileSync(script, workflow.jobs.deploy.steps.find(({ id }) => id === 'newer').run);

// {code, said, by} of a push of `own` to main, where GitHub answers with `deployments` ({sha, ref}, the newest first), `states` of commits, and `order`.
async function push({ deployments = [], states = {}, order = 'ahead', refuses = / never/, programs = process.env.PATH }) {
  const server = http.createServer((request, response) => {
    const [, kind, name] = /^\/repos\/acme\/shop\/(deployments|commits|compare)\/?([^/?]*)/.exec(request.url);
    const body = { deployments, commits: { statuses: [{ context: 'other', state: 'success' }, { context: 'deploy / production', state: states[name] ?? 'failure' }] }, compare: { status: order } }[kind];
    const is_refused = refuses.test(request.url) || request.headers.authorization !== 'Bearer canary';
    response.writeHead(is_refused ? 404 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const output = path.join(folder, 'output');
  fs.writeFileSync(output, '');
  const env = {
    PATH: programs, ENVIRONMENT: 'production', CONTEXT: 'deploy / production', COMMIT: 'own', GH_TOKEN: 'canary', GITHUB_REPOSITORY: 'acme/shop', GITHUB_REF_NAME: 'main', GITHUB_REF: 'refs/heads/main',
    GITHUB_OUTPUT: output, GITHUB_API_URL: `http://127.0.0.1:${server.address().port}`,
  };
  const child = spawn('/bin/bash', ['--noprofile', '--norc', '-eo', 'pipefail', script], { env });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  const [code] = await once(child, 'close');
  server.close();
  return { code, said, by: fs.readFileSync(output, 'utf8').trim() };
}
const of_main = (...commits) => commits.map((sha) => ({ sha, ref: 'main' }));

test('the newest that was well, and is ahead, stays', async () => {
  const { code, said, by } = await push({ deployments: of_main('own', 'broken', 'good', 'older'), states: { good: 'success', older: 'success' } });
  assert.deepEqual([code, by], [7, 'by=good']);
  assert.match(said, /^::error title=private-cloud::production has good already, which is newer\./);
});

for (const [what, settings] of [
  ['nothing was deployed yet', {}],
  ['only this commit was', { deployments: of_main('own'), states: { own: 'success' } }],
  ['nothing was well', { deployments: of_main('broken') }],
  ['it is behind', { deployments: of_main('good'), states: { good: 'success' }, order: 'behind' }],
  ['somebody rewrote the branch', { deployments: of_main('good'), states: { good: 'success' }, order: 'diverged' }],
  ['it is of another branch', { deployments: [{ sha: 'good', ref: 'qa' }, { sha: 'good', ref: 'main-2' }], states: { good: 'success' } }],
]) {
  test(`a push is deployed where ${what}`, async () => assert.deepEqual(await push(settings), { code: 0, said: '', by: '' }));
}

for (const what of ['deployments', 'commits', 'compare']) {
  test(`it is deployed with a warning where GitHub refuses ${what}`, async () => {
    const { code, said, by } = await push({ deployments: of_main('good', 'older'), states: { good: 'success', older: 'success' }, refuses: new RegExp(`/${what}[/?]`) });
    assert.deepEqual([code, by], [0, ''], said);
    assert.match(said, /^::warning title=private-cloud::.* so nobody knows whether what production has is newer\.$/m);
    assert.doesNotMatch(said, /canary/);
  });
}

for (const lacking of ['curl', 'jq']) {
  test(`it is deployed with a warning where the runner has no ${lacking}`, async () => {
    const programs = path.join(folder, `without-${lacking}`);
    fs.mkdirSync(programs);
    for (const name of ['curl', 'jq', 'awk']) if (name !== lacking) fs.symlinkSync(`/usr/bin/${name}`, path.join(programs, name));
    const { code, said } = await push({ deployments: of_main('good'), states: { good: 'success' }, programs });
    assert.equal(code, 0);
    assert.match(said, new RegExp(`^::warning title=private-cloud::this runner has no ${lacking}, so nobody knows`));
  });
}
