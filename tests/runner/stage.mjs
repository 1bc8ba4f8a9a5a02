// A private cloud on loopback for tests of whole workflows: a real sshd behind the sandbox's Access edge, where there can be
// one a real Docker Swarm, the sandbox's GitHub and Compass, and a repository that is pushed to.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Concurrency } from './github.mjs';
import { run_workflow } from './workflow.mjs';

const REPOSITORY = 'acme/shop';
const OWN = 'private-cloud-actions/private-cloud-actions';
const CLIENT = { id: '4f1c9bd0a7.access', secret: 'canary-client-secret-6b1f27c4d90e' };
const COMPASS_TOKEN = 'canary-compass-token-8e41f7c3';
const PROXMOX_TOKEN = 'deploy@pve!ci=00000000-aaaa-4aaa-8aaa-000000000002';
const REGISTRY = '192.168.213.254:5000';

export const source = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const cache = process.env.PCA_CACHE ?? path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'), 'private-cloud-actions');
export const registry = path.join(cache, 'docker-registry/usr/bin/docker-registry');

// What a caller of the reusable workflows grants, and how it calls one.
export const PERMISSIONS = 'permissions: { actions: read, checks: read, contents: read, deployments: write, statuses: write }\n';
export const CALL = (workflow) => `${OWN}/.github/workflows/${workflow}.yml@v0`;

const json_lines = (file) => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line)) : []);

