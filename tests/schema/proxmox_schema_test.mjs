// usage: node proxmox_schema_test.mjs SANDBOX [REQUESTS.json...], see proxmox_schema.sh
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

const [sandbox, ...lists] = process.argv.slice(2);

const schema_of = (release) => JSON.parse(fs.readFileSync(path.join(process.env.PVE_APIDOC, `apidoc-${release}.json`), 'utf8'));

// What the sandbox answers: [{operation, parameters: {name: {type, required, choices}}, permission, protected}].
async function endpoints_of(release) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'proxmox-schema-'));
  const ca_file = path.join(folder, 'ca.pem');
  const child = spawn(sandbox, ['proxmox', '--die-with-parent', '--release', release, '--ca-out', ca_file], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [line] = await once(child.stdout, 'data');
    const { proxmox } = JSON.parse(line);
    const [answer] = await once(https.get(`https://${proxmox}/sandbox/endpoints`, { ca: fs.readFileSync(ca_file) }), 'response');
    return JSON.parse(Buffer.concat(await answer.toArray()));
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
    fs.rmSync(folder, { recursive: true });
  }
}

// The schema's own parameter for a name: "scsi0" is one of "scsi[n]".
const parameter_of = (method, name) =>
  method.parameters.properties?.[name] ?? method.parameters.properties?.[name.replace(/\d+$/, '[n]')];

// All privileges that a permission asks for, however they are combined.
const privileges_in = (text) => new Set(text.match(/\b(?:VM|Datastore|Sys|Pool|SDN)(?:\.\w+)+/g) ?? []);

for (const release of ['9.2', '8.4']) {
  const schema = schema_of(release);

  test(`the sandbox answers as the schema of ${release} says`, async () => {
    const endpoints = await endpoints_of(release);
    assert.ok(endpoints.length > 100);
    const problems = [];
    for (const { operation, parameters, permission, protected: by_root } of endpoints) {
      const method = schema[operation];
      if (!method) {
        problems.push(`${operation}: there is no such method`);
        continue;
      }
      if (Boolean(method.protected) !== by_root) problems.push(`${operation}: protected is ${!by_root}`);
      for (const [name, rule] of Object.entries(parameters)) {
        const known = parameter_of(method, name);
        if (!known) {
          problems.push(`${operation}: there is no parameter ${name}`);
          continue;
        }
        if (known.type !== rule.type) problems.push(`${operation}: ${name} is ${known.type}, not ${rule.type}`);
        // What a path says is there, whatever the schema says of it.
        const is_of_path = operation.includes(`{${name}}`);
        if (!is_of_path && Boolean(known.optional) === rule.required) problems.push(`${operation}: ${name} is ${known.optional ? 'optional' : 'required'}`);
        for (const choice of rule.choices ?? []) {
          if (!known.enum?.map(String).includes(choice)) problems.push(`${operation}: ${name} cannot be ${choice}`);
        }
      }
      for (const [name, known] of Object.entries(method.parameters.properties ?? {})) {
        if (!known.optional && !(name in parameters)) problems.push(`${operation}: ${name} is required`);
      }
      const wanted = privileges_in(JSON.stringify(method.permissions?.check ?? []));
      const asked = privileges_in(release === '8.4' ? permission.replace(/VM\.GuestAgent\.[\w.|]+/g, 'VM.Monitor') : permission);
      if (wanted.size > 0 && [...wanted].sort().join() !== [...asked].sort().join()) {
        if (!(release === '8.4' && wanted.has('VM.Monitor') && asked.has('VM.Monitor'))) {
          problems.push(`${operation}: asks for ${[...asked]}, not ${[...wanted]}`);
        }
      }
    }
    assert.deepEqual(problems, []);
  });

  for (const list of lists) {
    test(`${path.basename(list)} asks only for what the schema of ${release} knows`, () => {
      const problems = [];
      for (const { operation, parameters, permission, since } of JSON.parse(fs.readFileSync(list, 'utf8'))) {
        if (since && Number(since) > Number(release)) continue;
        const method = schema[operation];
        if (!method) {
          problems.push(`${operation}: there is no such method`);
          continue;
        }
        for (const [name, value] of Object.entries(parameters ?? {})) {
          const known = parameter_of(method, name);
          if (!known) problems.push(`${operation}: there is no parameter ${name}`);
          else if (known.type === 'integer' && !/^-?\d+$/.test(value)) problems.push(`${operation}: ${name} is an integer`);
          else if (known.type === 'boolean' && !/^[01]$/.test(value)) problems.push(`${operation}: ${name} is 0 or 1`);
          else if (known.enum && !known.enum.map(String).includes(String(value))) problems.push(`${operation}: ${name} cannot be ${value}`);
        }
        for (const [name, known] of Object.entries(method.parameters.properties ?? {})) {
          if (!known.optional && !operation.includes(`{${name}}`) && !(name in (parameters ?? {}))) {
            problems.push(`${operation}: ${name} is required`);
          }
        }
        const wanted = privileges_in(JSON.stringify(method.permissions ?? {}));
        for (const privilege of privileges_in(permission ?? '')) {
          if (!wanted.has(privilege)) problems.push(`${operation}: ${privilege} is not what it asks for`);
        }
      }
      assert.deepEqual(problems, []);
    });
  }
}
