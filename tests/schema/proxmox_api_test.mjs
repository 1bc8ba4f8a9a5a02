// npm's proxmox-api deploys a guest to the sandbox. usage: node proxmox_api_test.mjs PACKAGES PORT
import assert from 'node:assert/strict';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [packages, port] = process.argv.slice(2);
const { default: proxmox_api } = await import(
  pathToFileURL(path.join(packages, 'node_modules/proxmox-api/esm/index.js')).href
);
const token = { tokenID: 'deploy@pve!ci', tokenSecret: '00000000-aaaa-4aaa-8aaa-000000000002' };
const connect = (more = {}) => proxmox_api({ host: '127.0.0.1', port: Number(port), ...token, ...more });
const proxmox = connect();
const node = proxmox.nodes.$('pve1');
const guest = node.qemu.$(101);

async function ended(upid) {
  const limit = Date.now() + 20_000;
  while (Date.now() < limit) {
    const status = await node.tasks.$(upid).status.$get();
    if (status.status === 'stopped') return status.exitstatus;
  }
  throw Error(`${upid} does not end`);
}

assert.equal((await proxmox.version.$get()).release, '9.2');
assert.deepEqual((await proxmox.nodes.$get()).map((each) => each.node), ['pve1', 'pve2', 'pve3']);
assert.equal(await proxmox.cluster.nextid.$get(), '101');

assert.equal(await ended(await node.qemu.$(9000).clone.$post({ newid: 101, name: 'shop', description: 'ä & b;c+d' })), 'OK');
await guest.config.$put({ cores: 2, tags: 'shop;rev-1', ciupgrade: false });
const config = await guest.config.$get();
assert.equal(config.description, 'ä & b;c+d');
assert.equal(config.tags, 'rev-1;shop');
assert.equal(config.cores, 2);
assert.equal(await ended(await guest.status.start.$post()), 'OK');
assert.equal((await guest.status.current.$get()).status, 'running');

let found;
for (let tries = 0; !found && tries < 20; ++tries) {
  found = await guest.agent['network-get-interfaces'].$get().catch((error) => {
    assert.match(error.message, /500 QEMU guest agent is not running/);
  });
}
assert.equal(found.result[1].name, 'eth0');

const run = await guest.agent.exec.$post({ command: ['sh', '-c', 'echo "$0"; exit 3', 'two words'] });
let status = {};
while (!status.exited) status = await guest.agent['exec-status'].$get({ pid: run.pid });
assert.ok([3, 126].includes(status.exitcode)); // 126: this machine gives no namespaces
if (status.exitcode === 3) assert.equal(status['out-data'], 'two words\n');

await assert.rejects(guest.config.$put({ nonsense: 1 }), /400 Parameter verification failed.*property is not defined in schema/);
await assert.rejects(node.qemu.$(9000).clone.$post({ newid: 101 }), /500 unable to create VM 101: config file already exists/);
await assert.rejects(guest.$delete(), /500 VM 101 is running - destroy failed/);
await assert.rejects(proxmox.nodes.$('pve9').qemu.$get(), /500 hostname lookup 'pve9' failed/);
const wrong = connect({ tokenSecret: '00000000-bbbb-4bbb-8bbb-000000000002' });
await assert.rejects(wrong.version.$get(), /401 Authentication failed!/);

assert.equal(await ended(await guest.status.stop.$post()), 'OK');
assert.equal(await ended(await guest.$delete({ purge: true })), 'OK');
console.log('npm proxmox-api: version, nodes, nextid, clone, tasks, config, start, agent, errors');
