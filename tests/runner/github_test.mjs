// What GitHub does around jobs, as this runner does it. usage: node --test github_test.mjs
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';

import { Concurrency } from './github.mjs';
import { is_triggered, matches } from './triggers.mjs';
import { run_workflow } from './workflow.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'runner-test-'));
after(() => fs.rmSync(folder, { recursive: true }));
let runs = 0;

// A repository with these files, committed.
function repository_of(files) {
  const where = path.join(folder, `repository-${(runs += 1)}`);
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(where, name)), { recursive: true });
    fs.writeFileSync(path.join(where, name), content, { mode: content.startsWith('#!') ? 0o755 : 0o644 });
  }
  const git = (...words) => execFileSync('git', ['-C', where, '-c', 'user.name=t', '-c', 'user.email=t@example.com', ...words], { stdio: 'pipe' });
  git('init', '-q', '-b', 'main');
  git('add', '-A');
  git('commit', '-q', '-m', 'first');
  return where;
}

async function run(files, settings = {}, take = () => {}) {
  const repository_folder = settings.repository_folder ?? repository_of(files);
  const temp = path.join(folder, `temp-${(runs += 1)}`);
  fs.mkdirSync(temp);
  const stop = new AbortController();
  return run_workflow({ workflow: path.join(repository_folder, '.github/workflows/w.yml'), temp, tool_cache: temp, actions: {}, secrets: {}, repository_folder, stop, ...settings }, take);
}
const workflow = (text) => ({ '.github/workflows/w.yml': text });
const log_of = ({ jobs }) => Object.values(jobs).flatMap((job) => job.log).join('\n');

// A GitHub that takes everything.
const asked = [];
const github = http.createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  asked.push(`${request.method} ${request.url} ${body && JSON.stringify(JSON.parse(body))}`);
  response.writeHead(201, { 'content-type': 'application/json' }).end('{"id": 7}');
});
await once(github.listen(0, '127.0.0.1'), 'listening');
after(() => github.close());
const upstream = { url: `http://127.0.0.1:${github.address().port}` };

test('there is nothing in the workspace before a checkout, and each job has its own', async () => {
  const result = await run({ ...workflow(`on: push
permissions: { contents: read }
jobs:
  one:
    runs-on: x
    steps:
      - run: test -z "$(ls -A)"
      - uses: actions/checkout@v4
      - run: grep -q hello file && test "$(git rev-parse HEAD)" = "$GITHUB_SHA" && echo more >more
  two: { runs-on: x, needs: one, steps: [{ uses: actions/checkout@v4 }, { run: test ! -e more }] }
  not: { runs-on: x, permissions: {}, steps: [{ uses: actions/checkout@v4 }] }
`), file: 'hello' });
  assert.deepEqual([result.jobs.one.result, result.jobs.two.result, result.jobs.not.result], ['success', 'success', 'failure'], log_of(result));
});

test('an artifact loses modes, hidden files and its name to the next, and goes to other jobs', async () => {
  const result = await run({ ...workflow(`on: push
jobs:
  build:
    runs-on: x
    steps:
      - uses: actions/checkout@v4
      - { uses: actions/upload-artifact@v4, with: { name: a, path: dist, if-no-files-found: error } }
      - { uses: actions/upload-artifact@v4, with: { name: a, path: dist }, id: again, continue-on-error: true }
      - { run: test "$OUTCOME" = failure, env: { OUTCOME: '\${{ steps.again.outcome }}' } }
  use:
    runs-on: x
    needs: build
    steps:
      - { uses: actions/download-artifact@v4, with: { name: a, path: there } }
      - run: test ! -x there/run && test -e there/run && test ! -e there/.hidden
      - { uses: actions/download-artifact@v4, with: { name: b } }
`), 'dist/run': '#!/bin/sh\n', 'dist/.hidden': 'x' });
  assert.match(log_of(result), /Artifact not found for name: b/);
  assert.deepEqual(result.jobs.use.steps.map(({ outcome }) => outcome), ['success', 'success', 'failure']);
});

