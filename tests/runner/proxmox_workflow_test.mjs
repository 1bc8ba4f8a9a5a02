// The reusable workflows with Proxmox VE as their target, from the push to the answer of a guest.
// usage: PCA_BIN=FOLDER node --test proxmox_workflow_test.mjs
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { answer_at, CALL, PERMISSIONS, source, Stage, told } from './stage.mjs';

const stage = new Stage();
const REACH = '      proxmox-api: ${{ vars.PROXMOX_API }}\n      proxmox-ca: ${{ vars.PROXMOX_CA }}\n';
const SECRETS = (...names) => `    secrets:\n${names.map((name) => `      ${name}: \${{ secrets.${name} }}\n`).join('')}`;
const deploy_workflow = (targets = 'proxmox', more = '') => `name: deploy
on: { push: { branches: ['**'] } }
${PERMISSIONS}jobs:
  deploy:
    uses: ${CALL('private-cloud')}
    with:
      targets: ${targets}
${more}      build-command: mkdir dist && cp set-up.sh dist/ && echo "from $GITHUB_SHA" >dist/version
      artifact: dist
${REACH}      proxmox-template: debian-12
      proxmox-script: |
        mkdir -p /srv/app
        tar --extract --file /opt/release.tar.gz --directory /srv/app
        . /srv/app/set-up.sh
      proxmox-health-url: ${stage.proxmox.health_url}
${SECRETS('PROXMOX_TOKEN', 'APP_ENV', 'ACCESS_CLIENT_ID', 'ACCESS_CLIENT_SECRET', 'DEPLOY_KEY')}`;
const cleanup_workflow = () => `name: cleanup
on:
  delete:
  schedule: [{ cron: '7 3 * * *' }]
permissions: { contents: read, deployments: write }
jobs:
  cleanup:
    uses: ${CALL('private-cloud-preview-cleanup')}
    with:
      targets: proxmox
${REACH}      proxmox-previews: acme-shop-preview-*
      proxmox-ttl: 1ms
${SECRETS('PROXMOX_TOKEN')}`;
const SET_UP = 'case $APP_ENV in GREETING=canary-of-the-app*) ;; *) exit 4 ;; esac\n';

before(async () => {
  await stage.open();
  await stage.open_proxmox();
  stage.commit('main', {
    '.github/deploy-policy.yml': 'version: 1\ncustomer: acme\nproject: shop\n',
    '.github/workflows/deploy.yml': deploy_workflow(),
    '.github/workflows/both.yml': deploy_workflow('host, proxmox', `      host: root@vm1.example.com\n      known-hosts: \${{ vars.KNOWN_HOSTS }}\n      path: ${stage.home}/app\n      restart: 'true'\n      health-command: 'true'\n`),
    '.github/workflows/cleanup.yml': cleanup_workflow(),
    '.github/workflows/back.yml': fs.readFileSync(path.join(source, '.github/workflows/private-cloud-rollback.yml'), 'utf8'),
    'set-up.sh': SET_UP,
  });
});
after(() => stage.close());

const deploy = (branch, files = {}, workflow = 'deploy.yml') => {
  const sha = stage.commit(branch, files);
  return stage.run(workflow, { branch }).then((report) => ({ ...report, sha }));
};
const guest_of = (prefix, sha, star = '*') => `${prefix}-${sha.slice(0, 7)}${star}`;
// What the guest of a run says its version is.
const version = ({ outputs }) => answer_at(stage.proxmox.application, new URL(outputs.deploy.url).hostname, '/version');
// Without what the policy says of a domain that it does not name.
const annotations = ({ jobs }) => Object.values(jobs).flatMap((job) => job.annotations).map(({ message }) => message).filter((message) => !message.startsWith('hostname and url are empty'));
let newest; // run of main that was well

test('a push to main makes a guest that is set up with the release, and is told', async () => {
  newest = await deploy('main');
  assert.equal(newest.result, 'success', newest.log);
  assert.equal(newest.outputs.deploy.outcome, 'deployed');
  assert.equal(await version(newest), `from ${newest.sha}`);
  assert.deepEqual(stage.guests(), { [guest_of('acme-shop-prod', newest.sha)]: 'running' });
  assert.deepEqual(told(newest), { deployments: ['production'], ended: ['in_progress', 'success'], statuses: ['deploy / production: pending', 'deploy / production: success'] });
  for (const secret of [stage.secrets.PROXMOX_TOKEN.split('=')[1], 'canary-']) assert.ok(!JSON.stringify(newest).includes(secret), 'a secret is shown');
  assert.deepEqual(annotations(newest), []);
});

test('the same commit again changes nothing', async () => {
  const again = await stage.run('deploy.yml');
  assert.equal(again.outputs.deploy.outcome, 'unchanged', again.log);
});

test('a branch has guests of its own until it is deleted', async () => {
  const preview = await deploy('feature/cart');
  assert.equal(preview.result, 'success', preview.log);
  assert.equal(await version(preview), `from ${preview.sha}`);
  assert.equal(Object.keys(stage.guests()).length, 2);
  assert.deepEqual(told(preview).deployments, ['preview']);
  stage.git('checkout', '-q', 'main');
  const gone = await stage.run('cleanup.yml', { event_name: 'delete', event: JSON.parse(fs.readFileSync(path.join(source, '.github/events/delete.json'), 'utf8')) });
  assert.equal(gone.result, 'success', gone.log);
  assert.deepEqual(Object.keys(stage.guests()), [guest_of('acme-shop-prod', newest.sha)]);
  assert.deepEqual(told(gone).ended, ['inactive']);
});

