// The reusable workflows, as repositories call them, from the push to the answer of the service.
// usage: PCA_BIN=FOLDER node --test private_cloud_test.mjs
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { CALL, no_swarm, PERMISSIONS, registry, source, Stage, told } from './stage.mjs';

const stage = new Stage();
const SECRETS = (names) => names.map((name) => `      ${name}: \${{ secrets.${name} }}\n`).join('');
const REACH = `      host: root@vm1.example.com\n      known-hosts: \${{ vars.KNOWN_HOSTS }}\n`;
const deploy_workflow = (targets) => `name: deploy
on: { push: { branches: ['**'] } }
${PERMISSIONS}jobs:
  deploy:
    uses: ${CALL('private-cloud')}
    with:
      targets: ${targets}
      test-command: node --check service/service.js
      build-command: mkdir dist && cp service/* stack.yml dist/ && echo "from $GITHUB_SHA" >dist/release.txt
      artifact: dist
${REACH}      path: ${stage.home}/app
      secret-files: APP_ENV -> shared/.env
      unit: app@.service
      ports: ${stage.ports}
      drain: 0s
      preview-ports: ${stage.preview_ports}
      health-url: http://127.0.0.1:@port@/healthz
      health-timeout: 4s
      route: ${stage.home}/route.conf
      route-template: at @port@
      preview-route: ${stage.home}/route-@slug@.conf
      preview-route-template: preview at @port@
      route-reload: 'true'
      engine: ENGINE
      stack-files: stack.yml
      stack-vars: TAG=v1
      compass-url: COMPASS
      compass-user: ci@acme.example
      compass-component: ari:cloud:compass:0000:component/1111/2222
    secrets:
${SECRETS(['ACCESS_CLIENT_ID', 'ACCESS_CLIENT_SECRET', 'DEPLOY_KEY', 'APP_ENV', 'REGISTRY_AUTH', 'COMPASS_TOKEN'])}`;
const stack = (image, command = "trap 'exit 0' TERM; while :; do sleep 0.2; done") => `services:
  web:
    image: ${image}:$TAG
    command: [sh, -c, "${command}"]
    stop_grace_period: 200ms
    deploy: { endpoint_mode: dnsrr, restart_policy: { delay: 300ms }, update_config: { monitor: 1s } }
`;
const SERVICE = `const release = require('node:fs').readFileSync(\`\${__dirname}/release.txt\`, 'utf8');
require('node:http').createServer((request, response) => response.end(release)).listen(process.env.PORT, '127.0.0.1');
`;

before(async () => {
  await stage.open();
  if (!no_swarm) await stage.open_swarm(registry);
  const fill_in = (text) => text.replace('ENGINE', stage.engine ?? 'unix:///var/run/docker.sock').replace('COMPASS', stage.compass);
  stage.commit('main', {
    '.github/deploy-policy.yml': 'version: 1\ncustomer: acme\nproject: shop\ndomain: example.com\nstaging: [develop]\ndispatch-environments: [production]\n',
    '.github/workflows/deploy.yml': fill_in(deploy_workflow('host')),
    '.github/workflows/both.yml': fill_in(deploy_workflow('host, swarm')),
    ...stage.template('promote', { '      unit:': '      secret-files: APP_ENV -> shared/.env\n      unit:', '    secrets:': '    secrets:\n      APP_ENV: ${{ secrets.APP_ENV }}' }),
    ...stage.template('rollback'),
    ...stage.template('preview-cleanup', no_swarm ? {} : { 'targets: host': `targets: host, swarm\n      engine: ${stage.engine}` }),
    ...stage.template('fork-status'),
    'service/service.js': SERVICE,
    'stack.yml': stack(stage.image ?? 'app'),
  });
});
after(() => stage.close());

const both = no_swarm ? 'deploy.yml' : 'both.yml';
const result_of = ({ jobs }, job) => jobs[Object.keys(jobs).find((name) => name.endsWith(` / ${job}`))]?.result;
const deploy = (branch, files, { workflow = 'deploy.yml', ...settings } = {}) => {
  const sha = stage.commit(branch, files);
  return stage.run(workflow, { branch, ...settings }).then((report) => ({ ...report, sha }));
};
let newest; // run of main that was well