test('a token may do what the job says, and GitHub answers 403 to the rest', async () => {
  const ask = (name, call) => `- { name: ${name}, run: 'curl -s -o /dev/null -w "%{http_code}\\n" ${call} -H "Authorization: Bearer $T"', env: { T: '\${{ github.token }}' } }`;
  const result = await run(workflow(`on: push
permissions: { statuses: read }
jobs:
  reads:
    runs-on: x
    steps:
      ${ask('get', '"$GITHUB_API_URL/repos/octo/app/commits/main/status"')}
      ${ask('post', '-d "{}" "$GITHUB_API_URL/repos/octo/app/statuses/1"')}
      ${ask('deployments', '"$GITHUB_API_URL/repos/octo/app/deployments"')}
  writes:
    runs-on: x
    permissions: { statuses: write }
    steps:
      ${ask('post', '-d "{}" "$GITHUB_API_URL/repos/octo/app/statuses/1"')}
`), { github: upstream });
  const codes = (job) => job.log.filter((line) => /^\d+$/.test(line));
  assert.deepEqual([codes(result.jobs.reads), codes(result.jobs.writes)], [['201', '403', '403'], ['201']], log_of(result));
});

test('a token of Dependabot only reads', async () => {
  const result = await run(workflow(`on: push
permissions: { statuses: write }
jobs: { a: { runs-on: x, steps: [{ run: 'curl -s -o /dev/null -w "%{http_code}\\n" -d "{}" "$GITHUB_API_URL/repos/octo/app/statuses/1" -H "Authorization: Bearer $T"', env: { T: '\${{ github.token }}' } }] } }
`), { github: upstream, actor: 'dependabot[bot]' });
  assert.ok(result.jobs.a.log.includes('403'), log_of(result));
});

const CALLED = `on:
  workflow_call:
    inputs:
      text: { type: string, required: true, description: x }
      flag: { type: boolean, default: true, description: x }
      number: { type: number, default: 3, description: x }
    secrets:
      KEY: { required: true, description: x }
    outputs:
      out: { value: '\${{ jobs.inner.outputs.out }}', description: x }
permissions: {}
jobs:
  inner:
    runs-on: x
    permissions: { contents: read }
    outputs: { out: '\${{ steps.a.outputs.out }}' }
    steps:
      - id: a
        run: echo "out=$TEXT $FLAG $NUMBER $OTHER" >>"$GITHUB_OUTPUT"
        env: { TEXT: '\${{ inputs.text }}', FLAG: '\${{ inputs.flag && !false }}', NUMBER: '\${{ inputs.number == 3 }}', OTHER: '\${{ secrets.OTHER == \\'\\' }}' }
`.replaceAll("\\'\\'", "''''");
const caller = (more) => ({ '.github/workflows/called.yml': CALLED, ...workflow(`on: push
permissions: { contents: read }
jobs:
  call:
    uses: ./.github/workflows/called.yml
${more}
  after: { runs-on: x, needs: call, steps: [{ run: 'test "$OUT" = "hi true true true"', env: { OUT: '\${{ needs.call.outputs.out }}' } }] }
`) });
const WITH = '    with: { text: hi }\n    secrets: { KEY: "${{ secrets.KEY }}" }\n';

test('a reusable workflow gets typed inputs, the secrets it is given and no others, and gives outputs', async () => {
  const result = await run(caller(WITH), { secrets: { KEY: 'the-key-1', OTHER: 'other-1' } });
  assert.equal(result.result, 'success', log_of(result));
  assert.ok('call / inner' in result.jobs);
});

for (const [what, more, settings, message] of [
  ['an input that it has not', '    with: { text: hi, txt: no }\n    secrets: inherit\n', { secrets: { KEY: 'x' } }, /Invalid input, txt/],
  ['no required input', '    secrets: inherit\n', { secrets: { KEY: 'x' } }, /Input text is required/],
  ['no required secret', WITH, {}, /Secret KEY is required/],
  ['a secret that it has not', `    with: { text: hi }\n    secrets: { KIY: x, KEY: x }\n`, {}, /Invalid secret, KIY/],
  ['a text for a flag', '    with: { text: hi, flag: maybe }\n    secrets: inherit\n', { secrets: { KEY: 'x' } }, /flag is no boolean/],
]) {
  test(`a reusable workflow refuses ${what}`, () => assert.rejects(run(caller(more), settings), message));
}

