// The templates of .github/workflow-templates that call the reusable workflows, filled in and run; those of recipes are run
// by readme_workflow_test.cpp. usage: PCA_BIN=FOLDER node --test templates_test.mjs
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { no_swarm, registry, source, Stage, told } from './stage.mjs';

const stage = new Stage();
before(async () => {
  await stage.open();
  if (!no_swarm) await stage.open_swarm(registry);
});
after(() => stage.close());

const example_files = (name) => Object.fromEntries(fs.readdirSync(path.join(source, 'tests/examples', name), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  .map((entry) => path.join(entry.path, entry.name)).map((file) => [path.relative(path.join(source, 'tests/examples', name), file), fs.readFileSync(file, 'utf8')]));

// A repository that has nothing but the template and the example.
async function push_template(name, files, changes, branch = 'main') {
  stage.start_repository();
  stage.commit('main', { ...files, ...stage.template(name, changes) });
  if (branch !== 'main') stage.commit(branch, {});
  const report = await stage.run(`${name}.yml`, { branch });
  assert.equal(report.result, 'success', report.log);
  return report;
}

test('the template for Node.js on a VM', async () => {
  Object.assign(process.env, { npm_config_offline: 'true', npm_config_audit: 'false' });
  const report = await push_template('nodejs-on-vm', example_files('node-service'));
  assert.match(await stage.production(), /^Hello from /, report.log);
  const preview = await push_template('nodejs-on-vm', example_files('node-service'), {}, 'feature/x');
  assert.deepEqual(told(preview).deployments, ['preview']);
  assert.match(await stage.answer_of(stage.previews()[0]), /^Hello from /);
});

test("the README's golden path", async () => {
  const readme = fs.readFileSync(path.join(source, 'README.md'), 'utf8');
  const [, text] = /<!-- workflow: the golden path -->\n```yaml\n([^]*?)^```$/m.exec(readme);
  stage.start_repository();
  const sha = stage.commit('main', { ...example_files('node-service'), 'release.txt': 'the README', ...stage.filled_in('golden-path', text, { 'server 127.0.0.1:@port@': 'server at @port@' }) });
  const report = await stage.run('golden-path.yml');
  assert.equal(report.result, 'success', report.log);
  assert.match(await stage.production(), /the README$/);
  assert.deepEqual(told(report).deployments, ['production']);
  assert.ok(report.outputs.deploy.release.endsWith(sha));
});

test('the template for Python on a VM', async () => {
  const files = { ...example_files('python-service'), 'requirements.txt': '', 'test_release.py': 'import unittest\n\n\nclass Release(unittest.TestCase):\n    def test_it(self):\n        self.assertTrue(open("release.txt").read())\n' };
  const report = await push_template('python-on-vm', files);
  assert.match(await stage.production(), /in its own environment$/, report.log);
});

test('the template for a Swarm stack', { skip: no_swarm }, async () => {
  const stack = `services:\n  web:\n    image: ${stage.image}:$TAG\n    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.2; done"]\n    deploy: { endpoint_mode: dnsrr }\n`;
  const files = { '.github/deploy-policy.yml': 'version: 1\ncustomer: acme\nproject: news\ndomain: example.com\n', 'stack/stack.yml': stack };
  await push_template('swarm-stack', files, { 'deploy@swarm.example.com': `root@vm1.example.com\n      engine: ${stage.engine}`, 'TAG=${{ github.sha }}': 'TAG=v2' });
  assert.match(stage.services()['acme-news-prod_web'], /app:v2@sha256:/);
});

test('the template for an edge repository', async () => {
  stage.check_runs([{ name: 'Workers Builds: acme-shop-prod-api', status: 'completed', conclusion: 'success', app: { id: 85455, slug: 'cloudflare-workers-and-pages' },
    details_url: 'https://dash.cloudflare.com/x', output: { summary: 'Preview URL: https://1a2b3c4d-acme-shop-prod-api.acme.workers.dev' } }]);
  const report = await push_template('edge-repository', { 'wrangler.toml': 'name = "acme-shop-prod-api"\n', '.github/deploy-policy.yml': 'version: 1\ncustomer: acme\nproject: shop\n' }, { 'wait-limit: 20m': 'wait-limit: 20m\n          interval: 1s' });
  assert.deepEqual(told(report), { deployments: ['production'], ended: ['success'], statuses: [] });
});