test('a push to main is tested, built, deployed to the hosts and the swarm, and told', async () => {
  newest = await deploy('main', {}, { workflow: both });
  assert.equal(newest.result, 'success', newest.log);
  assert.equal(await stage.production(), `from ${newest.sha}`);
  assert.equal(fs.readFileSync(path.join(stage.home, 'app/shared/.env'), 'utf8'), 'GREETING=canary-of-the-app\n');
  if (!no_swarm) assert.match(stage.services()['acme-shop-prod_web'], /app:v1@sha256:/);
  assert.deepEqual(told(newest), { deployments: ['production'], ended: ['in_progress', 'success'], statuses: ['deploy / production: pending', 'deploy / production: success'] });
  const { outcome, release, digest, url } = newest.outputs.deploy;
  assert.deepEqual([outcome, url, release], ['deployed', 'https://shop.example.com', `${newest.run_id}-${newest.sha}`]);
  assert.match(digest, /^sha256:[0-9a-f]{64}$/);
  assert.ok(!JSON.stringify(newest).includes('canary-'), 'a secret is shown');
  assert.deepEqual(Object.values(newest.jobs).flatMap((job) => job.annotations), []);
  assert.deepEqual(newest.compass, [], 'Compass hears of it by the deployment, and would count it twice');
});

test('the same again changes nothing, and is a release of its own', async () => {
  const again = await stage.run('deploy.yml');
  assert.equal(again.outputs.deploy.outcome, 'unchanged', again.log);
  assert.equal(again.outputs.deploy.digest, newest.outputs.deploy.digest);
  assert.deepEqual(told(again).deployments, ['production']);
});

test('Compass is sent events where nothing else tells it of deployments', async () => {
  const text = fs.readFileSync(stage.file('repository/.github/workflows/deploy.yml'), 'utf8').replace('      compass-url:', '      compass-via: rest\n      compass-url:');
  const sent = await deploy('main', { '.github/workflows/rest.yml': text }, { workflow: 'rest.yml' });
  assert.equal(sent.result, 'success', sent.log);
  const events = sent.compass.filter(({ method }) => method === 'POST').map(({ body }) => (typeof body === 'string' ? body : JSON.stringify(body)));
  const states = events.flatMap((each) => /"(IN_PROGRESS|SUCCESSFUL|FAILED)"/.exec(each)?.[1] ?? []);
  assert.deepEqual(states, ['IN_PROGRESS', 'SUCCESSFUL'], JSON.stringify(sent.compass));
  newest = sent;
});

test('a branch gets a preview of its own', async () => {
  const preview = await deploy('feature/cart', { 'service/more.txt': 'more' }, { workflow: both });
  assert.equal(preview.result, 'success', preview.log);
  assert.deepEqual([result_of(preview, 'deploy'), result_of(preview, 'preview')], ['skipped', 'success']);
  assert.equal(stage.previews().length, 1);
  assert.equal(await stage.answer_of(stage.previews()[0]), `from ${preview.sha}`);
  assert.equal(await stage.production(), `from ${newest.sha}`);
  assert.match(preview.outputs.deploy.url, /^https:\/\/shop-feature-cart-[0-9a-f]{8}\.example\.com$/);
  if (!no_swarm) assert.equal(Object.keys(stage.services()).filter((name) => name.startsWith('acme-shop-preview-feature-cart-')).length, 1);
  assert.deepEqual(told(preview), { deployments: ['preview'], ended: ['in_progress', 'success'], statuses: ['deploy / preview: pending', 'deploy / preview: success'] });
});

test('a branch that is deleted loses its preview, and a newer run does not stop that', async () => {
  stage.git('checkout', '-q', 'main');
  stage.git('branch', '-D', 'feature/cart');
  const gone = await stage.run('preview-cleanup.yml', { event_name: 'delete', event: JSON.parse(fs.readFileSync(path.join(source, '.github/events/delete.json'), 'utf8')) });
  assert.equal(gone.result, 'success', gone.log);
  assert.deepEqual(stage.previews(), []);
  if (!no_swarm) assert.deepEqual(Object.keys(stage.services()), ['acme-shop-prod_web']);
  assert.deepEqual(told(gone).ended, ['inactive']);
});