test('a reusable workflow may not ask for more than its caller has', async () => {
  const files = caller(WITH);
  files['.github/workflows/called.yml'] = CALLED.replace('contents: read', 'statuses: write');
  await assert.rejects(run(files, { secrets: { KEY: 'x' } }), /The nested job 'call \/ inner' is requesting 'statuses: write', but is only allowed 'statuses: none'/);
});

test('a job after a skipped one is skipped, also where another ran between them', async () => {
  const { jobs } = await run(workflow(`on: push
jobs:
  a: { runs-on: x, if: false, steps: [{ run: 'true' }] }
  b: { runs-on: x, needs: a, if: always(), steps: [{ run: 'true' }] }
  c: { runs-on: x, needs: b, steps: [{ run: 'true' }] }
  d: { runs-on: x, needs: b, if: '!failure() && !cancelled()', steps: [{ run: 'true' }] }
`));
  assert.deepEqual(['a', 'b', 'c', 'd'].map((id) => jobs[id].result), ['skipped', 'success', 'skipped', 'success']);
});

test('a job with an environment makes one deployment, has its secrets, and may be of certain branches only', async () => {
  asked.length = 0;
  const files = workflow(`on: push
jobs:
  a:
    runs-on: x
    environment: { name: production, url: '\${{ steps.b.outputs.url }}' }
    steps: [{ id: b, run: 'test "$KEY" = of-production && echo "url=https://x.example.com" >>"$GITHUB_OUTPUT"', env: { KEY: '\${{ secrets.KEY }}' } }]
`);
  const settings = { secrets: { KEY: 'of-the-repository' }, environments: { production: { secrets: { KEY: 'of-production' }, branches: ['main'] } }, github: upstream };
  const repository_folder = repository_of(files);
  const result = await run(files, { ...settings, repository_folder });
  assert.equal(result.result, 'success', log_of(result));
  assert.deepEqual(asked.map((each) => /"(?:state|environment)":"(\w+)"/.exec(each)[1]), ['production', 'in_progress', 'success']);
  assert.match(asked[2], /"environment_url":"https:\/\/x.example.com"/);
  execFileSync('git', ['-C', repository_folder, 'branch', 'other']);
  const other = await run(files, { ...settings, repository_folder, branch: 'other' });
  assert.match(log_of(other), /Branch "other" is not allowed to deploy to production/);
});

test('a job with an environment that is not deployed to makes no deployment, and has its secrets and variables', async () => {
  asked.length = 0;
  const result = await run(workflow(`on: push
jobs:
  a:
    runs-on: x
    environment: { name: production, deployment: false }
    steps: [{ run: 'test "$KEY $HOST $OTHER" = "of-production vm1 of-all"', env: { KEY: '\${{ secrets.KEY }}', HOST: '\${{ vars.HOST }}', OTHER: '\${{ vars.OTHER }}' } }]
`), { vars: { HOST: 'vm9', OTHER: 'of-all' }, environments: { production: { secrets: { KEY: 'of-production' }, vars: { HOST: 'vm1' } } }, github: upstream });
  assert.equal(result.result, 'success', log_of(result));
  assert.deepEqual(asked, []);
});

for (const [who, event_name, repository, expected] of [
  ['a fork', 'pull_request', 'stranger/app', 'none 403'],
  ['a branch', 'pull_request', 'octo/app', 'one 201'],
  ['a fork, run by the workflow of the repository', 'pull_request_target', 'stranger/app', 'one 201'],
]) {
  test(`a pull request of ${who} gets ${expected}`, async () => {
    const files = workflow(`on: { ${event_name}: null }
permissions: { contents: read, statuses: write }
jobs:
  a:
    runs-on: x
    steps: [{ run: 'echo "\${KEY:-none} $(curl -s -o /dev/null -w "%{http_code}" -d "{}" "$GITHUB_API_URL/repos/octo/app/statuses/1" -H "Authorization: Bearer $T")"', env: { KEY: "\${{ secrets.KEY && 'one' }}", T: '\${{ github.token }}' } }]
`);
    const event = { action: 'opened', number: 1, pull_request: { head: { ref: 'x', repo: { full_name: repository } }, base: { ref: 'main' } } };
    const result = await run(files, { event_name, event, secrets: { KEY: 'of-the-repository' }, github: upstream });
    assert.ok(result.jobs.a.log.includes(expected), log_of(result));
  });
}

