// What GitHub itself does around a job: its token, which may do what `permissions:` says; deployments of environments;
// artifacts; and who waits for whom by `concurrency:`.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';

const RANK = { none: 0, read: 1, write: 2 };
const SCOPES = ['actions', 'attestations', 'checks', 'contents', 'deployments', 'id-token', 'issues', 'packages', 'pages', 'pull-requests', 'security-events', 'statuses'];

const all = (access) => Object.fromEntries(SCOPES.map((scope) => [scope, access]));
// What repositories give a token of which a workflow says nothing: the restricted default.
export const DEFAULT_PERMISSIONS = { ...all('none'), contents: 'read', packages: 'read' };

// `written` as in a workflow; nothing is what `inherited` is.
export function permissions_of(written, inherited) {
  if (written === undefined || written === null) return inherited;
  if (written === 'write-all') return all('write');
  if (written === 'read-all') return all('read');
  return { ...all('none'), ...written };
}

export function check_permissions(id, asked, allowed, workflow) {
  for (const [scope, access] of Object.entries(asked)) {
    if (RANK[access] > RANK[allowed[scope] ?? 'none']) {
      throw new Error(`Error calling workflow '${workflow}'. The nested job '${id}' is requesting '${scope}: ${access}', but is only allowed '${scope}: ${allowed[scope] ?? 'none'}'.`);
    }
  }
}

// A token of a fork's run or of Dependabot's only reads, whatever the workflow says.
export const reading_only = (permissions) => Object.fromEntries(Object.entries(permissions).map(([scope, access]) => [scope, access === 'write' ? 'read' : access]));

const SCOPE_OF_PATH = [[/^\/statuses\//, 'statuses'], [/^\/commits\/[^/]+\/status(es)?$/, 'statuses'], [/^\/check-(runs|suites)/, 'checks'], [/^\/commits\/.+\/check-(runs|suites)$/, 'checks'],
  [/^\/deployments/, 'deployments'], [/^\/actions\//, 'actions']];

function scope_of(url) {
  const inner = url.split('?')[0].replace(/^\/repos\/[^/]+\/[^/]+/, '');
  return SCOPE_OF_PATH.find(([pattern]) => pattern.test(inner))?.[1] ?? 'contents';
}

const whole = async (stream) => {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
};

// Of a deployment that a job with an environment made, `ref` is the branch.
function with_branches(text) {
  const json = JSON.parse(text);
  if (!Array.isArray(json)) return text;
  return JSON.stringify(json.map((each) => (each.payload?.ref ? { ...each, ref: each.payload.ref.replace(/^refs\/heads\//, '') } : each)));
}

// GitHub's API as jobs see it. Behind it is `upstream`, {url, ca_file}, which knows no permissions.
export class Api {
  // `repository` knows commits: resolve() gives the whole SHA of what begins one, or is a branch; compare() says ahead, behind, identical or diverged.
  constructor(upstream, repository) {
    this.repository = repository;
    this.upstream = upstream.url;
    this.ca = upstream.ca_file && fs.readFileSync(upstream.ca_file);
    this.permissions = new Map(); // of each token
  }

  async start() {
    this.server = http.createServer((request, response) => this.answer(request, response).catch((error) => response.writeHead(502).end(String(error))));
    await once(this.server.listen(0, '127.0.0.1'), 'listening');
    this.url = `http://127.0.0.1:${this.server.address().port}`;
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections?.();
  }

  token_with(permissions) {
    const token = `ghs_${randomUUID().replaceAll('-', '')}`;
    this.permissions.set(token, permissions);
    return token;
  }

  async answer(request, response) {
    const body = await whole(request);
    const token = (request.headers.authorization ?? '').replace(/^(Bearer|token) /, '');
    const scope = scope_of(request.url);
    const access = request.method === 'GET' ? 'read' : 'write';
    const granted = this.permissions.get(token);
    const refuse = (status, message, headers = {}) => response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
      .end(JSON.stringify({ message, documentation_url: 'https://docs.github.com/rest', status: String(status) }));
    if (!granted) return refuse(401, 'Bad credentials');
    if (RANK[granted[scope] ?? 'none'] < RANK[access]) return refuse(403, 'Resource not accessible by integration', { 'x-accepted-github-permissions': `${scope}=${access}` });
    const [, base, head] = /\/compare\/([^/?]+)\.\.\.([^/?]+)/.exec(request.url) ?? [];
    if (base && this.repository) return response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify({ status: this.repository.compare(base, head) }));
    const url = request.url.replace(/(?<=\/commits\/)[^/?]+/, (name) => this.repository?.resolve(decodeURIComponent(name)) ?? name);
    const { status, headers, text: said } = await this.pass_on(request.method, url, request.headers, body);
    const text = request.method === 'GET' && scope === 'deployments' && status === 200 ? with_branches(said) : said;
    const { 'content-length': _, 'transfer-encoding': __, ...others } = headers;
    return response.writeHead(status, others).end(text);
  }

  async pass_on(method, url, headers, body) {
    const request = (this.upstream.startsWith('https:') ? https : http).request(this.upstream + url, { method, headers: { ...headers, host: new URL(this.upstream).host }, ca: this.ca, agent: false });
    request.end(body);
    const [answer] = await once(request, 'response');
    return { status: answer.statusCode, headers: answer.headers, text: await whole(answer) };
  }

  async post(url, json) {
    const body = Buffer.from(JSON.stringify(json));
    const headers = { accept: 'application/vnd.github+json', authorization: 'Bearer of-github-itself', 'content-type': 'application/json', 'content-length': body.length, 'user-agent': 'GitHub' };
    const { status, text } = await this.pass_on('POST', url, headers, body);
    if (status >= 300) throw new Error(`GitHub does not take its own ${url}: ${status} ${text}`);
    return JSON.parse(text);
  }

  // What a job with `environment:` makes by itself. Gives what says how it ended.
  async deploy(repository, { environment, sha, ref, log_url }) {
    const at = `/repos/${repository}/deployments`;
    const { id } = await this.post(at, { ref: sha, environment, auto_merge: false, required_contexts: [], task: 'deploy', description: '', payload: { ref } });
    const status = (state, environment_url = '') => this.post(`${at}/${id}/statuses`, { state, environment_url, log_url });
    await status('in_progress');
    return (result, url) => status({ success: 'success', cancelled: 'error' }[result] ?? 'failure', url);
  }
}

// Of each group one runs, one waits; a newer one takes the place of the one that waits, unless it queues.
export class Concurrency {
  constructor() {
    this.groups = new Map(); // name, in lower case, to {running, waiting: in their order}
  }

  // Gives what ends the turn, or nothing where a newer one came while this one waited. `stop` is called when a newer one cancels it.
  async enter(group, cancels_older, stop, queues = false) {
    const name = group.toLowerCase();
    const entry = this.groups.get(name) ?? { waiting: [] };
    this.groups.set(name, entry);
    if (entry.running) {
      if (!queues) entry.waiting.splice(0).forEach((give_up) => give_up(false));
      if (cancels_older) entry.running.stop();
      const is_mine = await new Promise((resolve) => entry.waiting.push(resolve));
      if (!is_mine) return undefined;
    }
    entry.running = { stop };
    return () => {
      const next = entry.waiting.shift();
      entry.running = undefined;
      if (next) {
        entry.running = { stop: () => {} }; // until it goes on
        next(true);
      }
    };
  }
}
