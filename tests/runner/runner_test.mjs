// The runner's own tests: that it is as strict, and as generous, as GitHub's. usage: node --test runner_test.mjs
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { evaluate, fill_in, holds } from './expressions.mjs';
import { JobLog, records_of } from './step_log.mjs';
import { run_workflow } from './workflow.mjs';

const contexts = { github: { ref_name: 'main', event: { labels: ['a', 'b'] } }, inputs: { 'dry-run': 'true', empty: '' }, steps: { one: { outputs: { port: '5432' } } }, secrets: { KEY: 'k' } };

for (const [text, expected] of [
  ["'it''s'", "it's"],
  ['inputs.dry-run', 'true'],
  ['INPUTS.Dry-Run', 'true'],
  ['inputs.absent', null],
  ["steps.one.outputs.port == 5432", true],
  ["'Main' == github.ref_name", true],
  ["inputs.empty || 'other'", 'other'],
  ["inputs.empty && 'other'", ''],
  ['!inputs.empty && 1 < 2', true],
  ["contains(github.event.labels, 'B')", true],
  ["contains('Hello', 'LL')", true],
  ["startsWith(github.ref_name, 'ma') && !endsWith(github.ref_name, 'x')", true],
  ["format('{0}-{1} {{}}', 'a', 2)", 'a-2 {}'],
  ["join(github.event.labels, '+')", 'a+b'],
  ["github.event['labels'][1]", 'b'],
  ["fromJSON('{\"a\": 1}').a", 1],
  ["null == ''", true],
  ['(1 > 2) == false', true],
]) {
  test(`the expression ${text} is ${JSON.stringify(expected)}`, () => assert.deepEqual(evaluate(text, contexts), expected));
}

for (const [text, message] of [
  ['needs.build', /Unrecognized named-value: 'needs'/],
  ['hashFiles(1)', /Unrecognized function: 'hashFiles'/],
  ['github..x', /Unexpected symbol: '.x'/],
  ['a ? b', /Unexpected symbol/],
]) {
  test(`the expression "${text}" is an error`, () => assert.throws(() => evaluate(text, contexts), message));
}

test('expressions are filled into text, and a brace pair in a literal ends none', () => {
  assert.equal(fill_in("ref ${{ github.ref_name }}, ${{ '}}' }}, ${{ inputs.absent }}.", contexts), 'ref main, }}, .');
});

test('a condition without a status function asks for success as well', () => {
  assert.equal(holds('true', contexts, 'failure'), false);
  assert.equal(holds('${{ always() }}', contexts, 'cancelled'), true);
  assert.equal(holds('failure()', contexts, 'failure'), true);
  assert.equal(holds(undefined, contexts, 'success'), true);
  assert.equal(holds('cancelled()', contexts, 'failure'), false);
});

test('outputs are read line by line and block by block', () => {
  assert.deepEqual(records_of('a=1\nb<<E\nx\n\ny=z\nE\nc=a<<b\n'), { a: '1', b: 'x\n\ny=z', c: 'a<<b' });
});

for (const [text, message] of [
  ['a<<E\nx\n', /Matching delimiter not found 'E'/],
  ['=x\n', /Name must not be empty/],
  ['<<E\nE\n', /Name must not be empty/],
  ['word\n', /Invalid format 'word'/],
]) {
  test(`the outputs ${JSON.stringify(text)} fail the step`, () => assert.throws(() => records_of(text), message));
}

test('a mask hides a value, its lines and its other spellings', () => {
  const log = new JobLog(() => {});
  log.take('::add-mask::first line%0Asecond "line"');
  log.take('first line, then second "line"');
  log.take(`base64 ${Buffer.from('key: first line').toString('base64')}`);
  log.take('json second \\"line\\"');
  assert.deepEqual(log.lines.slice(0, 1), ['***, then ***']);
  assert.match(log.lines[1], /\*\*\*/);
  assert.equal(log.lines[2], 'json ***');
});

test('commands are obeyed at the start of a line, and none while they are stopped', () => {
  const log = new JobLog(() => {});
  log.take('::stop-commands::T0ken');
  log.take('::error::no');
  log.take('##[error]no');
  log.take('::t0KEN::');
  log.take('  ::error title=a%2C b::one%0Atwo%25');
  log.take('text ::error::no');
  log.take('text ##[warning]yes');
  assert.deepEqual(log.annotations, [
    { level: 'error', message: 'one\ntwo%', title: 'a, b' },
    { level: 'warning', message: 'yes', title: '' },
  ]);
  assert.ok(log.lines.includes('::error::no'));
});

