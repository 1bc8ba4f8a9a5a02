// Posts one status as a workflow's script would, by @octokit/rest; the token is GITHUB_TOKEN.
// usage: node post_status.mjs API_URL SHA PACKAGES
import { createRequire } from 'node:module';
import path from 'node:path';

const [baseUrl, sha, packages] = process.argv.slice(2);
const { Octokit } = await import(createRequire(path.join(packages, 'package.json')).resolve('@octokit/rest'));
const github = new Octokit({ auth: process.env.GITHUB_TOKEN, baseUrl });
await github.rest.repos.createCommitStatus({ owner: 'acme', repo: 'shop', sha, state: 'success', context: 'unit' });