test('the schedule removes what has no branch any more', async () => {
  const preview = await deploy('bugfix/lost', {});
  assert.equal(preview.result, 'success', preview.log);
  const closed = JSON.parse(fs.readFileSync(path.join(source, '.github/events/pull_request_closed.json'), 'utf8'));
  const other = await stage.run('preview-cleanup.yml', { event_name: 'pull_request', event: closed });
  assert.equal(other.result, 'success', other.log);
  assert.equal(stage.previews().length, 1, 'the preview of another branch was removed');
  stage.git('checkout', '-q', 'main');
  stage.git('branch', '-D', 'bugfix/lost');
  const reaped = await stage.run('preview-cleanup.yml', { event_name: 'schedule' });
  assert.equal(reaped.result, 'success', reaped.log);
  assert.deepEqual(stage.previews(), []);
  assert.deepEqual(told(reaped).ended, ['inactive'], reaped.log);
});

test('a newer push cancels the older deploy of the same preview, which leaves nothing', async () => {
  stage.commit('feature/race', { 'service/service.js': 'setTimeout(() => {}, 60000); // it never listens\n' });
  let second;
  const first = await stage.run('deploy.yml', {
    branch: 'feature/race',
    take: (line) => {
      if (line === '[deploy / preview] ##[group]Deploy to the hosts') second ??= deploy('feature/race', { 'service/service.js': SERVICE });
    },
  });
  const newer = await second;
  assert.equal(result_of(first, 'preview'), 'cancelled', first.log);
  assert.equal(newer.result, 'success', newer.log);
  assert.equal(await stage.answer_of(stage.previews()[0]), `from ${newer.sha}`);
  assert.ok(told(first).ended.includes('error'), 'the deployment of the older one has not ended');
  stage.git('checkout', '-q', 'main');
});

test('what is not healthy is taken back, and the commit is told', async () => {
  const broken = await deploy('main', { 'service/service.js': 'process.exit(1);\n' });
  assert.equal(broken.result, 'failure');
  assert.equal(await stage.production(), `from ${newest.sha}`);
  assert.equal(broken.outputs.deploy.outcome, 'rolled-back', broken.log);
  assert.deepEqual(told(broken), { deployments: ['production'], ended: ['in_progress', 'failure'], statuses: ['deploy / production: pending', 'deploy / production: failure'] });
});

test('what the swarm does not take, the hosts give back', { skip: no_swarm }, async () => {
  const broken = await deploy('main', { 'service/service.js': SERVICE, 'stack.yml': stack(stage.image, 'exit 3') }, { workflow: both });
  assert.equal(broken.result, 'failure');
  assert.equal(broken.outputs.deploy.outcome, 'rolled-back', broken.log);
  assert.equal(broken.jobs['deploy / deploy'].steps.find(({ id }) => id === 'take-back').outcome, 'success');
  assert.equal(await stage.production(), `from ${newest.sha}`);
});

test('a button goes back to an earlier release at once, and holds the one that was left', async () => {
  const bad = await deploy('main', { 'service/service.js': SERVICE, 'stack.yml': stack(stage.image ?? 'app'), 'service/prices.txt': 'wrong' });
  assert.equal(bad.result, 'success', bad.log);
  assert.equal(await stage.production(), `from ${bad.sha}`);
  const back = await stage.run('rollback.yml', { event_name: 'workflow_dispatch', inputs: { reason: 'prices are wrong' } });
  assert.equal(back.result, 'success', back.log);
  assert.equal(await stage.production(), `from ${newest.sha}`);
  assert.deepEqual(told(back).deployments, ['production'], back.log);
  assert.deepEqual(told(back).statuses, ['deploy / production: failure']);
  const held = await stage.run('deploy.yml');
  assert.equal(held.outputs.deploy.outcome, 'held', held.log);
  assert.equal(await stage.production(), `from ${newest.sha}`);
});

test('a branch of Dependabot is tested, and nothing is deployed', async () => {
  const nothing = await deploy('dependabot/npm_and_yarn/left-pad-1.3.0', {}, { actor: 'dependabot[bot]' });
  assert.equal(nothing.result, 'success', nothing.log);
  assert.deepEqual(['test', 'build', 'deploy', 'preview'].map((job) => result_of(nothing, job)), ['success', 'skipped', 'skipped', 'skipped']);
  assert.deepEqual(told(nothing), { deployments: [], ended: [], statuses: [] });
  assert.equal(nothing.outputs.deploy.outcome, 'none');
});

