#!/usr/bin/env node
// Checks an example's steps without running them. Reads {steps (YAML), actions} as JSON from stdin and prints the mistakes.
// usage: node check_steps.mjs <SETTINGS.json     exit 0 none, 1 some
import fs from 'node:fs';

import { mistakes_in_steps, parse_yaml } from './workflow.mjs';

const { steps, actions } = JSON.parse(fs.readFileSync(0, 'utf8'));
const mistakes = mistakes_in_steps(parse_yaml(steps), { actions, workspace: '.' });
mistakes.forEach((mistake) => console.log(mistake));
process.exitCode = mistakes.length === 0 ? 0 : 1;
