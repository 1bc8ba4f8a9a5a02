// The real commit-status and the sandbox's GitHub, with Prism between them, which knows GitHub's description.
// usage: node github_openapi_test.mjs COMMIT_STATUS SANDBOX PACKAGES
//
//   commit-status -> watch (what was asked, and Prism's word on it) -> Prism -> spoil (can break an answer) -> sandbox
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { operations, write_description } from './github_description.mjs';

const [commit_status, sandbox, packages] = process.argv.slice(2);
const commit = 'a'.repeat(40);
const older = 'b'.repeat(40);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'github-openapi-'));
const file = (name) => path.join(folder, name);
const children = [];
const servers = [];

// Ends with this process, however that ends.
function start(words, environment = {}) {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...words], {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (child.said += text));
  return child;
}

// A server of ours: what it says, as soon as the pattern is there.
async function serve(words, pattern, environment) {
  const child = start(words, environment);
  children.push(child);
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', () => pattern.test(child.said) && resolve(child.said.match(pattern)[1]));
    }
    child.on('error', reject);
    child.on('exit', () => reject(new Error(`${words[0]} ended: ${child.said}`)));
  });
}

const whole = async (stream) => Buffer.concat(await stream.toArray());

async function passed_on(client, url, request, options) {
  const body = await whole(request);
  const next = client.request(url + request.url, { method: request.method, headers: request.headers, ...options });
  next.end(body);
  const [answer] = await once(next, 'response');
  return { status: answer.statusCode, headers: answer.headers, body: await whole(answer) };
}

// An HTTP server on a free port that answers as `answer` says.
async function listen(answer) {
  const server = http.createServer(async (request, response) => {
    try {
      const { status, headers, body } = await answer(request);
      const { 'content-length': _, 'transfer-encoding': __, ...others } = headers;
      response.writeHead(status, others).end(body);
    } catch (error) {
      response.writeHead(502).end(String(error));
    }
  });
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${server.address().port}`;
}

const templates = operations.map((operation) => {
  const [method, rest] = operation.split(' ');
  return { operation, method, path: new RegExp(`^/repos/acme/shop${rest.replace(/\{\w+\}/g, '[^/]+')}$`) };
});
const operation_of = (method, url) =>
  templates.find((each) => each.method === method && each.path.test(url.split('?')[0]))?.operation ?? `${method} ${url}`;

// What Prism complains about: of a request in its answer, of an answer in a header too, as it does of a status code
// that is not in the description.
function violations_in({ headers, body }) {
  const of_answer = JSON.parse(headers['sl-violations'] ?? '[]');
  const is_complaint = (headers['content-type'] ?? '').startsWith('application/problem+json');
  return of_answer.length > 0 || !is_complaint ? of_answer : JSON.parse(body).validation ?? [JSON.parse(body)];
}

const seen = []; // {operation, status, violations}
let spoilt = false;
let url; // of the watch, which is GitHub's API to the tool

async function set_up() {
  const github = await serve(
    [sandbox, 'github', '--ca-out', file('ca.pem'), '--check-runs', file('checks.json'), '--ref', `main=${commit}`,
      '--ref', 'feature/cart=' + commit, '--behind', commit, '--unmergeable', older],
    /"github":"([\d.:]+)"/,
  );
  const ca = fs.readFileSync(file('ca.pem'));
  const upstream = await listen(async (request) => {
    const answer = await passed_on(https, `https://${github}`, request, { ca });
    if (spoilt) answer.body = Buffer.from(JSON.parse(answer.body) instanceof Array ? '[{}]' : '{}');
    return answer;
  });
  write_description(path.join(packages, 'node_modules/@octokit/openapi/generated/api.github.com.json'), file('github.json'));
  const prism = await serve(
    [process.execPath, path.join(packages, 'node_modules/@stoplight/prism-cli/dist/index.js'), 'proxy', '--errors',
      '--host', '127.0.0.1', '--port', '0', file('github.json'), upstream],
    /is listening on (http:\/\/127\.0\.0\.1:\d+)/,
  );
  url = await listen(async (request) => {
    const answer = await passed_on(http, prism, request);
    seen.push({ operation: operation_of(request.method, request.url), status: answer.status, violations: violations_in(answer) });
    return answer;
  });
}