test('nothing is built that failed its tests', async () => {
  const failed = await deploy('feature/typo', { 'service/service.js': 'const = 1;\n' });
  assert.equal(failed.result, 'failure');
  assert.deepEqual(['test', 'build', 'preview'].map((job) => result_of(failed, job)), ['failure', 'skipped', 'skipped']);
  assert.deepEqual(told(failed).statuses, []);
});

test('what was tested on staging goes to production without a build, by its digest', async () => {
  const staging = await deploy('develop', { 'service/service.js': SERVICE, 'service/new.txt': 'new' });
  assert.equal(staging.result, 'success', staging.log);
  assert.deepEqual(told(staging).deployments, ['staging']);
  const { release, digest } = staging.outputs.deploy;
  const promote = (inputs) => stage.run('promote.yml', { event_name: 'workflow_dispatch', inputs });
  const wrong = await promote({ release, digest: `sha256:${'0'.repeat(64)}` });
  assert.deepEqual([wrong.result, result_of(wrong, 'deploy')], ['failure', 'skipped']);
  assert.match(wrong.log, /digest: the status "deploy \/ staging" of [0-9a-f]{40} is not about sha256:0+ but says "deployed, run \d+ sha256:[0-9a-f]{64}"/);
  const archive = stage.file(`artifacts/${staging.run_id}/release-${release}/release.tar.gz`);
  fs.renameSync(archive, `${archive}.good`);
  fs.writeFileSync(archive, 'not it');
  const spoilt = await promote({ release, digest });
  assert.deepEqual([spoilt.result, result_of(spoilt, 'deploy')], ['failure', 'failure']);
  assert.match(spoilt.log, /not the one with the digest/);
  fs.renameSync(`${archive}.good`, archive);
  const promoted = await promote({ release, digest });
  assert.equal(promoted.result, 'success', promoted.log);
  assert.deepEqual(['test', 'build', 'deploy'].map((job) => result_of(promoted, job)), ['skipped', 'skipped', 'success']);
  assert.deepEqual(told(promoted).deployments, ['production']);
  assert.equal(await stage.production(), `from ${staging.sha}`);
});

test('the rollback, copied to a repository, takes the rest from its variables', async () => {
  const before = await stage.production();
  stage.commit('main', { '.github/workflows/back.yml': fs.readFileSync(path.join(source, '.github/workflows/private-cloud-rollback.yml'), 'utf8') });
  const vars = {
    ...stage.vars, DEPLOY_HOST: 'root@vm1.example.com', DEPLOY_VIA: 'access', DEPLOY_PATH: `${stage.home}/app`, DEPLOY_UNIT: 'app@.service', DEPLOY_PORTS: stage.ports,
    DEPLOY_HEALTH_URL: 'http://127.0.0.1:@port@/healthz', DEPLOY_ROUTE: `${stage.home}/route.conf`, DEPLOY_ROUTE_TEMPLATE: 'at @port@', DEPLOY_ROUTE_RELOAD: 'true',
  };
  const back = await stage.run('back.yml', { event_name: 'workflow_dispatch', inputs: { target: 'host', reason: 'a try' }, vars });
  assert.equal(back.result, 'success', back.log);
  assert.notEqual(await stage.production(), before);
  assert.equal(await stage.production(), `from ${newest.sha}`);
});

test('what was never well on staging is not promoted', async () => {
  const preview = await deploy('feature/never', {});
  const { release, digest } = preview.outputs.deploy;
  const refused = await stage.run('promote.yml', { event_name: 'workflow_dispatch', inputs: { release, digest } });
  assert.equal(result_of(refused, 'plan'), 'failure', refused.log);
  assert.equal(result_of(refused, 'deploy'), 'skipped');
});

