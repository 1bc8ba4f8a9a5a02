#!/usr/bin/env node
// Checks SARIF against its JSON schema. usage: node check_sarif.mjs PACKAGES FILE...     exit 0 valid, 1 not
// PACKAGES: the folder that tests/npm/install.sh printed.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [packages, ...files] = process.argv.slice(2);
const require = createRequire(path.join(packages, 'package.json'));
const Ajv = require('ajv-draft-04').default;
const ajv = new Ajv({ strict: false, allErrors: true, unicodeRegExp: false });
require('ajv-formats').default(ajv);
// What the package exports does not name the schema.
const folder = path.join(packages, 'node_modules/@microsoft/jest-sarif/lib/schemas');
const validate = ajv.compile(JSON.parse(fs.readFileSync(path.join(folder, 'sarif-2.1.0-rtm.5.json'), 'utf8')));

for (const file of files) {
  if (validate(JSON.parse(fs.readFileSync(file, 'utf8')))) continue;
  process.exitCode = 1;
  for (const error of validate.errors) console.log(`${file}: ${error.instancePath} ${error.message}`);
}