async function tear_down() {
  for (const server of servers) server.close().closeAllConnections();
  for (const child of children) {
    if (child.exitCode === null && child.kill('SIGTERM')) await once(child, 'exit');
  }
  fs.rmSync(folder, { recursive: true });
}

// A step of a workflow on a push; `more` is what it has beyond that.
async function run(words, more = {}, code = 0) {
  const begin = seen.length;
  fs.writeFileSync(file('outputs'), '');
  const child = start([commit_status, ...words], {
    GITHUB_ACTIONS: 'true', GITHUB_API_URL: url, GITHUB_EVENT_NAME: 'push', GITHUB_JOB: 'deploy',
    GITHUB_OUTPUT: file('outputs'), GITHUB_REPOSITORY: 'acme/shop', GITHUB_RUN_ID: '7',
    GITHUB_SERVER_URL: 'https://github.com', GITHUB_SHA: commit, GITHUB_STEP_SUMMARY: file('summary'),
    GITHUB_WORKFLOW: 'Ship it', INPUT_RETRIES: '0', INPUT_TOKEN: 'a-token-of-the-job', ...more,
  });
  const [ended] = await once(child, 'close');
  const asked = seen.slice(begin);
  for (const { operation, violations } of asked) assert.deepEqual(violations, [], `${operation} of ${words.join(' ')}`);
  assert.equal(ended, code, child.said);
  return asked.map(({ operation, status }) => `${operation} ${status}`);
}

function write_checks(checks) {
  fs.writeFileSync(file('checks.json'), JSON.stringify(checks));
}
write_checks([]);

const steps = [];
const step = (name, take) => steps.push([name, take]);

step('status', async () => {
  await run(['status'], { INPUT_STATE: 'pending', INPUT_CONTEXT: 'unit\nlint' });
  await run(['status'], { INPUT_STATE: 'success', INPUT_CONTEXT: 'unit\nlint', INPUT_DESCRIPTION: 'ä'.repeat(200) });
  const named = await run(['status'], { INPUT_STATE: 'failure', INPUT_CONTEXT: 'unit', INPUT_SHA: 'feature/cart' });
  assert.equal(named[0], 'GET /commits/{ref} 200');
  await run(['status'], { INPUT_STATE: 'success', INPUT_CONTEXT: 'unit', INPUT_TARGET_URL: 'https://ci.example.com/?a=1&b=%C3%A4' });
});

step('run', () => run(['run', '--', 'true'], { INPUT_CONTEXT: 'unit' }));

step('check', async () => {
  fs.writeFileSync(
    file('annotations.jsonl'),
    Array.from({ length: 60 }, (_, line) =>
      JSON.stringify({ path: 'a.sh', start_line: line + 1, annotation_level: 'warning', message: 'Quote this.', title: 'SC2086',
        raw_details: 'x', ...(line === 0 ? { start_column: 1, end_column: 4 } : { end_line: line + 3 }) }) + '\n',
    ).join(''),
  );
  await run(['check'], { INPUT_STATE: 'queued' });
  await run(['check'], { INPUT_STATE: 'pending' });
  const ended = await run(['check'], { INPUT_STATE: 'failure', INPUT_TITLE: '60 findings', INPUT_CHECK_SUMMARY: '# Findings',
    INPUT_CHECK_TEXT: 'More.', INPUT_ANNOTATIONS_FILE: file('annotations.jsonl') });
  assert.equal(ended.filter((each) => each === 'PATCH /check-runs/{check_run_id} 200').length, 2);
  for (const conclusion of ['success', 'neutral', 'cancelled', 'skipped', 'timed_out', 'action_required']) {
    await run(['check'], { INPUT_STATE: 'success', INPUT_CONCLUSION: conclusion, INPUT_NAME: conclusion });
  }
  const by_id = await run(['check'], { INPUT_STATE: 'success', INPUT_CHECK_ID: '1001' });
  assert.equal(by_id[0], 'GET /check-runs/{check_run_id} 200');
});