test('all wrong inputs are told together, before anything is reached', async () => {
  stage.commit('main', { '.github/workflows/wrong.yml': `on: push\n${PERMISSIONS}jobs:\n  deploy:\n    uses: ${CALL('private-cloud')}\n    with: { targets: "hosts, host", release: 1, digest: x }\n` });
  const wrong_at = (report, job) => report.jobs[`deploy / ${job}`].annotations.map(({ message }) => message.split(':')[0]);
  const wrong = await stage.run('wrong.yml');
  assert.deepEqual(wrong_at(wrong, 'plan'), ['targets', 'release', 'digest']);
  assert.deepEqual(told(wrong).statuses, []);
  const lacking = (targets) => ({ '.github/workflows/lacking.yml': `on: push\n${PERMISSIONS}jobs:\n  deploy:\n    uses: ${CALL('private-cloud')}\n    with: { targets: "${targets}", proxmox-template: debian-12 }\n` });
  const preview = await deploy('feature/lacking', lacking('host, proxmox'), { workflow: 'lacking.yml' });
  assert.deepEqual(wrong_at(preview, 'plan'), ['host', 'path', 'proxmox-api', 'proxmox-health-url']);
  const production = await deploy('main', lacking('host, proxmox'), { workflow: 'lacking.yml' });
  assert.deepEqual(wrong_at(production, 'deploy'), ['host', 'path', 'proxmox-api', 'proxmox-health-url'], production.log);
  assert.match(production.log, /variable DEPLOY_HOST of the environment production/);
  assert.deepEqual(told(production).statuses, ['deploy / production: failure']);
});

test('each environment can have places of its own, by its variables', async () => {
  const text = deploy_workflow('host').replace(/^ {6}(host|path|known-hosts|unit|ports|health-url|route|route-template|route-reload|compass-\S+): .*\n/gm, '');
  assert.doesNotMatch(text, / {6}(host|path):/);
  const place_of = (name, first) => ({
    KNOWN_HOSTS: stage.known_hosts, DEPLOY_HOST: 'root@vm1.example.com', DEPLOY_PATH: `${stage.home}/${name}`, DEPLOY_UNIT: `${name}@.service`, DEPLOY_PORTS: `${first},${first + 1}`,
    DEPLOY_HEALTH_URL: 'http://127.0.0.1:@port@/healthz', DEPLOY_ROUTE: `${stage.home}/of-${name}.conf`, DEPLOY_ROUTE_TEMPLATE: 'at @port@', DEPLOY_ROUTE_RELOAD: 'true',
  });
  const first = Number(stage.ports.split(',')[0]) + 4000;
  const environments = { production: { vars: place_of('here', first) }, staging: { vars: place_of('there', first + 2) } };
  const files = { '.github/workflows/places.yml': text, 'service/service.js': SERVICE };
  const there = await deploy('develop', files, { workflow: 'places.yml', environments });
  assert.equal(there.result, 'success', there.log);
  const here = await deploy('main', files, { workflow: 'places.yml', environments });
  assert.equal(here.result, 'success', here.log);
  const answers = await Promise.all(['there', 'here'].map((name) => stage.answer_of(`${stage.home}/of-${name}.conf`)));
  assert.deepEqual(answers, [`from ${there.sha}`, `from ${here.sha}`]);
  stage.commit('main', { '.github/workflows/back.yml': fs.readFileSync(path.join(source, '.github/workflows/private-cloud-rollback.yml'), 'utf8') });
  const again = await deploy('main', { 'service/more.txt': 'more' }, { workflow: 'places.yml', environments });
  assert.equal(again.result, 'success', again.log);
  const back = await stage.run('back.yml', { event_name: 'workflow_dispatch', inputs: { target: 'host', reason: 'a try' }, environments });
  assert.equal(back.result, 'success', back.log);
  assert.equal(await stage.answer_of(`${stage.home}/of-here.conf`), `from ${here.sha}`);
  assert.deepEqual(told(back).deployments, ['production'], 'GitHub and we both record it, or nobody does');
});