async function free_port() {
  const server = net.createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

export class Stage {
  // With the executables of the folder PCA_BIN.
  constructor() {
    const bin = path.resolve(process.env.PCA_BIN ?? path.join(source, 'build/dev/bin'));
    const first = 21000 + (process.pid % 4000) * 2;
    Object.assign(this, { bin, children: [], run_id: 100, concurrency: new Concurrency(), ports: `${first},${first + 1}`, preview_ports: `${first + 2000}-${first + 2020}` });
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'stage-'));
    this.home = this.make_folder('home');
    this.temp = this.make_folder('temp');
    this.make_folder('artifacts');
  }

  file(name) {
    return path.join(this.folder, name);
  }
  make_folder(name) {
    fs.mkdirSync(this.file(name), { recursive: true });
    return this.file(name);
  }
  write(name, text, mode = 0o600) {
    fs.mkdirSync(path.dirname(this.file(name)), { recursive: true });
    fs.writeFileSync(this.file(name), text, { mode });
    return this.file(name);
  }

  // Ends with this process, however that ends. Resolves with the first match of `ready`.
  start(words, ready, options = {}) {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...words], { stdio: ['pipe', 'pipe', 'pipe'], ...options });
    this.children.push(child);
    let said = '';
    return new Promise((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (text) => {
          said += text;
          const found = ready.exec(said);
          if (found) resolve(found);
        });
      }
      child.on('error', reject);
      child.on('exit', () => reject(new Error(`${words[0]} has ended: ${said}`)));
    });
  }

  async open() {
    await this.open_host();
    await Promise.all([this.open_edge(), this.open_github(), this.open_compass()]);
    fs.writeFileSync(this.file('ca.pem'), ['edge', 'github', 'compass'].map((name) => fs.readFileSync(this.file(`${name}.pem`), 'utf8')).join('\n'));
    this.secrets = {
      ACCESS_CLIENT_ID: CLIENT.id, ACCESS_CLIENT_SECRET: CLIENT.secret, DEPLOY_KEY: fs.readFileSync(this.file('key'), 'utf8'), COMPASS_TOKEN,
      REGISTRY_AUTH: `${REGISTRY} deploy open-sesame`, APP_ENV: 'GREETING=canary-of-the-app\n',
    };
    this.vars = { KNOWN_HOSTS: this.known_hosts };
  }

  async close() {
    const ended = this.children.filter((child) => child.exitCode === null && child.signalCode === null).map((child) => {
      const gone = once(child, 'exit');
      if (child === this.swarm) child.stdin.end();
      else child.kill('SIGTERM');
      return gone;
    });
    await Promise.all(ended);
    this.end_left_over();
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }

  // Services that the host was asked to start.
  end_left_over() {
    const run = path.join(this.home, 'run');
    for (const name of fs.existsSync(run) ? fs.readdirSync(run) : []) {
      try {
        process.kill(Number(fs.readFileSync(path.join(run, name), 'utf8')), 'SIGKILL');
      } catch {
        // it has ended
      }
    }
  }

  // ---------------------------------------------------------------------------------------------- what there is

  async open_host() {
    for (const name of ['key', 'host']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', this.file(name)]);
    fs.mkdirSync('/run/sshd', { recursive: true });
    const config = this.write('sshd_config', [`HostKey ${this.file('host')}`, `AuthorizedKeysFile ${this.file('key.pub')}`, 'ListenAddress 127.0.0.1', 'UsePAM no', 'StrictModes no', 'PidFile none',
      'PermitRootLogin yes', 'UseDNS no', 'PrintMotd no', `SetEnv HOME=${this.home} PATH=${this.home}/bin:${process.env.PATH}`, 'Subsystem sftp internal-sftp', ''].join('\n'));
    this.write('home/bin/systemctl', fs.readFileSync(path.join(source, 'tests/stand_ins/systemctl')), 0o700);
    for (let tries = 0; !this.sshd_port && tries < 5; tries += 1) {
      const port = await free_port();
      await this.start(['/usr/sbin/sshd', '-D', '-e', '-f', config, '-p', String(port)], /Server listening/).then(() => (this.sshd_port = port), () => {});
    }
    if (!this.sshd_port) throw new Error('sshd does not start');
    this.known_hosts = `vm1.example.com ${fs.readFileSync(this.file('host.pub'), 'utf8').split(' ').slice(0, 2).join(' ')}\n`;
  }

  async open_edge() {
    const words = ['edge', '--origin', `127.0.0.1:${this.sshd_port}`, '--name', 'vm1.example.com', '--client-id', CLIENT.id, '--client-secret-file', this.write('client-secret', CLIENT.secret), '--proxy',
      '--ca-out', this.file('edge.pem'), '--record', this.file('edge.jsonl')];
    [, this.proxy] = await this.start([`${this.bin}/private-cloud-sandbox`, ...words], /"proxy":"([\d.:]+)"/);
  }
  async open_github() {
    const [, address] = await this.start([`${this.bin}/private-cloud-sandbox`, 'github', '--repo', REPOSITORY, '--check-runs', this.write('checks.json', '[]'), '--ca-out', this.file('github.pem'), '--record', this.file('github.jsonl')], /"github":"([\d.:]+)"/);
    this.github = `https://${address}`;
  }
  async open_compass() {
    const words = ['compass', '--token-file', this.write('compass-token', COMPASS_TOKEN), '--ca-out', this.file('compass.pem'), '--record', this.file('compass.jsonl')];
    const [, address] = await this.start([`${this.bin}/private-cloud-sandbox`, ...words], /"compass":"([\d.:]+)"/);
    this.compass = `https://${address}/gateway/api/compass/v1`;
  }
  // A cluster of Proxmox VE, whose time runs twenty times as fast as ours.
  async open_proxmox() {
    const words = ['proxmox', '--clock', '20', '--ca-out', this.file('proxmox.pem')];
    const [, api, application] = await this.start([`${this.bin}/private-cloud-sandbox`, ...words], /"proxmox":"([\d.:]+)".*"application":(\d+)/);
    this.proxmox = { api, application, health_url: `http://{ip}:${application}/healthz` };
    this.secrets.PROXMOX_TOKEN = PROXMOX_TOKEN;
    Object.assign(this.vars, { PROXMOX_API: api, PROXMOX_CA: fs.readFileSync(this.file('proxmox.pem'), 'utf8') });
  }
  proxmox_state() {
    return JSON.parse(execFileSync('curl', ['--silent', '--fail', '--cacert', this.file('proxmox.pem'), `https://${this.proxmox.api}/sandbox/state`], { encoding: 'utf8' }));
  }
  // Guests of applications: {name: status}, the active ones with a star.
  guests() {
    const all = Object.values(this.proxmox_state().guests).map(({ config, status }) => ({ name: config.name ?? config.hostname, status, tags: (config.tags ?? '').split(';') }));
    return Object.fromEntries(all.filter(({ tags }) => tags.some((tag) => tag.startsWith('app-'))).map(({ name, status, tags }) => [name + (tags.includes('active') ? '*' : ''), status]));
  }

  // The containers that have data, and the archives of ours that containers can be made of.
  of_containers() {
    const { guests, storages } = this.proxmox_state();
    const data = Object.values(guests).filter(({ config }) => config.mp0).map(({ config }) => config.hostname);
    return { data, archives: [...new Set(JSON.stringify(storages).match(/(?<=vztmpl\/)shop_[^ "]+/g))] };
  }

  // With app:v1 and app:v2 in a registry that asks for a login.
  async open_swarm(registry) {
    await this.start(['bash', path.join(source, 'tests/support/swarm.sh'), this.make_folder('swarm'), '1'], /^ready$/m, { env: { ...process.env, REGISTRY: registry } });
    this.swarm = this.children.at(-1);
    this.engine = `unix://${this.file('swarm/1/docker.sock')}`;
    this.image = `${REGISTRY}/app`;
  }

  // What the Engine says.
  ask_engine(url) {
    const text = execFileSync('curl', ['--silent', '--fail', '--unix-socket', this.file('swarm/1/docker.sock'), `http://docker/v1.40${url}`], { encoding: 'utf8' });
    return JSON.parse(text);
  }
  services() {
    return Object.fromEntries(this.ask_engine('/services').map(({ Spec: spec }) => [spec.Name, spec.TaskTemplate.ContainerSpec.Image]));
  }

  // ---------------------------------------------------------------------------------------------- the repository

  git(...words) {
    const who = ['-c', 'user.name=tester', '-c', 'user.email=tester@example.com', '-c', 'init.defaultBranch=main'];
    return execFileSync('git', ['-C', this.make_folder('repository'), ...who, ...words], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  }

  start_repository() {
    fs.rmSync(this.file('repository'), { recursive: true, force: true });
  }
  // Those that each commit has from now on.
  check_runs(list) {
    this.write('checks.json', JSON.stringify(list));
  }

  // Commits the files to a branch, which begins where main is; gives the commit.
  commit(branch, files) {
    if (!fs.existsSync(this.file('repository/.git'))) this.git('init', '-q');
    else this.git('checkout', '-q', ...(this.git('branch', '--list', branch) === '' ? ['-b', branch, 'main'] : [branch]));
    for (const [name, text] of Object.entries(files)) this.write(`repository/${name}`, text, text.startsWith('#!') ? 0o755 : 0o644);
    this.git('add', '-A');
    this.git('commit', '-q', '--allow-empty', '-m', `for ${branch}`);
    return this.git('rev-parse', 'HEAD');
  }

  // A template as somebody would fill it in; `changes` are texts and what is there in place of each.
  template(name, changes = {}) {
    return this.filled_in(name, fs.readFileSync(path.join(source, '.github/workflow-templates', `${name}.yml`), 'utf8'), changes);
  }
  filled_in(name, text, changes = {}) {
    const usual = {
      '$default-branch': 'main', 'deploy@vm1.example.com': 'root@vm1.example.com', '/srv/app': `${this.home}/app`,
      '      ports: 8081,8082': `      drain: 0s\n      ports: ${this.ports}${name.includes('-on-vm') ? `\n      preview-ports: ${this.preview_ports}` : ''}`,
      '/etc/nginx/conf.d/app.conf': `${this.home}/route.conf`, '/etc/nginx/conf.d/app-': `${this.home}/route-`, 'http://127.0.0.1:@port@;': 'http at @port@;',
    };
    for (const [from, to] of Object.entries(usual)) text = text.replaceAll(from, to);
    for (const [from, to] of Object.entries(changes)) {
      assert.ok(text.includes(from), `${name} has no ${from}`);
      text = text.replace(from, to);
    }
    return { [`.github/workflows/${name}.yml`]: text };
  }

  // What answers where the host's proxy would lead.
  answer_of(route) {
    return fs.existsSync(route) ? answer_at(Number(/at (\d+)/.exec(fs.readFileSync(route, 'utf8'))[1])) : Promise.resolve('');
  }
  production() {
    return this.answer_of(path.join(this.home, 'route.conf'));
  }
  // The routes of previews.
  previews() {
    return fs.readdirSync(this.home).filter((name) => name.startsWith('route-')).map((name) => path.join(this.home, name));
  }

  // The workflow `name` of the repository, as that branch has it, on an event. Gives its report, with the log of all jobs.
  async run(name, { branch = 'main', event_name = 'push', event = {}, take = () => {}, stop = new AbortController(), ...settings } = {}) {
    this.run_id += 1;
    this.git('checkout', '-q', branch);
    const before = Object.fromEntries(['github', 'compass'].map((each) => [each, json_lines(this.file(`${each}.jsonl`)).length]));
    Object.assign(process.env, { PCA_BIN: this.bin, HTTPS_PROXY: `http://${this.proxy}`, NO_PROXY: '127.0.0.1', SSL_CERT_FILE: this.file('ca.pem') });
    const lines = [];
    const report = await run_workflow({
      workflow: this.file(`repository/.github/workflows/${name}`), repository_folder: this.file('repository'), repository: REPOSITORY, branch, event_name, event, temp: this.temp, tool_cache: this.temp,
      actions: { [OWN]: source }, secrets: this.secrets, vars: this.vars, github: { url: this.github, ca_file: this.file('github.pem') }, artifacts: this.file('artifacts'),
      run_id: String(this.run_id), concurrency: this.concurrency, stop, ...settings,
    }, (line) => {
      lines.push(line);
      take(line);
    });
    const later = (each) => json_lines(this.file(`${each}.jsonl`)).slice(before[each]);
    return { ...report, log: lines.join('\n'), run_id: String(this.run_id), github: later('github'), compass: later('compass') };
  }
}

export function answer_at(port, host = '127.0.0.1', path = '/') {
  return new Promise((resolve) => {
    http.get({ host, port, path, agent: false }, (response) => {
      let text = '';
      response.on('data', (part) => (text += part));
      response.on('end', () => resolve(text.trim()));
    }).on('error', () => resolve(''));
  });
}

// What a run told GitHub: {deployments: environments of new ones, ended: their states, statuses: "context: state"}.
export function told({ github }) {
  const bodies = (pattern) => github.filter(({ method, target, status }) => method === 'POST' && status < 300 && pattern.test(target)).map(({ body }) => (typeof body === 'string' ? JSON.parse(body) : body));
  return {
    deployments: bodies(/\/deployments$/).map(({ environment }) => environment),
    ended: bodies(/\/deployments\/\d+\/statuses$/).map(({ state }) => state),
    statuses: bodies(/\/statuses\/[0-9a-f]{40}$/).map(({ context, state }) => `${context}: ${state}`),
  };
}

function missing_for_swarm() {
  if (process.getuid() !== 0) return 'only root starts Docker Engines';
  for (const file of ['/usr/sbin/dockerd', '/usr/bin/containerd', registry]) if (!fs.existsSync(file)) return `there is no ${file}`;
  try {
    execFileSync('unshare', ['--pid', '--fork', '--mount', '--net', 'sh', '-c', 'ip link add probe0 type bridge && ip link add probe1 type veth peer name probe2 && ip link add probe3 type vxlan id 1 dstport 4789'], { stdio: 'pipe' });
  } catch {
    return 'no namespaces, bridges, veth or vxlan devices can be made here';
  }
  return undefined;
}

// Why a test of the swarm is skipped; nothing may be where all has to be tested.
export const no_swarm = missing_for_swarm();
if (no_swarm && process.env.REQUIRE_E2E === '1') throw new Error(no_swarm);