step('deployment', async () => {
  const preview = { INPUT_ENVIRONMENT: 'preview', INPUT_SLUG: 'cart-1a2b3c4d', INPUT_STATE: 'success' };
  await run(['deployment', 'start'], { INPUT_DESCRIPTION: 'ä'.repeat(200), INPUT_PAYLOAD: '{"build": 7}' });
  await run(['deployment', 'finish'], { INPUT_STATE: 'success', INPUT_ENVIRONMENT_URL: 'https://shop.example.com' });
  const by_id = await run(['deployment', 'finish'], { INPUT_STATE: 'cancelled', INPUT_DEPLOYMENT_ID: '1' });
  assert.equal(by_id[0], 'GET /deployments/{deployment_id} 200');
  await run(['deployment', 'finish'], preview);
  const superseding = await run(['deployment', 'finish'], { ...preview, GITHUB_RUN_ID: '8' });
  assert.ok(superseding.includes('GET /deployments/{deployment_id}/statuses 200'), superseding.join('\n'));
  await run(['deployment', 'finish'], { ...preview, INPUT_STATE: 'inactive' });
  const rollback = await run(['deployment', 'finish'], { INPUT_STATE: 'success', INPUT_SHA: older, INPUT_ROLLS_BACK: commit,
    INPUT_DESCRIPTION: 'Prices are wrong', GITHUB_RUN_ID: '9' });
  assert.equal(rollback.at(-1), 'POST /statuses/{sha} 201');
  for (const [sha, answer] of [[commit, 202], [older, 409]]) {
    const merge = await run(['deployment', 'start'], { INPUT_AUTO_MERGE: 'true', INPUT_SHA: sha, GITHUB_RUN_ID: '10' }, 7);
    assert.equal(merge.at(-1), `POST /deployments ${answer}`);
  }
});

step('wait', async () => {
  write_checks([{ name: 'tests', status: 'completed', conclusion: 'success', details_url: '', app: { id: 15368 } }]);
  const asked = await run(['wait'], { INPUT_INTERVAL: '1s', INPUT_IGNORE: 'timed_out\naction_required\ncancelled\nlint\n*production*', INPUT_WAIT_LIMIT: '20s' });
  assert.ok(asked.includes('GET /commits/{ref}/check-runs 304'), asked.join('\n'));
});

step('wait --cloudflare, and its preview as a deployment', async () => {
  const summary = '<table><tr><td><strong>Preview URL:</strong></td><td>\n<a href="https://1a2b.shop.pages.dev">https://1a2b.shop.pages.dev</a>\n</td></tr></table>';
  write_checks([{ name: 'Cloudflare Pages', status: 'completed', conclusion: 'success', details_url: 'https://dash.cloudflare.com',
    app: { id: 85455 }, output: { title: 'Deployed', summary, text: null } }]);
  await run(['wait', '--cloudflare'], { INPUT_INTERVAL: '1s', INPUT_WAIT_LIMIT: '20s' });
  const at = fs.readFileSync(file('outputs'), 'utf8').match(/https:\/\/1a2b\.shop\.pages\.dev/)?.[0];
  assert.ok(at, fs.readFileSync(file('outputs'), 'utf8'));
  await run(['deployment', 'finish'], { INPUT_STATE: 'success', INPUT_ENVIRONMENT: 'edge-preview', INPUT_ENVIRONMENT_URL: at });
});

step('summary', async () => {
  await run(['summary']);
});