test('a matrix is its axes, without what is left out, with what is added', async () => {
  const { jobs, result } = await run(workflow(`on: push
jobs:
  a:
    runs-on: x
    strategy: { matrix: { os: [x, y], v: [1, 2], exclude: [{ os: y, v: 1 }], include: [{ os: z, v: 3 }] } }
    steps: [{ run: 'test "\${{ matrix.os }}"' }]
`));
  assert.equal(result, 'success');
  assert.deepEqual(Object.keys(jobs), ['a (x, 1)', 'a (x, 2)', 'a (y, 2)', 'a (z, 3)']);
});

test('of a group one runs and one waits; a newer one takes its place, or cancels the one that runs', async () => {
  const groups = new Concurrency();
  let stopped = 0;
  const leave = await groups.enter('g', false, () => (stopped += 1));
  const second = groups.enter('G', false, () => {});
  const third = groups.enter('g', false, () => {});
  assert.equal(await second, undefined);
  assert.equal(stopped, 0);
  const fourth = groups.enter('g', true, () => {});
  assert.equal(stopped, 1);
  assert.equal(await third, undefined);
  leave();
  (await fourth)();
  assert.ok(await groups.enter('g', false, () => {}));
});

test('who queues for a group takes no place of another, and comes in its order', async () => {
  const groups = new Concurrency();
  const leave = await groups.enter('g', false, () => {}, true);
  const came = [];
  const later = [1, 2, 3].map((each) => groups.enter('g', false, () => {}, true).then((turn) => {
    came.push(each);
    turn();
  }));
  leave();
  await Promise.all(later);
  assert.deepEqual(came, [1, 2, 3]);
});

test('a newer run of a group cancels the older one in the middle', async () => {
  const files = workflow(`on: push
concurrency: { group: one, cancel-in-progress: true }
jobs:
  a:
    runs-on: x
    env: { GO: '${path.join(folder, 'go')}' }
    steps:
      - shell: sh
        run: exec sh -c 'trap "exit 130" INT; echo ready; while [ ! -e "$GO" ]; do sleep 0.05; done'
`);
  const shared = { concurrency: new Concurrency(), repository_folder: repository_of(files) };
  let newer;
  const older = run(files, shared, (line) => {
    if (line === '[a] ready') newer ??= run(files, shared, (each) => each === '[a] ready' && fs.writeFileSync(path.join(folder, 'go'), ''));
  });
  assert.equal((await older).result, 'cancelled');
  assert.equal((await newer).result, 'success');
});

for (const [pattern, branch, expected] of [['main', 'main', true], ['feature/*', 'feature/x', true], ['feature/*', 'feature/a/b', false], ['feature/**', 'feature/a/b', true], ['**', 'a/b', true],
  ['v[12].x', 'v2.x', true], ['v1.x', 'v11x', false], ['ma?in', 'min', true]]) {
  test(`the filter ${pattern} ${expected ? 'takes' : 'does not take'} ${branch}`, () => assert.equal(matches(pattern, branch), expected));
}

for (const [on, event, expected] of [
  ['push', { name: 'push' }, true],
  [['push', 'delete'], { name: 'delete' }, true],
  [{ push: { branches: ['main'] } }, { name: 'push', branch: 'feature/x' }, false],
  [{ push: { branches: ['**', '!main'] } }, { name: 'push', branch: 'main' }, false],
  [{ push: { 'branches-ignore': ['main'] } }, { name: 'push', branch: 'main' }, false],
  [{ pull_request: null }, { name: 'pull_request', payload: { action: 'closed' } }, false],
  [{ pull_request: { types: ['closed'] } }, { name: 'pull_request', payload: { action: 'closed' } }, true],
  [{ workflow_run: { workflows: ['ci'] } }, { name: 'workflow_run', payload: { workflow_run: { name: 'other' } } }, false],
]) {
  test(`on: ${JSON.stringify(on)} ${expected ? 'is' : 'is not'} triggered by ${JSON.stringify(event)}`, () => assert.equal(is_triggered(on, { payload: {}, branch: 'main', ...event }), expected));
}