// ------------------------------------------------------------------------------------------------ workflows

// Runs the workflow in a folder of its own. `files` go there too, by path.
async function run(text, { files = {}, secrets = {}, stop_at } = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'runner-test-'));
  try {
    for (const [name, content] of Object.entries({ ...files, 'workflow.yml': text })) {
      fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      fs.writeFileSync(path.join(folder, name), content);
    }
    const stop = new AbortController();
    const settings = { workflow: path.join(folder, 'workflow.yml'), workspace: folder, temp: folder, tool_cache: folder, actions: { 'octo/actions': path.join(folder, 'actions') }, secrets, stop };
    return await run_workflow(settings, (line) => line === stop_at && stop.abort());
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

const job = (steps, more = '') => `on: push\njobs:\n  only:\n    runs-on: ubuntu-latest\n${more}    steps:\n${steps.replace(/^/gm, '      ')}\n`;

test('what a step writes for later steps is there for them, not for itself', async () => {
  const { jobs } = await run(job(`- id: one
  run: |
    echo "ADDED=yes" >>"$GITHUB_ENV"
    echo "itself=[\${ADDED:-}]" >>"$GITHUB_OUTPUT"
- id: two
  run: echo "later=[$ADDED]" >>"$GITHUB_OUTPUT"
- run: test '\${{ steps.one.outputs.itself }} \${{ steps.two.outputs.later }}' = '[] [yes]'`));
  assert.equal(jobs.only.result, 'success', jobs.only.log.join('\n'));
});

test('after a failure only the steps that ask for it run', async () => {
  const { result, jobs } = await run(job(`- run: exit 3
  continue-on-error: true
- run: exit 4
- run: echo not me
- if: failure()
  run: echo on failure
- if: always()
  run: echo always`));
  assert.equal(result, 'failure');
  assert.deepEqual(jobs.only.steps.map((step) => `${step.outcome}/${step.conclusion}`), ['failure/success', 'failure/failure', 'skipped/skipped', 'success/success', 'success/success']);
  assert.ok(jobs.only.log.includes('##[error]Process completed with exit code 4.'));
});

const ACTION = `name: x
description: x
inputs:
  given: { description: x }
  preset: { description: x, default: "on \${{ github.ref_name }}" }
outputs:
  out: { value: "\${{ steps.inner.outputs.out }}" }
runs:
  using: composite
  steps:
    - id: inner
      shell: sh
      env:
        GIVEN: \${{ inputs.given }}
        PRESET: \${{ inputs.preset }}
      run: |
        ! env | grep ^INPUT_
        echo "out=$GIVEN, $PRESET, $(basename "$GITHUB_ACTION_PATH")" >>"$GITHUB_OUTPUT"
`;

test('a composite action gets its inputs by its own words only, and warns of one it does not know', async () => {
  const { jobs } = await run(job(`- id: act
  uses: octo/actions/x@v1
  with:
    given: \${{ secrets.GIVEN }}
    wrong: 1
- run: test "\${{ steps.act.outputs.out }}" = "given-1, on main, x"`), { files: { 'actions/x/action.yml': ACTION }, secrets: { GIVEN: 'given-1' } });
  assert.equal(jobs.only.result, 'success', jobs.only.log.join('\n'));
  assert.match(jobs.only.annotations[0].message, /Unexpected input\(s\) 'wrong'/);
});

test('the repository of an action is in the expression only', async () => {
  const action = ACTION.replace('GIVEN: ${{ inputs.given }}', 'GIVEN: ${{ github.action_repository }}').replace('$PRESET', '[$GITHUB_ACTION_REPOSITORY]');
  const { jobs } = await run(job(`- id: act
  uses: octo/actions/x@v1
- run: test "\${{ steps.act.outputs.out }}" = "octo/actions, [], x"`), { files: { 'actions/x/action.yml': action } });
  assert.equal(jobs.only.result, 'success', jobs.only.log.join('\n'));
});

test('only ten annotations of a level are shown of a step', async () => {
  const { jobs } = await run(job(`- run: for i in $(seq 12); do echo "::warning::$i"; done
- run: echo "::warning::next"`));
  assert.deepEqual(jobs.only.annotations.map(({ message }) => message), [...Array.from({ length: 10 }, (_, i) => String(i + 1)), 'next']);
});

test('a composite action does not see the secrets of the workflow', async () => {
  const { jobs } = await run(job('- uses: octo/actions/x@v1'), { files: { 'actions/x/action.yml': ACTION.replace('inputs.given', 'secrets.GIVEN') } });
  assert.equal(jobs.only.result, 'failure');
  assert.ok(jobs.only.log.some((line) => line.includes("Unrecognized named-value: 'secrets'")));
});

test('secrets are masked in log, summary and annotations, and an output that holds one is dropped', async () => {
  const { jobs } = await run(job(`- id: tell
  run: |
    echo "the key is $KEY"
    echo "the key is $KEY" >>"$GITHUB_STEP_SUMMARY"
    echo "::error::$KEY"
    echo "key=$KEY" >>"$GITHUB_OUTPUT"
  env:
    KEY: \${{ secrets.KEY }}`, '    outputs:\n      key: ${{ steps.tell.outputs.key }}\n      other: fine\n'), { secrets: { KEY: 'canary-4711' } });
  assert.deepEqual(jobs.only.outputs, { other: 'fine' });
  assert.equal(jobs.only.summary, 'the key is ***\n');
  assert.equal(jobs.only.annotations[0].message, '***');
  assert.ok(!jobs.only.log.join('\n').includes('canary'));
});

test('jobs wait for what they need, and one whose need failed is skipped', async () => {
  const { result, jobs } = await run(`on: push
jobs:
  last: { runs-on: x, needs: first, steps: [{ run: 'test \${{ needs.first.outputs.a }} = 1' }] }
  first: { runs-on: x, outputs: { a: '1' }, steps: [{ run: 'true' }] }
  bad: { runs-on: x, steps: [{ run: 'false' }] }
  after: { runs-on: x, needs: [bad], steps: [{ run: 'true' }] }
`);
  assert.equal(result, 'failure');
  assert.deepEqual([jobs.last.result, jobs.after.result], ['success', 'skipped']);
});

test('a cancel reaches the step by SIGINT, and steps for it still run', async () => {
  const { result, jobs } = await run(job(`- shell: sh
  run: exec sh -c 'trap "echo told; exit 130" INT; echo ready; while :; do sleep 0.1; done'
- run: echo not me
- if: cancelled()
  run: echo cleaned up`), { stop_at: '[only] ready' });
  assert.equal(result, 'cancelled');
  assert.deepEqual(jobs.only.steps.map((step) => step.outcome), ['cancelled', 'skipped', 'success']);
  assert.ok(jobs.only.log.includes('told'));
});

test('an action that asked to run all the same is not touched by a cancel', async () => {
  const { jobs } = await run(job(`- shell: sh
  run: exec sh -c 'trap "exit 130" INT; echo ready; while :; do sleep 0.1; done'
- uses: octo/actions/x@v1
- if: always()
  id: act
  uses: octo/actions/x@v1
- if: always()
  run: test "\${{ steps.act.outputs.out }}" = ", on main, x"`), { files: { 'actions/x/action.yml': ACTION }, stop_at: '[only] ready' });
  assert.deepEqual(jobs.only.steps.filter(({ depth }) => depth === 0).map((step) => step.outcome), ['cancelled', 'skipped', 'success', 'success'], jobs.only.log.join('\n'));
});

test('what a job leaves running is ended with it', async () => {
  const { jobs } = await run(job(`- run: |
    sleep 600 >/dev/null 2>&1 </dev/null &
    until grep -q sleep /proc/$!/comm; do :; done`));
  assert.deepEqual(jobs.only.orphans, ['sleep']);
});

for (const [name, text, message] of [
  ['a misspelt key of a step', job('- runs: x'), /Unexpected value 'runs'/],
  ['a misspelt key of the workflow', 'on: push\njob: {}\n', /Unexpected value 'job'/],
  ['an action nobody maps', job('- uses: octo/others@v1'), /Unable to resolve action octo\/others@v1/],
  ['jobs that wait for each other', 'on: push\njobs: { a: { runs-on: x, needs: b, steps: [] }, b: { runs-on: x, needs: a, steps: [] } }\n', /wait for each other: a, b/],
]) {
  test(`${name} does not pass`, async () => {
    const outcome = await run(text).then(({ jobs }) => jobs.only.log.join('\n'), (error) => error.message);
    assert.match(outcome, message);
  });
}