test('a push that was built more slowly does not take the place of a newer one', async () => {
  const older = stage.commit('main', { 'service/service.js': SERVICE, 'service/speed.txt': 'slow' });
  const newer = await deploy('main', { 'service/speed.txt': 'fast' });
  assert.equal(newer.result, 'success', newer.log);
  const late = await stage.run('deploy.yml', { sha: older });
  assert.deepEqual([late.result, late.outputs.deploy.outcome], ['failure', 'superseded'], late.log);
  assert.match(late.log, new RegExp(`production has ${newer.sha} already, which is newer`));
  assert.deepEqual(told(late).statuses, [], 'what was said of the commit before');
  assert.equal(await stage.production(), `from ${newer.sha}`);
  const forced = await stage.run('deploy.yml', { sha: older, event: { forced: true } });
  assert.equal(forced.result, 'success', forced.log);
  assert.equal(await stage.production(), `from ${older}`);
  const back = await stage.run('deploy.yml', { sha: newer.sha });
  assert.equal(back.result, 'success', back.log);
  const meant = await stage.run('deploy.yml', { sha: older, run_attempt: '2' });
  assert.equal(meant.result, 'success', meant.log);
  assert.equal(await stage.production(), `from ${older}`);
});

test('a cleanup that names no target there is, or too little of one, removes nothing', async () => {
  const before = stage.previews();
  const cleanup = (values) => `on: [schedule]\npermissions: { contents: read, deployments: write }\njobs:\n  cleanup:\n    uses: ${CALL('private-cloud-preview-cleanup')}\n    with: ${values}\n`;
  const told_by = async (values) => {
    stage.commit('main', { '.github/workflows/cleanup.yml': cleanup(values) });
    const report = await stage.run('cleanup.yml', { event_name: 'schedule' });
    assert.deepEqual([report.result, result_of(report, 'reap')], ['failure', 'skipped'], report.log);
    return report.jobs['cleanup / plan'].annotations.map(({ message }) => message.replace(/[.] .*/, ''));
  };
  assert.deepEqual(await told_by('{ targets: "swarmhosts, host" }'), ['targets: there is no target "swarmhosts"', 'host: missing', 'path: missing']);
  assert.deepEqual(await told_by('{ targets: ", " }'), ['targets: empty']);
  assert.deepEqual(await told_by('{ targets: proxmox, proxmox-api: pve1.example.com }'), ['proxmox-previews: missing']);
  assert.deepEqual(stage.previews(), before);
});

test('a caller that grants too little is told which permission is missing', async () => {
  const text = fs.readFileSync(stage.file('repository/.github/workflows/deploy.yml'), 'utf8');
  stage.commit('main', { '.github/workflows/poor.yml': text.replace(PERMISSIONS, 'permissions: { contents: read }\n') });
  await stage.run('poor.yml').then((report) => assert.match(report.log, /is requesting '\w+: \w+', but is only allowed/), (error) => assert.match(error.message, /is requesting '\w+: \w+', but is only allowed/));
});

test("a fork's run is told by a workflow that runs nothing of it", async () => {
  const run_of = (more) => ({ action: 'completed', workflow_run: { name: 'ci', conclusion: 'failure', head_sha: 'b'.repeat(40), html_url: 'https://github.com/acme/shop/actions/runs/9', head_repository: { full_name: 'stranger/shop' }, ...more } });
  const report = (event) => stage.run('fork-status.yml', { event_name: 'workflow_run', event });
  assert.deepEqual(told(await report(run_of())).statuses, ['ci: failure']);
  assert.deepEqual(told(await report(run_of({ conclusion: 'timed_out', name: 'ci' }))).statuses, ['ci: error']);
  assert.deepEqual(told(await report(run_of({ head_repository: { full_name: 'acme/shop' } }))).statuses, []);
});

test('the button asks whom the environment asks, unless it is told of another', async () => {
  const { '.github/workflows/rollback.yml': text } = stage.template('rollback');
  const before = await stage.production();
  const reviewed = { production: { branches: ['release/*'] }, emergency: {} };
  const press = (workflow) => {
    stage.commit('main', { '.github/workflows/button.yml': workflow });
    return stage.run('button.yml', { event_name: 'workflow_dispatch', inputs: { reason: 'a try' }, environments: reviewed });
  };
  const refused = await press(text);
  assert.equal(refused.result, 'failure');
  assert.match(refused.log, /Branch "main" is not allowed to deploy to production/);
  assert.equal(await stage.production(), before);
  const at_once = await press(text.replace('      target: host', '      target: host\n      secrets-environment: emergency'));
  assert.equal(at_once.result, 'success', at_once.log);
  assert.notEqual(await stage.production(), before);
});