test('the schedule removes previews that are forgotten, and nothing else', async () => {
  const preview = await deploy('bugfix/lost');
  assert.equal(preview.result, 'success', preview.log);
  stage.git('checkout', '-q', 'main');
  const reaped = await stage.run('cleanup.yml', { event_name: 'schedule' });
  assert.equal(reaped.result, 'success', reaped.log);
  assert.deepEqual(Object.keys(stage.guests()), [guest_of('acme-shop-prod', newest.sha)]);
});

test('a guest that cannot be set up is removed, and the old one serves', async () => {
  const broken = await deploy('main', { 'set-up.sh': 'exit 3\n' });
  assert.equal(broken.result, 'failure');
  assert.equal(broken.outputs.deploy.outcome, 'rolled-back', broken.log);
  assert.match(broken.log, /the script ended with 3 in guest/);
  assert.deepEqual(stage.guests(), { [guest_of('acme-shop-prod', newest.sha)]: 'running' });
  assert.deepEqual(told(broken).statuses, ['deploy / production: pending', 'deploy / production: failure']);
});

test('a button makes the guest before the active one again', async () => {
  const next = await deploy('main', { 'set-up.sh': SET_UP });
  assert.equal(next.result, 'success', next.log);
  const vars = { ...stage.vars, PROXMOX_NAME: 'acme-shop-prod', PROXMOX_HEALTH_URL: stage.proxmox.health_url };
  const back = await stage.run('back.yml', { event_name: 'workflow_dispatch', inputs: { target: 'proxmox', reason: 'prices are wrong' }, vars });
  assert.equal(back.result, 'success', back.log);
  assert.equal(stage.guests()[guest_of('acme-shop-prod', newest.sha)], 'running');
  assert.deepEqual(told(back).deployments, ['production'], back.log);
  const held = await stage.run('deploy.yml');
  assert.equal(held.outputs.deploy.outcome, 'held', held.log);
});

test('what Proxmox VE does not take, the hosts give back', async () => {
  const on_host = () => fs.readFileSync(path.join(stage.home, 'app/current/version'), 'utf8').trim();
  const good = await deploy('main', {}, 'both.yml');
  assert.equal(good.result, 'success', good.log);
  assert.equal(on_host(), `from ${good.sha}`);
  const broken = await deploy('main', { 'set-up.sh': 'exit 3\n' }, 'both.yml');
  assert.equal(broken.result, 'failure');
  assert.equal(broken.outputs.deploy.outcome, 'rolled-back', broken.log);
  assert.equal(on_host(), `from ${good.sha}`);
  assert.equal(stage.guests()[guest_of('acme-shop-prod', good.sha)], 'running');
});

test('all that is missing is told together', async () => {
  stage.commit('feature/wrong', { '.github/workflows/wrong.yml': `on: push\n${PERMISSIONS}jobs:\n  deploy:\n    uses: ${CALL('private-cloud')}\n    with: { targets: proxmox }\n` });
  const wrong = await stage.run('wrong.yml', { branch: 'feature/wrong', vars: {} });
  assert.deepEqual(annotations(wrong).map((message) => message.split(':')[0]), ['proxmox-template', 'proxmox-api', 'proxmox-health-url']);
});

test('the template for an immutable VM', async () => {
  stage.start_repository();
  stage.commit('main', {
    '.github/deploy-policy.yml': 'version: 1\ncustomer: acme\nproject: news\n', 'app/version': 'the first\n',
    ...stage.template('proxmox-vm', { '--directory /opt': '--directory /srv', '        systemctl enable --now /opt/app/app.service\n': '', 'http://{ip}:8080/healthz': stage.proxmox.health_url, 'runner: self-hosted': 'runner: ubuntu-latest', 'proxmox-drain: 30s': 'proxmox-drain: 0s' }),
  });
  const report = await stage.run('proxmox-vm.yml');
  assert.equal(report.result, 'success', report.log);
  assert.equal(await version(report), 'the first');
});

test('the template for a container, whose data outlive each release', async () => {
  stage.start_repository();
  const changes = {
    'docker build --output type=tar,dest=- . |': 'tar --create root |', 'http://{ip}:8080/healthz': stage.proxmox.health_url, 'runs-on: self-hosted': 'runs-on: ubuntu-latest', 'keep: 5': 'keep: 1',
  };
  const active = () => Object.keys(stage.guests()).find((name) => name.startsWith('acme-shop-prod-web-') && name.endsWith('*'));
  const release = async (files) => {
    const sha = stage.commit('main', { ...files, ...stage.template('proxmox-lxc', changes) });
    return { ...(await stage.run('proxmox-lxc.yml')), sha };
  };
  const first = await release({ 'root/version': 'the first' });
  assert.equal(first.result, 'success', first.log);
  assert.equal(active(), guest_of('acme-shop-prod-web', first.sha));
  const second = await release({ 'root/version': 'the second' });
  assert.equal(second.result, 'success', second.log);
  assert.equal(active(), guest_of('acme-shop-prod-web', second.sha));
  assert.deepEqual(told(second).statuses, ['deploy / production: success']);
  const { data, archives } = stage.of_containers();
  assert.deepEqual(data, [guest_of('acme-shop-prod-web', second.sha, '')], 'the data are in one container, the active one');
  assert.deepEqual(archives, [`shop_${second.sha}.tar.gz`]);
});