step('compass asks whether GitHub knows the environment', async () => {
  fs.writeFileSync(file('compass.yml'), 'id: ari:cloud:compass:1:component/2/3\n');
  const asked = await run(['compass'], { INPUT_STATE: 'success', INPUT_COMPASS_FILE: file('compass.yml'), INPUT_SITE: 'acme',
    INPUT_COMPASS_USER: 'a@example.com', INPUT_COMPASS_TOKEN: 'a-token-of-compass', INPUT_NUMBER: '1', INPUT_STARTED_AT: '2026-01-01T00:00:00Z' });
  assert.deepEqual(asked, ['GET /deployments 200']);
});

step('all that commit-status ever asks was asked, and answered', () => {
  const counts = new Map(operations.map((operation) => [operation, 0]));
  for (const { operation, status } of seen) counts.set(operation, (counts.get(operation) ?? 0) + (status < 300 ? 1 : 0));
  console.log([...counts].map(([operation, count]) => `${String(count).padStart(4)}  ${operation}`).join('\n'));
  assert.deepEqual([...counts].filter(([, count]) => count === 0), []);
  assert.equal(counts.size, operations.length, 'something else was asked');
});

// What a request has to say, and what it may not.
const bodies = {
  'POST /statuses/{sha}': [{ state: 'success', context: 'x' },
    [{ state: 'done' }, { state: 'success', description: 'x'.repeat(141) }, { state: 'success', target_url: 'ftp://example.com' },
      { state: 'success', context: 'x'.repeat(256) }]],
  'POST /check-runs': [{ name: 'x', head_sha: commit },
    [{ name: 'x' }, { name: 'x', head_sha: commit, status: 'completed' }, { name: 'x', head_sha: commit, conclusion: 'stale' }]],
  'PATCH /check-runs/{check_run_id}': [{ conclusion: 'success' }, [{ status: 'completed' }, { output: { title: 'x' } }]],
  'POST /deployments': [{ ref: commit, auto_merge: false, required_contexts: [] },
    [{}, { ref: commit, required_contexts: 'unit' }, { ref: commit, description: 'x'.repeat(141) }]],
  'POST /deployments/{deployment_id}/statuses': [{ state: 'success' },
    [{ state: 'deployed' }, { state: 'success', environment_url: 'shop.example.com' }]],
};
const good_headers = { 'User-Agent': 'test', 'X-GitHub-Api-Version': '2022-11-28', Authorization: 'Bearer x' };

async function ask(operation, body, headers = good_headers) {
  const [method, rest] = operation.split(' ');
  const target = rest.replace(/\{(ref|sha)\}/, commit).replace('{check_run_id}', '1001').replace('{deployment_id}', '1');
  const request = http.request(`${url}/repos/acme/shop${target}`, { method, headers });
  if (body) request.setHeader('Content-Type', 'application/json');
  request.end(body && JSON.stringify(body));
  const [answer] = await once(request, 'response');
  await whole(answer);
  return seen.at(-1);
}

const without = (name) => Object.fromEntries(Object.entries(good_headers).filter(([key]) => key !== name));

for (const operation of operations) {
  step(`Prism knows ${operation}, and complains`, async () => {
    const [good, bad] = bodies[operation] ?? [undefined, []];
    assert.deepEqual((await ask(operation, good)).violations, []);
    spoilt = true;
    const answer = await ask(operation, good);
    spoilt = false;
    assert.equal(answer.status, 500, 'an answer that says nothing');
    assert.equal(answer.violations[0].location[0], 'response');
    for (const body of good ? [...bad, { ...good, unknown: true }] : bad) {
      const { status, violations } = await ask(operation, body);
      assert.equal(status, 422, JSON.stringify(body));
      assert.notDeepEqual(violations, []);
    }
    for (const name of Object.keys(good_headers)) {
      const { status } = await ask(operation, good, without(name));
      assert.equal(status, name === 'Authorization' ? 401 : 422, `without ${name}`);
    }
  });
}

test('commit-status, the sandbox and the description of GitHub', async (context) => {
  try {
    await set_up();
    for (const [name, take] of steps) await context.test(name, take);
  } finally {
    await tear_down();
  }
});
